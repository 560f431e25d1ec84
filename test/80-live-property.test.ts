/**
 * Whatever is written, by whom and how it ends: what was there first and the differences that were reported are the result of
 * the full run. GLYPHCASE_LIVE_RUNS sets the number of cases, GLYPHCASE_LIVE_SEED repeats a run.
 */
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Row } from '../kernel/database/types.ts';
import { isOrdered } from '../plugins/live/keys.ts';
import { schemas, selects, works } from './80-live-grammar.ts';
import type { Work } from './80-live-grammar.ts';
import { exactly, openLiveHost, Replica } from './80-live-support.ts';
import type { LiveHost } from './80-live-support.ts';
import { tempFile } from './support.ts';

const RUNS = Number(process.env['GLYPHCASE_LIVE_RUNS'] ?? 300);
const SEED = process.env['GLYPHCASE_LIVE_SEED'];

test(
  `initial rows and reported differences are the result, in ${RUNS} cases`,
  { timeout: 60_000 + RUNS * 200 },
  async () => {
    const cases = fc.record({
      schema: schemas,
      inMemory: fc.boolean(),
      queries: fc.array(selects, { minLength: 1, maxLength: 6 }),
      works: fc.array(works, { minLength: 1, maxLength: 8 }),
    });
    const property = fc.asyncProperty(cases, async ({ schema, inMemory, queries, works: given }) => {
      const host = openLiveHost({ file: inMemory ? ':memory:' : tempFile(), schema: schema.sql });
      const watched = queries.map((sql) => watch(host, sql));
      try {
        await host.flush();
        for (const work of given) {
          const before = watched.map(({ full }) => full());
          await perform(host, work);
          await host.flush();
          watched.forEach((one, index) => one.check(before[index] as readonly string[], work));
        }
      } finally {
        await host.close();
      }
    });
    await fc.assert(property, { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) });
  },
);

/** Subscribes a replica to a query, to be held against the full run. */
function watch(host: LiveHost, sql: string) {
  const ordered = isOrdered(sql);
  const watcher = host.live.watch(sql);
  const replica = new Replica(ordered);
  host.live.subscribe(watcher, replica.handler, { initial: true });
  const full = (): readonly string[] => sorted(host.db.all(sql).map(exactly), ordered);
  let known: readonly Row[] = watcher.rows();
  let batches = 1;
  return {
    full,
    check(before: readonly string[], work: Work): void {
      const place = JSON.stringify({ sql, work, key: watcher.explain().key });
      const now = full();
      expect(replica.faults, place).toEqual([]);
      expect(sorted(replica.rows, ordered), place).toEqual(now);
      const rows = watcher.rows();
      expect(sorted(rows.map(exactly), ordered), place).toEqual(now);
      const isSame = before.length === now.length && before.every((row, index) => row === now[index]);
      expect(replica.batches - batches, `callbacks: ${place}`).toBe(isSame ? 0 : 1);
      expect(rows === known, `identity: ${place}`).toBe(isSame);
      expect(kept(known, rows), `rows that stay: ${place}`).toBe(same(known, rows));
      known = rows;
      batches = replica.batches;
    },
  };
}

const sorted = (rows: readonly string[], ordered: boolean): readonly string[] => (ordered ? rows : rows.toSorted());

/** How many row objects both have. */
const kept = (before: readonly Row[], after: readonly Row[]): number => {
  const objects = new Set(before);
  return after.filter((row) => objects.has(row)).length;
};

/** How many rows both have, by their values. */
function same(before: readonly Row[], after: readonly Row[]): number {
  const counts = new Map<string, number>();
  for (const row of before) counts.set(exactly(row), (counts.get(exactly(row)) ?? 0) + 1);
  return after.filter((row) => {
    const left = counts.get(exactly(row)) ?? 0;
    counts.set(exactly(row), left - 1);
    return left > 0;
  }).length;
}

async function perform(host: LiveHost, { by, statements }: Work): Promise<void> {
  const { db } = host;
  const all = (run: (sql: string) => void) => (): void => {
    for (const sql of statements) attempt(() => run(sql));
  };
  switch (by) {
    case 'host':
      await db.transaction(all((sql) => void db.run(sql)));
      return;
    case 'savepoint': {
      await db.transaction(async () => {
        all((sql) => db.run(sql))();
        await db
          .transaction(() => {
            all((sql) => db.run(sql))();
            throw new Error('undone');
          })
          .catch(() => undefined);
      });
      return;
    }
    case 'undone': {
      await db
        .transaction(() => {
          all((sql) => db.run(sql))();
          throw new Error('undone');
        })
        .catch(() => undefined);
      return;
    }
    case 'raw': {
      db.sqlite.transaction(all((sql) => void db.sqlite.prepare(sql).run()))();
      return;
    }
    case 'outside': {
      if (db.inMemory) {
        db.write(all((sql) => db.run(sql)));
        return;
      }
      const other = new BetterSqlite3(host.file);
      try {
        other.pragma('foreign_keys = ON');
        other.transaction(all((sql) => void other.prepare(sql).run()))();
      } finally {
        other.close();
      }
    }
  }
}

/** What a constraint refuses is refused; nothing else may go wrong. */
function attempt(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!/constraint|mismatch|unsupported|cannot store/i.test(String(error))) throw error;
  }
}
