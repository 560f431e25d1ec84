/** A query over the tables that the tests of incremental queries share, beside what running it gives. */
import { expect } from 'vitest';
import type { Params } from '../kernel/database/types.ts';
import { isOrdered } from '../plugins/live/keys.ts';
import { exactly, openLiveHost, Replica } from './80-live-support.ts';
import type { LiveHost } from './80-live-support.ts';
import { countUpdates } from './80-live-tally.ts';
import type { Updates } from './80-live-tally.ts';
import { afterTest } from './support.ts';

export const SCHEMA = `
  CREATE TABLE teams(id INTEGER PRIMARY KEY, label TEXT COLLATE NOCASE);
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, team_id INTEGER REFERENCES teams(id) ON DELETE SET NULL ON UPDATE CASCADE, v);
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE CASCADE ON UPDATE CASCADE, k INTEGER, title TEXT,
    nick TEXT COLLATE NOCASE, v);
  CREATE TABLE tags(tag TEXT, task INTEGER);
  CREATE TABLE notes(task_id INTEGER, n INTEGER, body TEXT, PRIMARY KEY(task_id, n)) WITHOUT ROWID;
  CREATE TABLE loose(key TEXT PRIMARY KEY, v);
  CREATE TABLE coded(key TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID;
  CREATE TABLE lines(line TEXT);
  CREATE INDEX tasks_by_user ON tasks(user_id);
  CREATE INDEX tags_by_task ON tags(task);
  CREATE VIEW busy(person, n) AS SELECT user_id, count(*) FROM tasks GROUP BY user_id;
  CREATE VIEW crew AS SELECT u.id AS uid, u.name, m.label FROM users u LEFT JOIN teams m ON m.id = u.team_id;
  WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 5) INSERT INTO teams SELECT i, 'Team ' || i FROM i;
  WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 40)
    INSERT INTO users SELECT i, 'user ' || i, nullif(i % 6, 0), i % 3 FROM i;
  WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 200)
    INSERT INTO tasks SELECT i, i % 40 + 1, i % 7, 'task ' || i, 'n' || (i % 5), i % 4 FROM i;
  INSERT INTO tags SELECT 'tag ' || (id % 3), id FROM tasks WHERE id % 2;
  INSERT INTO notes SELECT id, 1, 'note' FROM tasks WHERE id % 3 = 0;
  INSERT INTO lines SELECT 'line ' || id FROM tasks WHERE id < 30;
  INSERT INTO coded VALUES (CAST(x'ff' AS TEXT), 1), (CAST(x'fe' AS TEXT), 2), ('a', 3);
  INSERT INTO loose VALUES (NULL, 1), ('a', 1), ('b', 2);`;

export interface Watched {
  /** Runs statements, and expects the result to be right, and only a part of it to be worked out. */
  partly(...statements: readonly string[]): Promise<void>;
  /** The same, and expects that nothing is read for it. */
  fromLog(...statements: readonly string[]): Promise<void>;
  /** The same, whatever it takes. */
  rightly(...statements: readonly string[]): Promise<void>;
  readonly mode: string;
  readonly host: LiveHost;
}

export function watched(sql: string, params?: Params, host = openLiveHost({ schema: SCHEMA })): Watched {
  const updates = countUpdates();
  afterTest(() => updates[Symbol.dispose]());
  const watcher = host.live.watch(sql, params);
  const ordered = isOrdered(sql);
  const replica = new Replica(ordered);
  host.live.subscribe(watcher, replica.handler, { initial: true });
  const sorted = (rows: readonly string[]): readonly string[] => (ordered ? rows : rows.toSorted());
  const rightly = async (...statements: readonly string[]): Promise<void> => {
    await host.flush();
    await host.db.transaction(() => statements.forEach((one) => void host.db.run(one)));
    await host.flush();
    const full = host.db.all(sql, params).map(exactly);
    expect(sorted(watcher.rows().map(exactly))).toEqual(sorted(full));
    expect(replica.faults).toEqual([]);
    expect(sorted(replica.rows)).toEqual(sorted(full));
  };
  /** What an update took. */
  const costOf = async (
    statements: readonly string[],
  ): Promise<Omit<Updates, typeof Symbol.dispose> & { readonly runs: number }> => {
    await host.flush();
    const [{ all, parts }, { runs }] = [{ ...updates }, host.live.stats()];
    await rightly(...statements);
    return { all: updates.all - all, parts: updates.parts - parts, runs: host.live.stats().runs - runs };
  };
  return {
    host,
    get mode() {
      return watcher.explain().mode;
    },
    rightly,
    async partly(...statements) {
      const { runs, ...rest } = await costOf(statements);
      expect(rest).toEqual({ all: 1, parts: 1 });
      expect(runs).toBeLessThanOrEqual(1);
    },
    async fromLog(...statements) {
      expect(await costOf(statements)).toEqual({ all: 1, parts: 1, runs: 0 });
    },
  };
}
