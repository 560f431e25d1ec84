/** A skill is started anew, by a reload or after its state was killed: its live watches go on from where they were. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../kernel/clock.ts';
import { loadSkill, queued, skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost, SkillHostOptions } from './60-skills-support.ts';
import { OutsideWriter } from './94-reload-outside.ts';
import { afterTest, settle, sqlite3 } from './support.ts';

const SCHEMA = `CREATE TABLE items(id INTEGER PRIMARY KEY, kind TEXT, n INTEGER, by TEXT);
  CREATE TABLE others(id INTEGER PRIMARY KEY);
  CREATE TABLE told(at INTEGER PRIMARY KEY, what)`;
const MAY = {
  permissions: {
    database: { read: ['items', 'others', 'told'], write: ['items', 'told'] },
    actions: { listen: ['ping'] },
  },
};

/** `tell(name)` makes a handler that writes down what it is told. */
const TELL = `local function tell(name) return function(events)
    for _, event in ipairs(events) do
      local row = event.new_data or event.old_data
      glyphcase.insert("told", { what = name .. " " .. event.operation .. " " .. tostring(row.n or row.id) })
    end
  end end`;
const main = (activate: string, more = ''): string => `${TELL} function on_activate() ${activate} end ${more}`;

/** Changes wait to be delivered until somebody calls `flush`. */
const waiting: SkillHostOptions = { schema: SCHEMA, batching: { batchInterval: 1000 } };

const told = (host: SkillHost): unknown[] => host.db.all('SELECT what FROM told ORDER BY at').map(({ what }) => what);
const insert = (host: SkillHost, n: number, kind = 'a'): void =>
  host.run(`INSERT INTO items(id, kind, n) VALUES (${n}, '${kind}', ${n})`);

async function reloaded(host: SkillHost, text?: string): Promise<void> {
  if (text !== undefined) writeFileSync(join(host.dir, 'demo/main.lua'), text);
  expect(await host.skills.reload('demo')).toMatchObject({ state: 'active', reasons: [] });
}

/** Inserts a row and reloads the skill; delivery and reload both wait for the writer, the reload first. */
async function insertedBeforeReload(host: SkillHost, n: number): Promise<void> {
  const gate = Promise.withResolvers<void>();
  insert(host, n);
  const holding = host.db.transaction(() => gate.promise);
  const reloading = host.skills.reload('demo');
  await settle();
  await host.clock.advance(1000);
  gate.resolve();
  await holding;
  await reloading;
  await host.rest();
}

/** A host with the skill `demo`. */
async function withSkill(text: string, options: SkillHostOptions = waiting): Promise<SkillHost> {
  const host = await skillHost(options);
  expect(await loadSkill(host, 'demo', text, MAY)).toMatchObject({ state: 'active' });
  return host;
}

describe('a watch on a table', () => {
  const WATCH = main('glyphcase.watch("items", tell("saw"))');

  it('hears of what was committed before the reload and not delivered, by this program and by others', async () => {
    const host = await withSkill(WATCH);
    insert(host, 1);
    sqlite3(host.file, 'INSERT INTO items(id, n) VALUES (2, 2)');
    await reloaded(host);
    insert(host, 3);
    sqlite3(host.file, 'INSERT INTO items(id, n) VALUES (4, 4)');
    await host.rest();
    expect(told(host)).toEqual(['saw INSERT 1', 'saw INSERT 2', 'saw INSERT 3', 'saw INSERT 4']);
  });

  it('hears of what it was given, and had not begun with when the reload came', async () => {
    const host = await withSkill(WATCH);
    await insertedBeforeReload(host, 1);
    expect(told(host)).toEqual(['saw INSERT 1']);
  });

  it('is not told again of what it has handled, nor of what failed', async () => {
    const host = await withSkill(
      main(`glyphcase.watch("items", function(events)
        tell("saw")(events)
        if events[1].new_data.n == 2 then error("not this one") end
      end)`),
    );
    for (const n of [1, 2, 3]) {
      insert(host, n);
      await host.rest();
      await reloaded(host);
    }
    await host.rest();
    expect(told(host)).toEqual(['saw INSERT 1', 'saw INSERT 3']);
  });

  it('is known by table, filter and parameters, and of equal ones by the order in which they were made', async () => {
    const watches = (second: string): string => `
      glyphcase.watch("items", tell("all"))
      glyphcase.watch("items", "kind = ?", { "a" }, tell("a"))
      glyphcase.watch("items", "kind = ?", { "${second}" }, tell("${second}"))
      glyphcase.watch("items", tell("again"))`;
    const host = await withSkill(main(watches('b')));
    insert(host, 1, 'a');
    insert(host, 2, 'b');
    insert(host, 3, 'c');
    await reloaded(host, main(watches('c')));
    insert(host, 4, 'c');
    await host.rest();
    expect(told(host).toSorted()).toEqual(
      [
        ...[1, 2, 3, 4].flatMap((n) => [`all INSERT ${n}`, `again INSERT ${n}`]),
        'a INSERT 1',
        // Nobody watched 'c' before.
        'c INSERT 4',
      ].toSorted(),
    );
  });

  it('goes on too when on_deactivate ends it, when the script itself makes it, and when a migration comes between', async () => {
    const text = `${TELL} glyphcase.watch("items", tell("saw"))
      function on_deactivate() glyphcase.insert("items", { id = 9, n = 9 }) glyphcase.unwatch_all() end`;
    const host = await withSkill(text);
    insert(host, 1);
    const files = { 'migrations/001.sql': 'ALTER TABLE items ADD COLUMN more' };
    const permissions = { database: { ...MAY.permissions.database, schema: ['items'] } };
    writeSkill(host.dir, 'demo', text, { version: '1.1.0', permissions }, files);
    await reloaded(host);
    await host.rest();
    expect(told(host)).toEqual(['saw INSERT 1', 'saw INSERT 9']);
  });

  it('begins anew when the new version asks for it later, and is forgotten when it does not ask', async () => {
    const host = await withSkill(main('glyphcase.watch("items", tell("saw"))'));
    insert(host, 1);
    await reloaded(host, main('', 'function ask() glyphcase.watch("items", tell("later")) end'));
    insert(host, 2);
    await host.skills.call('demo', 'ask');
    insert(host, 3);
    await host.rest();
    expect(told(host)).toEqual(['later INSERT 3']);
  });

  it('goes on in the old version when the new one does not start', async () => {
    const host = await withSkill(WATCH);
    insert(host, 1);
    writeFileSync(
      join(host.dir, 'demo/main.lua'),
      main('glyphcase.watch("items", tell("never")) error("it does not start")'),
    );
    expect((await host.skills.reload('demo')).reasons.join()).toContain('it does not start');
    insert(host, 2);
    await host.rest();
    await reloaded(host, WATCH);
    insert(host, 3);
    await host.rest();
    expect(told(host)).toEqual(['saw INSERT 1', 'saw INSERT 2', 'saw INSERT 3']);
  });

  it('goes on after its state was killed by a limit, behind the batch that killed it', async () => {
    const host = await withSkill(
      main(
        `glyphcase.watch("items", function(events)
          if events[1].new_data.n == 2 then while true do end end
          tell("saw")(events)
        end)
        glyphcase.watch("items", "n > 0", tell("also"))`,
        'function loop() while true do end end',
      ),
      { ...waiting, lua: { limits: { time: '100ms' } } },
    );
    insert(host, 1);
    await expect(host.skills.call('demo', 'loop')).rejects.toMatchObject({ code: 'GC_LUA_TIME' });
    await host.rest();
    insert(host, 2);
    await host.rest();
    insert(host, 3);
    await host.rest();
    expect(told(host).toSorted()).toEqual(
      ['saw INSERT 1', 'also INSERT 1', 'also INSERT 2', 'saw INSERT 3', 'also INSERT 3'].toSorted(),
    );
  });

  it('begins anew when the skill was out of service meanwhile', async () => {
    const host = await withSkill(WATCH);
    insert(host, 1);
    await host.skills.disable('demo');
    insert(host, 2);
    await host.skills.enable('demo');
    insert(host, 3);
    await host.rest();
    expect(told(host)).toEqual(['saw INSERT 3']);
  });
});

describe('a watch on a SELECT', () => {
  const WATCH = main('glyphcase.watch("SELECT id, n FROM items WHERE n > ? ORDER BY n", { 0 }, tell("saw"))');

  it('tells the difference to what was told before the reload, whoever made it, and nothing that is the same', async () => {
    const host = await withSkill(WATCH);
    for (const n of [1, 2, 3]) insert(host, n);
    await host.rest();
    host.run("UPDATE items SET kind = 'other'; DELETE FROM items WHERE n = 2");
    sqlite3(host.file, 'INSERT INTO items(id, n) VALUES (4, 4)');
    await reloaded(host);
    sqlite3(host.file, 'INSERT INTO items(id, n) VALUES (5, 5)');
    await host.rest();
    await reloaded(host);
    await host.rest();
    expect(told(host)).toEqual([
      ...[1, 2, 3].map((n) => `saw INSERT ${n}`),
      'saw DELETE 2',
      'saw INSERT 4',
      'saw INSERT 5',
    ]);
  });

  it('tells what it was given, and had not begun with when the reload came', async () => {
    const host = await withSkill(WATCH);
    await insertedBeforeReload(host, 1);
    insert(host, 2);
    await host.rest();
    expect(told(host)).toEqual(['saw INSERT 1', 'saw INSERT 2']);
  });

  it.each([
    ['without a key', 'SELECT kind, count(*) AS n FROM items GROUP BY kind'],
    ['whose columns a migration changes', 'SELECT * FROM items'],
    ['that reads two tables', 'SELECT i.n, o.id FROM items i LEFT JOIN others o ON o.id = i.n'],
  ])('%s adds up to its result', async (_what, sql) => {
    const add = `${TELL} function on_activate()
      glyphcase.watch("${sql}", function(events)
        for _, event in ipairs(events) do
          if event.old_data then glyphcase.insert("told", { what = -event.old_data.n }) end
          if event.new_data then glyphcase.insert("told", { what = event.new_data.n }) end
        end
      end) end`;
    const host = await withSkill(add);
    for (const n of [1, 2, 3, 4]) insert(host, n, 'ab'[n % 2]);
    await host.rest();
    insert(host, 5, 'c');
    host.run('DELETE FROM items WHERE n = 1; UPDATE items SET n = 20 WHERE n = 2');
    writeSkill(
      host.dir,
      'demo',
      add,
      { version: '1.1.0', permissions: { database: { ...MAY.permissions.database, schema: ['items'] } } },
      { 'migrations/001.sql': 'ALTER TABLE items ADD COLUMN more' },
    );
    await reloaded(host);
    insert(host, 6, 'c');
    await host.rest();
    expect(host.db.value('SELECT sum(what) FROM told')).toBe(host.db.value(`SELECT sum(n) FROM (${sql})`));
  });

  it('goes on in a database in memory, too', async () => {
    const both = main(
      `glyphcase.watch("SELECT id, n FROM items", tell("query")) glyphcase.watch("items", tell("table"))`,
    );
    const host = await withSkill(both, { ...waiting, file: ':memory:' });
    insert(host, 1);
    await host.rest();
    insert(host, 2);
    await reloaded(host);
    await reloaded(host);
    insert(host, 3);
    await host.rest();
    expect(told(host).toSorted()).toEqual(
      ['query', 'table'].flatMap((on) => [1, 2, 3].map((n) => `${on} INSERT ${n}`)),
    );
  });

  it('goes on in the old version when the new one does not start, and after its state was killed', async () => {
    const text = `${WATCH} function loop() while true do end end`;
    const host = await withSkill(text, { ...waiting, lua: { limits: { time: '100ms' } } });
    insert(host, 1);
    writeFileSync(join(host.dir, 'demo/main.lua'), `${text} function on_upgrade() end error("no")`);
    await host.skills.reload('demo');
    writeFileSync(join(host.dir, 'demo/main.lua'), main('error("neither")'));
    await host.skills.reload('demo');
    insert(host, 2);
    await expect(host.skills.call('demo', 'loop')).rejects.toMatchObject({ code: 'GC_LUA_TIME' });
    insert(host, 3);
    await host.rest();
    expect(told(host)).toEqual([1, 2, 3].map((n) => `saw INSERT ${n}`));
  });
});

describe('while several wait for the writer', () => {
  const BOTH = main(
    `glyphcase.watch("items", tell("table")) glyphcase.watch("SELECT n FROM items", tell("query"))`,
    'function loop() while true do end end',
  );
  const expected = ['query INSERT 1', 'table INSERT 1'];

  /** A change is written, and the steps queue up behind whoever holds the writer. */
  async function queuedAfterInsert(host: SkillHost, ...steps: readonly (() => unknown)[]): Promise<void> {
    insert(host, 1);
    await queued(host, ...steps);
  }
  const deliver = ({ capsule }: SkillHost): unknown => capsule.deliver(capsule.look());

  it('what is handled just before the reload is not told again', async () => {
    const host = await withSkill(BOTH);
    await queuedAfterInsert(
      host,
      () => deliver(host),
      () => host.skills.reload('demo'),
    );
    expect(told(host).toSorted()).toEqual(expected);
  });

  it('what comes just after a reload that failed is told once, too', async () => {
    const host = await withSkill(BOTH);
    writeFileSync(
      join(host.dir, 'demo/main.lua'),
      `${BOTH} local start = on_activate
      function on_activate() start() error("it does not start") end`,
    );
    await queuedAfterInsert(
      host,
      () => host.skills.reload('demo'),
      () => deliver(host),
    );
    expect(host.skills.get('demo')?.reasons.join()).toContain('it does not start');
    expect(told(host).toSorted()).toEqual(expected);
  });

  it('what comes just after its state was killed is told', async () => {
    const host = await withSkill(BOTH, { ...waiting, lua: { limits: { time: '100ms' } } });
    await queuedAfterInsert(
      host,
      () => host.skills.call('demo', 'loop').catch(() => undefined),
      () => deliver(host),
    );
    expect(told(host).toSorted()).toEqual(expected);
  });
});

describe('a listener to actions', () => {
  it('hears of what was dispatched before the reload and waited, and answers', async () => {
    const text = (version: string): string =>
      `function on_activate()
        glyphcase.on("ping", function(n) glyphcase.insert("told", { what = "first " .. n }) return "${version}" end)
        glyphcase.on("ping", function(n) glyphcase.insert("told", { what = "second " .. n }) end)
        ended = ended or glyphcase.on("ping", function(n) glyphcase.insert("told", { what = "ended " .. n }) end)
      end
      function on_deactivate() glyphcase.unwatch_all() end
      function stop() glyphcase.unwatch(ended) end`;
    const host = await withSkill(text('old'));
    await host.skills.call('demo', 'stop');
    const gate = Promise.withResolvers<void>();
    const holding = host.db.transaction(() => gate.promise);
    writeFileSync(join(host.dir, 'demo/main.lua'), text('new').replace('ended or ', 'false and '));
    const reloading = host.skills.reload('demo');
    await settle();
    const dispatched = host.actions.dispatch('ping', 1);
    const answer = host.actions.request('ping', 2);
    gate.resolve();
    await holding;
    await reloading;
    await host.rest();
    expect([dispatched, await answer]).toEqual([2, 'new']);
    expect(told(host).toSorted()).toEqual(['first 1', 'first 2', 'second 1']);
  });

  it('hears of what came while its state was being killed', async () => {
    const host = await withSkill(
      `glyphcase.on("ping", function(n)
        if n == 1 then while true do end end
        glyphcase.insert("told", { what = n })
      end)`,
      { ...waiting, lua: { limits: { time: '100ms' } } },
    );
    for (const n of [1, 2, 3]) host.actions.dispatch('ping', n);
    await host.rest();
    expect(told(host)).toEqual([2, 3]);
  });
});

it(
  'loses and doubles nothing over many reloads while host, Lua and another program write',
  { timeout: 30_000 },
  async () => {
    const host = await skillHost({ schema: SCHEMA, clock: systemClock, batching: { batchInterval: 5 } });
    const text = `${TELL} local total = 0
    function on_activate()
      glyphcase.watch("items", function(events)
        for _, event in ipairs(events) do glyphcase.insert("told", { what = event.seq }) end
      end)
    end`;
    await loadSkill(host, 'demo', text, MAY);
    const counter = `function on_activate() glyphcase.watch("SELECT id FROM items", function(events)
      for _, event in ipairs(events) do
        glyphcase.insert("told", { what = (event.new_data and "+" or "-") .. (event.new_data or event.old_data).id })
      end
    end) end
    function add(n) glyphcase.insert("items", { n = n, by = "lua" }) end`;
    await loadSkill(host, 'counter', counter, MAY);
    const outside = new OutsideWriter(host.file);
    afterTest(() => outside.end());
    await outside.start();
    let written = 0;
    for (let round = 0; round < 40; round += 1) {
      written += 1;
      host.run(`INSERT INTO items(n, by) VALUES (${written}, 'host')`);
      await host.skills.call('counter', 'add', written);
      await Promise.all([host.skills.reload('demo'), host.skills.reload('counter')]);
      if (round % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await outside.stop();
    await host.rest();
    await host.rest();
    const logged = host.db.all(`SELECT seq FROM _capsule_log WHERE op <= 3
    AND table_id IN (SELECT id FROM _capsule_tables WHERE name = 'items') ORDER BY seq`);
    const seen = host.db.all("SELECT what FROM told WHERE typeof(what) = 'integer' ORDER BY at");
    expect(seen.map(({ what }) => what)).toEqual(logged.map(({ seq }) => seq));
    const net = new Map<string, number>();
    for (const { what } of host.db.all("SELECT what FROM told WHERE typeof(what) = 'text' ORDER BY at")) {
      const [sign, id] = [(what as string)[0], (what as string).slice(1)];
      net.set(id, (net.get(id) ?? 0) + (sign === '+' ? 1 : -1));
    }
    expect([...net.values()].every((count) => count === 0 || count === 1)).toBe(true);
    const left = [...net].filter(([, count]) => count === 1).map(([id]) => Number(id));
    expect(left.toSorted((a, b) => a - b)).toEqual(host.db.all('SELECT id FROM items ORDER BY id').map(({ id }) => id));
  },
);
