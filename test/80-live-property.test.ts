/**
 * Whatever is written, by whom and how it ends: what was there first and the differences that were reported are the result of
 * the full run. GLYPHCASE_LIVE_RUNS sets the number of cases, GLYPHCASE_LIVE_SEED repeats a run, GLYPHCASE_LIVE_SHOW prints
 * how the queries were kept current. `npm run prove` runs many.
 */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Row } from '../kernel/database/types.ts';
import { isOrdered } from '../plugins/live/keys.ts';
import { cases } from './80-live-grammar.ts';
import type { Query, Transaction, Work } from './80-live-grammar.ts';
import { exactly, openLiveHost, Replica } from './80-live-support.ts';
import type { LiveHost } from './80-live-support.ts';
import { countUpdates, Tally } from './80-live-tally.ts';
import { tempFile } from './support.ts';

const RUNS = Number(process.env['GLYPHCASE_LIVE_RUNS'] ?? 150);
const SEED = process.env['GLYPHCASE_LIVE_SEED'];
/** That a case fails is enough: no smaller one is looked for, and shares do not count. */
const QUICK = process.env['GLYPHCASE_LIVE_QUICK'] !== undefined;

test(
  `initial rows and reported differences are the result, in ${RUNS} cases`,
  { timeout: 60_000 + RUNS * 1000 },
  async () => {
    const tally = new Tally();
    using updates = countUpdates();
    const property = fc.asyncProperty(cases, async ({ schema, inMemory, queries, works }) => {
      const host = openLiveHost({ file: inMemory ? ':memory:' : tempFile(), schema: schema.sql });
      try {
        const watched = queries.flatMap((query) => watch(host, query, tally) ?? []);
        await host.flush();
        for (const work of works) {
          const before = watched.map(({ full }) => full());
          await perform(host, work);
          await host.flush();
          watched.forEach((one, index) => one.check(before[index] as readonly string[], work));
        }
      } finally {
        await host.close();
        if (!inMemory) rmSync(dirname(host.file), { recursive: true, force: true });
      }
    });
    await fc.assert(property, {
      numRuns: RUNS,
      endOnFailure: QUICK,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    });
    if (process.env['GLYPHCASE_LIVE_SHOW'] !== undefined) console.log(tally.report(), updates);
    if (RUNS < 100 || QUICK) return;
    // A few hundred queries are a small sample of a grammar of which rather more than half can be kept current.
    expect(tally.share, 'queries that are incremental').toBeGreaterThan(RUNS < 1000 ? 0.4 : 0.5);
    expect(updates.parts, 'updates that worked out a part').toBeGreaterThan(updates.all * 0.2);
  },
);

/** Subscribes a replica to a query, to be held against the full run. Undefined when SQLite does not accept it. */
function watch(host: LiveHost, { sql, params }: Query, tally: Tally) {
  const full = (): readonly string[] => sorted(host.db.all(sql, params).map(exactly), ordered);
  const ordered = isOrdered(sql);
  try {
    full();
  } catch {
    tally.refused(sql);
    return undefined;
  }
  const watcher = host.live.watch(sql, params);
  const replica = new Replica(ordered);
  host.live.subscribe(watcher, replica.handler, { initial: true });
  tally.count(watcher.explain());
  let known: readonly Row[] = watcher.rows();
  let batches = 1;
  return {
    full,
    check(before: readonly string[], work: Work): void {
      const place = JSON.stringify({
        sql,
        params: JSON.stringify(params, shown),
        work,
        why: watcher.explain().why,
      });
      const now = full();
      expect(replica.faults, place).toEqual([]);
      expect(sorted(replica.rows, ordered), place).toEqual(now);
      const rows = watcher.rows();
      expect(sorted(rows.map(exactly), ordered), place).toEqual(now);
      const isSame = before.length === now.length && before.every((row, index) => row === now[index]);
      // In several steps a row may go and come again.
      if (isOneStep(work)) {
        expect(replica.batches - batches, `callbacks: ${place}`).toBe(isSame ? 0 : 1);
        expect(rows === known, `identity: ${place}`).toBe(isSame);
        expect(kept(known, rows), `rows that stay: ${place}`).toBe(same(known, rows));
      }
      known = rows;
      batches = replica.batches;
    },
  };
}

const shown = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

const isOneStep = (work: Work): boolean => work.kind === 'transactions' && work.all.length === 1;

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

async function perform(host: LiveHost, work: Work): Promise<void> {
  if (work.kind === 'transactions') {
    for (const transaction of work.all) await transact(host, transaction);
    return;
  }
  if (work.kind === 'alone') {
    alone(host, work.outside, work.statement);
    return;
  }
  // A handler of another query, called before most others are.
  const watcher = host.live.watch('SELECT count(*), total(k) FROM tasks');
  let isDone = false;
  const subscription = host.live.subscribe(watcher, () => {
    if (isDone || host.db.inMemory) return;
    isDone = true;
    outside(host, work.second);
  });
  await transact(host, work.first);
  await host.flush();
  host.live.unsubscribe(subscription);
  host.live.unwatch(watcher);
}

async function transact(host: LiveHost, { by, statements }: Transaction): Promise<void> {
  const { db } = host;
  const all = (run: (sql: string) => void) => (): void => {
    for (const sql of statements) attempt(() => run(sql));
  };
  const write = all((sql) => void db.run(sql));
  const undone = (): Promise<void> =>
    db
      .transaction(() => {
        write();
        throw new Error('undone');
      })
      .catch(() => undefined);
  switch (by) {
    case 'host':
      await db.transaction(write);
      return;
    case 'savepoint':
      await db.transaction(async () => {
        write();
        await undone();
      });
      return;
    case 'undone':
      await undone();
      return;
    case 'raw': {
      db.sqlite.transaction(all((sql) => void db.sqlite.prepare(sql).run()))();
      return;
    }
    case 'outside': {
      if (db.inMemory) db.write(all((sql) => db.run(sql)));
      else outside(host, statements);
    }
  }
}

function outside({ file }: LiveHost, statements: readonly string[]): void {
  const other = new BetterSqlite3(file);
  try {
    other.pragma('foreign_keys = ON');
    other.transaction(() => {
      for (const sql of statements) attempt(() => void other.prepare(sql).run());
    })();
  } finally {
    other.close();
  }
}

function alone({ db, file }: LiveHost, isOutside: boolean, statement: string): void {
  if (!isOutside || db.inMemory) {
    attempt(() => db.sqlite.exec(statement));
    return;
  }
  const other = new BetterSqlite3(file);
  try {
    attempt(() => other.exec(statement));
  } finally {
    other.close();
  }
}

/** What a constraint refuses is refused; nothing else may go wrong. */
function attempt(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!/constraint|mismatch|unsupported|cannot store|no such column: rowid/i.test(String(error))) throw error;
  }
}
