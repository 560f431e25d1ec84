/** Watchers by the thousand, and what they leave behind: triggers, rows and temp tables come and go with them. */
import { describe, expect, test } from 'vitest';
import { openHost, sqlite3 } from './support.ts';
import type { Host } from './support.ts';
import { readLayout } from '../plugins/capsule/layout.ts';

const TASKS = 'CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, v)';

const triggersOf = (host: Host, table: string): unknown =>
  host.db.value("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", [table]);

describe('many watchers', () => {
  test(
    'ten thousand filters of one shape: each hears of its own, and taking them away leaves nothing',
    { timeout: 60_000 },
    async () => {
      const host = openHost({ schema: TASKS });
      const heard: string[] = [];
      const watchers = Array.from({ length: 10_000 }, (_, user) => {
        const watcher = host.capsule.watch('tasks', 'user_id = ?', [user]);
        host.capsule.subscribe(watcher, (events) =>
          heard.push(...events.map((event) => `${user}: ${String(event.newData?.['user_id'])}`)),
        );
        return watcher;
      });
      await host.flush();
      expect(host.db.value('SELECT count(*) FROM _capsule_watchers')).toBe(10_000);
      host.run('INSERT INTO tasks(user_id) VALUES (1234), (9999), (10000)');
      await host.flush();
      expect(heard).toEqual(['1234: 1234', '9999: 9999']);
      for (const watcher of watchers) host.capsule.unwatch(watcher);
      await host.flush();
      expect(host.db.value('SELECT count(*) FROM _capsule_watchers')).toBe(0);
      expect(triggersOf(host, 'tasks')).toBe(0);
      expect(
        host.db.reader.prepare("SELECT count(*) FROM temp.sqlite_schema WHERE name LIKE '_capsule%'").pluck().get(),
      ).toBe(0);
    },
  );

  test('a row that a filter cannot be applied to is reported, and hides no other', async () => {
    const host = openHost({ schema: TASKS });
    const got = host.collect(host.capsule.watch('tasks', "json_extract(v, '$.a') = 1"));
    const sound = host.collect(host.capsule.watch('tasks', 'user_id = 1'));
    host.run(`INSERT INTO tasks(id, user_id, v) VALUES (1, 1, '{"a":1}'), (2, 1, 'no json'), (3, 1, '{"a":1}')`);
    await host.flush();
    expect(got.short).toEqual(['INSERT 1 enter', 'INSERT 3 enter']);
    expect(sound.events).toHaveLength(3);
    expect(host.logger.lines.filter((line) => line.level === 'error').map((line) => line.message)).toEqual([
      expect.stringContaining('malformed JSON'),
    ]);
  });
});

describe('a watcher’s life', () => {
  test('triggers come with the first watcher of a table and go with the last', async () => {
    const host = openHost({ schema: TASKS });
    expect(triggersOf(host, 'tasks')).toBe(0);
    const first = host.capsule.watch('tasks');
    const second = host.capsule.watch('tasks', 'id = 1');
    expect(triggersOf(host, 'tasks')).toBe(5);
    host.capsule.unwatch(first);
    await host.flush();
    expect(triggersOf(host, 'tasks')).toBe(5);
    second[Symbol.dispose]();
    host.capsule.unwatch(second.id);
    await host.flush();
    expect(triggersOf(host, 'tasks')).toBe(0);
  });

  test('unwatch, then watch again at once: nothing is missed', async () => {
    const host = openHost({ schema: TASKS });
    const first = host.capsule.watch('tasks');
    host.capsule.subscribe(first, () => undefined);
    host.capsule.unwatch(first);
    const got = host.collect(host.capsule.watch('tasks'));
    host.run('INSERT INTO tasks(id) VALUES (1)');
    await host.flush();
    host.run('INSERT INTO tasks(id) VALUES (2)');
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2']);
  });

  test('watch, subscribe and unwatch in one breath leaves nothing', async () => {
    const host = openHost({ schema: TASKS });
    const watcher = host.capsule.watch('tasks', 'id = 1');
    host.capsule.subscribe(watcher, () => undefined);
    host.capsule.unwatch(watcher);
    await host.flush();
    expect(
      host.db.value('SELECT (SELECT count(*) FROM _capsule_watchers) + (SELECT count(*) FROM _capsule_subscriptions)'),
    ).toBe(0);
    expect(triggersOf(host, 'tasks')).toBe(0);
    expect(host.logger.lines.filter((line) => line.level === 'error')).toEqual([]);
  });

  test('closing the host leaves no triggers, no rows and no temp tables', async () => {
    const host = openHost({ schema: TASKS });
    host.collect(host.capsule.watch('tasks'));
    host.collect(host.capsule.watch('tasks', 'user_id = 7'));
    host.run('INSERT INTO tasks(id) VALUES (1)');
    expect(await host.close()).toEqual([]);
    const left = sqlite3(
      host.file,
      "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'tasks'",
      'SELECT count(*) FROM _capsule_watchers',
      'SELECT count(*) FROM _capsule_subscriptions',
      'SELECT count(*) FROM _capsule_hosts',
    );
    expect(left.trim().split('\n')).toEqual(['0', '0', '0', '0']);
  });

  test('its layout says what it needs to say: collations, affinities and the key', () => {
    const host = openHost({
      schema: 'CREATE TABLE t(a TEXT COLLATE NOCASE, b, c REAL NOT NULL DEFAULT 1.5, PRIMARY KEY (c, a))',
    });
    const layout = readLayout(host.db, 't');
    expect(
      layout.columns.map(({ affinity, collation, insteadOfNull }) => [affinity, collation, insteadOfNull]),
    ).toEqual([
      ['TEXT', 'NOCASE', undefined],
      ['', '', undefined],
      ['REAL', '', '1.5'],
    ]);
    expect([layout.key, layout.logsRowid]).toEqual([[2, 0], true]);
  });
});
