/** Folders that are watched: dropping in, saving, breaking, mending, deleting; while rows keep coming. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../kernel/clock.ts';
import { may, ORDERS, skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { tempDir, until } from './support.ts';

const SCHEMA = `${ORDERS}; CREATE TABLE seen(n INTEGER PRIMARY KEY, id, version TEXT)`;
const MANIFEST = { watches: ['orders'], ...may('orders', 'seen') };
const versioned = (version: string): string =>
  `function on_activate() print("activate ${version}") end function on_deactivate() print("deactivate ${version}") end
   function on_data_changed(t, op, row) glyphcase.insert("seen", { id = row.id, version = "${version}" }) end
   function version() return "${version}" end`;

const watching = (): Promise<SkillHost> => skillHost({ schema: SCHEMA, clock: systemClock, skills: { watch: true } });
const state = (host: SkillHost): string | undefined => host.skills.get('demo')?.state;
const version = (host: SkillHost): Promise<unknown> => host.skills.call('demo', 'version');
const saved = (host: SkillHost, text: string): void => writeFileSync(join(host.dir, 'demo', 'main.lua'), text);
const logs = (host: SkillHost, line: string): boolean => host.logged().includes(line);

describe('a watched folder', () => {
  it('activates what is dropped in, reloads what is saved, deactivates what is deleted', async () => {
    const host = await watching();
    writeSkill(host.dir, 'demo', versioned('one'), MANIFEST);
    await until(() => state(host) === 'active');
    expect(await version(host)).toBe('one');
    saved(host, versioned('two'));
    await until(() => logs(host, 'activate two'));
    expect(host.logged()).toEqual(['activate one', 'deactivate one', 'activate two']);
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    rmSync(join(host.dir, 'demo'), { recursive: true });
    await until(() => host.skills.list().length === 0);
    expect(logs(host, 'deactivate two')).toBe(true);
    host.run('INSERT INTO orders(id) VALUES (2)');
    await host.rest();
    writeSkill(host.dir, 'demo', versioned('three'), MANIFEST);
    await until(() => state(host) === 'active');
    await host.rest();
    expect(host.db.all('SELECT id, version FROM seen')).toEqual([
      { id: 1, version: 'two' },
      { id: 2, version: 'three' },
    ]);
  });

  it.each([
    ['a syntax error', (host: SkillHost) => saved(host, 'x = = 1'), /main\.lua:1: /],
    [
      'a script that fails',
      (host: SkillHost) => saved(host, '\nlocal t = nil\nt.x = 1'),
      /skill demo, load: main\.lua:3: .*nil value/,
    ],
    [
      'an on_activate that fails',
      (host: SkillHost) => saved(host, 'function on_activate()\n error("boom") end'),
      /skill demo, on_activate: main\.lua:2: boom/,
    ],
    [
      'a manifest that is no JSON',
      (host: SkillHost) => writeFileSync(join(host.dir, 'demo/manifest.json'), '{\n "id" "demo"\n}'),
      /demo\/manifest\.json:2: not valid JSON/,
    ],
    [
      'a manifest with a misspelt key',
      (host: SkillHost) => void writeSkill(host.dir, 'demo', versioned('one'), { watch: [] }),
      /manifest\.json:\d+: watch: unknown key 'watch' \(did you mean 'watches'\?\)/,
    ],
    [
      'a table that is not there',
      (host: SkillHost) => void writeSkill(host.dir, 'demo', versioned('one'), { ...MANIFEST, watches: ['ordrs'] }),
      /waiting \(table ordrs\)/,
    ],
  ])(
    'keeps the running version through %s, says what is wrong, and takes the next good one',
    async (_what, breakIt, message) => {
      const host = await watching();
      writeSkill(host.dir, 'demo', versioned('one'), MANIFEST);
      await until(() => state(host) === 'active');
      breakIt(host);
      await until(() => (host.skills.get('demo')?.reasons.length ?? 0) > 0);
      const report = host.skills.get('demo')!;
      expect(report.state).toBe('active');
      expect(report.reasons.join()).toMatch(message);
      host.run('INSERT INTO orders(id) VALUES (1)');
      await host.rest();
      expect(host.db.all('SELECT version FROM seen')).toEqual([{ version: 'one' }]);
      expect(await version(host)).toBe('one');
      writeSkill(host.dir, 'demo', versioned('mended'), MANIFEST);
      await until(() => logs(host, 'activate mended'));
      await host.rest();
      expect(host.skills.get('demo')).toMatchObject({ state: 'active', reasons: [] });
      expect(host.skills.get('demo')?.error).toBeUndefined();
    },
  );

  it('forgets a broken edit that was undone', async () => {
    const host = await watching();
    writeSkill(host.dir, 'demo', versioned('one'), MANIFEST);
    await until(() => state(host) === 'active');
    saved(host, 'x = = 1');
    await until(() => host.skills.get('demo')?.error !== undefined);
    saved(host, versioned('one'));
    await until(() => host.skills.get('demo')?.error === undefined);
    expect(host.logged().filter((line) => line.startsWith('activate'))).toEqual(['activate one']);
  });

  it('runs on from the files it was loaded with, also when it has to start anew', async () => {
    const host = await skillHost({
      schema: SCHEMA,
      clock: systemClock,
      skills: { watch: true },
      lua: { limits: { time: '60ms' } },
    });
    const main = `local util = require("lib.util") function version() return require("lib.util").name .. require("lib.late").name end
      function loop() while true do end end`;
    writeSkill(
      host.dir,
      'demo',
      main,
      {},
      { 'lib/util.lua': 'return { name = "old" }', 'lib/late.lua': 'return { name = " late" }' },
    );
    await until(() => state(host) === 'active');
    writeFileSync(join(host.dir, 'demo/lib/late.lua'), 'return { name = " new" }');
    saved(host, 'x = = 1');
    await until(() => host.skills.get('demo')?.error !== undefined);
    await expect(host.skills.call('demo', 'loop')).rejects.toMatchObject({ code: 'GC_LUA_TIME' });
    expect(await version(host)).toBe('old late');
  });

  it('reloads on any file of the folder, and not on editors’ leftovers', async () => {
    const host = await watching();
    const folder = writeSkill(
      host.dir,
      'demo',
      'function version() return require("lib").name end',
      {},
      { 'lib.lua': 'return { name = "a" }' },
    );
    await until(() => state(host) === 'active');
    const before = host.skills.get('demo')?.activatedInMs;
    writeFileSync(join(folder, '.main.lua.swp'), 'x');
    writeFileSync(join(folder, 'main.lua~'), 'x');
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(host.skills.get('demo')?.activatedInMs).toBe(before);
    writeFileSync(join(folder, 'lib.lua.tmp'), 'return { name = "b" }');
    renameSync(join(folder, 'lib.lua.tmp'), join(folder, 'lib.lua'));
    await until(() => host.skills.get('demo')?.activatedInMs !== before);
    expect(await version(host)).toBe('b');
  });

  it('loses and doubles nothing over many saves while rows are written', async () => {
    const host = await watching();
    writeSkill(host.dir, 'demo', versioned('0'), MANIFEST);
    await until(() => state(host) === 'active');
    let written = 0;
    for (let round = 1; round <= 8; round += 1) {
      saved(host, round % 3 === 0 ? 'x = = 1' : versioned(String(round)));
      const last =
        round % 3 === 0 ? () => host.skills.get('demo')?.error !== undefined : () => logs(host, `activate ${round}`);
      do {
        written += 1;
        host.run(`INSERT INTO orders(id) VALUES (${written})`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      } while (!last());
    }
    await host.rest();
    expect(host.db.get('SELECT count(*) AS n, count(DISTINCT id) AS d FROM seen')).toEqual({ n: written, d: written });
    expect(
      host.db.value(
        'SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY n) AS before FROM seen) WHERE before > id',
      ),
    ).toBe(0);
  });

  it('puts up with a folder that does not exist yet', async () => {
    const dir = join(tempDir(), 'later');
    const host = await skillHost({ dir, schema: SCHEMA, clock: systemClock, skills: { watch: true } });
    writeSkill(dir, 'demo', versioned('one'), MANIFEST);
    await until(() => state(host) === 'active');
  });
});
