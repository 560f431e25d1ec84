/** A skill is reloaded while something else becomes of it: it is taken out, put back, quarantined; and what it watches comes and goes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { loadSkill, queued, skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost, SkillHostOptions } from './60-skills-support.ts';

const SCHEMA = 'CREATE TABLE items(id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE told(at INTEGER PRIMARY KEY, what)';
const MAY = {
  permissions: {
    database: { read: ['items', 'told', 'later'], write: ['items', 'told'], schema: ['own'] },
    actions: { listen: ['ping'] },
  },
};
const script = (version: string, activate = '', more = ''): string => `
  local function tell(what) glyphcase.insert("told", { what = what }) end
  local function saw(events) for _, event in ipairs(events) do tell("${version} saw " .. event.new_data.n) end end
  function on_activate() tell("${version} begins") ${activate} end
  function on_deactivate() tell("${version} ends") end
  function version() return "${version}" end ${more}`;

const told = (host: SkillHost): unknown[] => host.db.all('SELECT what FROM told ORDER BY at').map(({ what }) => what);
const insert = (host: SkillHost, n: number): void => host.run(`INSERT INTO items VALUES (${n}, ${n})`);
const save = (host: SkillHost, text: string): void => writeFileSync(join(host.dir, 'demo/main.lua'), text);

async function withSkill(text: string, lua: SkillHostOptions['lua'] = {}): Promise<SkillHost> {
  const host = await skillHost({ schema: SCHEMA, lua });
  expect(await loadSkill(host, 'demo', text, MAY)).toMatchObject({ state: 'active' });
  return host;
}

describe('while a reload is under way', () => {
  it('the next one comes after it, with the files as they are by then', async () => {
    const host = await withSkill(script('one'));
    save(host, script('two'));
    await queued(
      host,
      () => host.skills.reload('demo'),
      () => {
        save(host, script('three'));
        return Promise.all([host.skills.reload('demo'), host.skills.reload('demo')]);
      },
    );
    expect(told(host)).toEqual([
      'one begins',
      ...['one ends', 'two begins'],
      ...['two ends', 'three begins'],
      ...['three ends', 'three begins'],
    ]);
  });

  it('the skill is uninstalled: nothing of it is left', async () => {
    const host = await withSkill(script('one', 'glyphcase.watch("items", saw)'));
    await queued(
      host,
      () => host.skills.reload('demo'),
      () => host.skills.uninstall('demo'),
    );
    expect([host.skills.list(), host.capsule.stats().subscriptions]).toEqual([[], []]);
    insert(host, 1);
    await host.rest();
    expect(told(host).at(-1)).toBe('one ends');
  });

  it.each(['unload', 'uninstall'] as const)(
    '%s and load: the new one begins when the old one has ended',
    async (how) => {
      const files = { 'migrations/001.sql': 'CREATE TABLE own(id INTEGER PRIMARY KEY)' };
      const host = await skillHost({ schema: SCHEMA });
      const folder = writeSkill(host.dir, 'demo', script('one'), MAY, files);
      await host.skills.load(folder);
      await queued(
        host,
        () => host.skills.reload('demo'),
        () => host.skills[how]('demo'),
        () => {
          save(host, script('two'));
          return host.skills.load(folder);
        },
      );
      expect(told(host).slice(-2)).toEqual(['one ends', 'two begins']);
      expect(host.skills.get('demo')).toMatchObject({ state: 'active', reasons: [] });
      expect(await host.skills.call('demo', 'version')).toBe('two');
      expect(host.db.all("SELECT name FROM sqlite_schema WHERE name = 'own'")).toHaveLength(1);
    },
  );

  it('somebody else has locked the file: the new version comes when it is free', async () => {
    const host = await skillHost({ schema: SCHEMA, busyTimeout: 20 });
    await loadSkill(host, 'demo', script('one'), MAY);
    save(host, script('two'));
    const other = new Database(host.file);
    other.exec('BEGIN IMMEDIATE');
    const { state, error, reasons } = await host.skills.reload('demo');
    expect([state, error?.message, reasons.join()]).toEqual([
      'active',
      expect.stringMatching(/locked/) as string,
      expect.stringMatching(/version 1.0.0 goes on/) as string,
    ]);
    other.close();
    expect(await host.skills.call('demo', 'version')).toBe('one');
    await host.clock.advance(1000);
    await host.rest();
    expect(host.skills.get('demo')).toMatchObject({ state: 'active', reasons: [] });
    expect(await host.skills.call('demo', 'version')).toBe('two');
    // Once.
    const lines = told(host).length;
    await host.clock.advance(10_000);
    await host.rest();
    expect(told(host)).toHaveLength(lines);
  });

  it('the old version is quarantined: the new one is not', async () => {
    const endless = 'glyphcase.on("ping", function() while true do end end)';
    const host = await withSkill(script('one', endless), { limits: { time: '100ms' } });
    const ping = (): Promise<unknown> => host.actions.request('ping').catch(() => undefined);
    for (let n = 0; n < 4; n += 1) {
      await ping();
      await host.rest();
    }
    save(host, script('two'));
    await queued(host, ping, () => host.skills.reload('demo'));
    expect(host.skills.get('demo')).toMatchObject({ state: 'active', reasons: [] });
    expect(await host.skills.call('demo', 'version')).toBe('two');
  });
});

describe('a watch', () => {
  it('on a table that is not there yet holds up the new version, and not the old one', async () => {
    const host = await withSkill(script('one', 'glyphcase.watch("items", saw)'));
    save(host, script('two', 'glyphcase.watch("items", saw) glyphcase.watch("later", saw)'));
    await host.skills.reload('demo');
    insert(host, 1);
    await host.rest();
    expect(host.skills.get('demo')).toMatchObject({ state: 'active' });
    expect(told(host)).toContain('one saw 1');
    insert(host, 2);
    host.run('CREATE TABLE later(id INTEGER PRIMARY KEY, n INTEGER)');
    await host.clock.advance(200);
    await host.rest();
    expect(await host.skills.call('demo', 'version')).toBe('two');
    host.run('INSERT INTO later VALUES (3, 3)');
    insert(host, 4);
    await host.rest();
    const saw = told(host).filter((what) => String(what).includes('saw'));
    expect(saw.slice(0, 2).map((what) => String(what).slice(-1))).toEqual(['1', '2']);
    expect(saw.slice(2).toSorted()).toEqual(['two saw 3', 'two saw 4']);
  });

  it('that the new version drops is gone, and leaves nothing behind', async () => {
    const host = await withSkill(
      script('one', 'glyphcase.watch("items", saw) glyphcase.watch("SELECT n FROM items", saw)'),
    );
    const before = host.capsule.stats().subscriptions.length;
    save(host, script('two'));
    await host.skills.reload('demo');
    insert(host, 1);
    await host.rest();
    expect([before, host.capsule.stats().subscriptions.length]).toEqual([1, 0]);
    expect(told(host)).toEqual(['one begins', 'one ends', 'two begins']);
  });

  it('that cannot begin takes none of the room of others', async () => {
    const host = await withSkill(
      script(
        'one',
        '',
        `function try(n) local made = 0
          for _ = 1, n do if pcall(glyphcase.watch, "SELECT abs(n) AS n FROM items", saw) then made = made + 1 end end
          return made end`,
      ),
    );
    host.run('INSERT INTO items VALUES (1, -9223372036854775808)');
    for (let n = 0; n < 15; n += 1) expect(await host.skills.call('demo', 'try', 10)).toBe(0);
    host.run('DELETE FROM items');
    expect(await host.skills.call('demo', 'try', 1)).toBe(1);
  });
});
