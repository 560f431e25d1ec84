/**
 * The change log's law: replaying what was delivered gives exactly what the tables hold, after every commit, for tables and
 * writes of any kind. GLYPHCASE_LOG_RUNS and GLYPHCASE_LOG_WRITES make it longer.
 */
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Host } from './support.ts';
import { openHost } from './support.ts';
import {
  Choices,
  ModelOfTable,
  imageText,
  randomTable,
  randomTrigger,
  randomWrite,
  textOf,
} from './20-log-model-support.ts';
import type { ModelTable } from './20-log-model-support.ts';
import { readLayout } from '../plugins/capsule/layout.ts';
import type { ChangeEvent } from '../plugins/capsule/types.ts';

const RUNS = Number(process.env['GLYPHCASE_LOG_RUNS'] ?? 40);
const WRITES = Number(process.env['GLYPHCASE_LOG_WRITES'] ?? 40);

const counts = { statements: 0, refused: 0, commits: 0, rollbacks: 0, events: 0, outside: 0 };
const quote = (name: string): string => `"${name}"`;

interface Run {
  readonly host: Host;
  readonly tables: readonly ModelTable[];
  readonly models: Map<string, ModelOfTable>;
  readonly outside: BetterSqlite3.Database;
  readonly history: string[];
  /** False while triggers exist that are newer than ours. */
  repaired: boolean;
}

function begin(setup: readonly number[]): Run {
  const choices = new Choices(setup);
  const history: string[] = [];
  const host = openHost({ batching: { batchSize: 1 + choices.below(5) } });
  const tables: ModelTable[] = [];
  for (const name of ['a', 'Таблица 🎉', 'select * from']) {
    const table = randomTable(choices, name, choices.once(2) ? tables[0] : undefined);
    history.push(table.sql);
    host.run(table.sql);
    tables.push(table);
    for (const extra of table.extras) {
      history.push(extra);
      host.run(extra);
    }
  }
  const trigger = (index: number): void => {
    const sql = randomTrigger(choices, tables, index);
    // A BEFORE trigger whose DELETE makes another trigger put a row back is more than the log can follow under REPLACE.
    const deletes = /BEFORE INSERT.*DELETE/.test(sql);
    if (history.some((one) => (deletes ? /CREATE TRIGGER/ : /BEFORE INSERT.*DELETE/).test(one))) return;
    history.push(sql);
    host.run(sql);
  };
  const before = choices.below(3);
  for (let index = 0; index < before; index += 1) trigger(index);
  const models = new Map<string, ModelOfTable>();
  for (const table of tables) {
    const layout = readLayout(host.db, table.name);
    const keyOf = (image: Readonly<Record<string, unknown>>): string | undefined => {
      const values = layout.key.map((index) => image[(layout.columns[index] as { name: string }).name]);
      return values.length === 0 || (layout.logsRowid && values.includes(null))
        ? undefined
        : values.map(textOf).join('|');
    };
    const model = new ModelOfTable(keyOf, layout.key.length === 0 && layout.rowidName === undefined);
    models.set(table.name, model);
    const delivered = new Set<string>();
    let last = 0;
    host.capsule.subscribe(host.capsule.watch(table.name), (events: ChangeEvent[]) => {
      counts.events += events.length;
      for (const event of events) {
        model.apply(event);
        if (event.seq <= last) model.problems.push(`${event.seq} comes after ${last}`);
        last = event.seq;
      }
      const transactions = new Set(events.map((event) => event.transactionId));
      for (const id of transactions) if (delivered.has(id)) model.problems.push(`${id} was delivered in two batches`);
      for (const id of transactions) delivered.add(id);
    });
  }
  history.push('-- watched');
  // Created after ours, through the raw handle or by another program, half of the time unseen.
  const after = choices.below(3);
  for (let index = 0; index < after; index += 1) trigger(before + index);
  const outside = new BetterSqlite3(host.file);
  outside.pragma('foreign_keys = ON');
  if (before + after === 0 && choices.once(3)) outside.pragma('recursive_triggers = ON');
  return { host, tables, models, outside, history, repaired: after === 0 };
}

function execute(run: Run, choices: Choices, exec: (sql: string) => unknown): void {
  const sql = randomWrite(choices, run.tables).replace('OR FAIL', run.repaired ? 'OR FAIL' : 'OR ABORT');
  counts.statements += 1;
  run.history.push(sql);
  try {
    exec(sql);
  } catch (error) {
    counts.refused += 1;
    run.history.push(`--   ${(error as Error).message.slice(0, 80)}`);
  }
}

/** One unit of work: a statement, a transaction with savepoints, a transaction that is rolled back, by us or another program. */
async function step(run: Run, numbers: readonly number[]): Promise<void> {
  const choices = new Choices(numbers);
  const { host, outside, history } = run;
  const connection = choices.once(3) ? outside : host.db.sqlite;
  if (connection === outside) counts.outside += 1;
  const raw = (sql: string): unknown => (choices.once(2) ? connection.exec(sql) : connection.prepare(sql).run());
  const kind = choices.below(8);
  const commit = !choices.once(3);
  if (kind < 4) {
    counts.commits += 1;
    execute(run, choices, raw);
  } else if (kind < 6) {
    history.push('BEGIN');
    connection.exec('BEGIN');
    const ended = (): boolean => !connection.inTransaction;
    for (let left = 1 + choices.below(4); left > 0; left -= 1) {
      execute(run, choices, raw);
      // OR ROLLBACK ends the transaction by itself.
      if (ended()) return;
      if (!choices.once(3)) continue;
      history.push('SAVEPOINT');
      connection.exec('SAVEPOINT s');
      execute(run, choices, raw);
      if (ended()) return;
      const back = choices.once(2);
      history.push(back ? 'ROLLBACK TO' : 'RELEASE');
      connection.exec(back ? 'ROLLBACK TO s; RELEASE s' : 'RELEASE s');
    }
    counts[commit ? 'commits' : 'rollbacks'] += 1;
    history.push(commit ? 'COMMIT' : 'ROLLBACK');
    connection.exec(commit ? 'COMMIT' : 'ROLLBACK');
  } else {
    history.push('transaction(');
    counts[commit ? 'commits' : 'rollbacks'] += 1;
    await host.db
      .transaction(async () => {
        execute(run, choices, (sql) => host.db.exec(sql));
        await Promise.resolve();
        await host.db
          .transaction(() => {
            execute(run, choices, (sql) => host.db.exec(sql));
            if (choices.once(3)) throw new Error('undone');
          })
          .catch(() => history.push('-- savepoint undone'));
        execute(run, choices, (sql) => host.db.exec(sql));
        if (!commit) throw new Error('undone');
      })
      .catch((error: unknown) => history.push(`-- rolled back: ${String(error)}`));
    history.push(')');
  }
}

function check({ host, tables, models, history }: Run): void {
  for (const table of tables) {
    const model = models.get(table.name) as ModelOfTable;
    const rows = host.db.select(`SELECT * FROM ${quote(table.name)}`);
    const real = rows.map(imageText).sort().join('\n');
    if (model.text !== real || model.problems.length > 0) {
      const log = host.db
        .all('SELECT * FROM _capsule_log ORDER BY seq DESC LIMIT 12')
        .map((row) =>
          JSON.stringify(
            Object.fromEntries(Object.entries(row).filter(([, one]) => one !== null)),
            (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one),
          ),
        )
        .reverse();
      throw new Error(
        [
          `table ${table.name} differs`,
          ...history,
          '-- table',
          real,
          '-- model',
          model.text,
          '-- problems',
          ...model.problems,
          '-- log',
          ...log,
        ].join('\n'),
      );
    }
  }
}

test('replaying the delivered events gives the tables, whatever is written', { timeout: 3_600_000 }, async () => {
  const number = fc.nat({ max: 0xffff });
  const setup = fc.array(number, { minLength: 60, maxLength: 60 });
  const steps = fc.array(fc.array(number, { minLength: 60, maxLength: 60 }), {
    minLength: 1,
    maxLength: WRITES,
    size: 'max',
  });
  await fc.assert(
    fc.asyncProperty(setup, steps, async (numbers, work) => {
      const run = begin(numbers);
      try {
        // Until ours are the newest again, a row inserted before a newer trigger fails under FAIL escapes them, and rows that
        // nothing identifies cannot be put in order.
        if (run.history.some((sql) => /ON CONFLICT FAIL|TABLE .* \("rowid"/.test(sql))) {
          await run.host.flush();
          run.repaired = true;
        }
        for (const one of work) {
          await step(run, one);
          await run.host.flush();
          run.repaired = true;
          check(run);
        }
      } finally {
        run.outside.close();
        await run.host.close();
      }
    }),
    {
      numRuns: RUNS,
      interruptAfterTimeLimit: Number(process.env['GLYPHCASE_LOG_MS'] ?? 60_000),
      ...(process.env['GLYPHCASE_SEED'] === undefined ? {} : { seed: Number(process.env['GLYPHCASE_SEED']) }),
    },
  );
  if (process.env['GLYPHCASE_LOG_RUNS'] !== undefined) console.log(counts);
  expect(counts.events).toBeGreaterThan(0);
});
