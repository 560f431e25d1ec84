/**
 * Sees what is written through the raw better-sqlite3 handle (`db.sqlite`), which host code may use directly.
 *
 * Own-property wrappers on prepare, exec and transaction; what goes around them (prototype calls) is caught by the
 * capsule's poll of `data_version`. Invariant: a wrapper costs next to nothing per statement inside a transaction.
 */
import type BetterSqlite3 from 'better-sqlite3';
import { isBusy } from './errors.ts';

export interface RawHandleEvents {
  /** A statement ran and no transaction is open: something may have been committed. */
  afterCommit(): void;
  /** A statement ran while a transaction is open. */
  insideTransaction(): void;
  /** How long to wait for another process's lock, in ms. */
  readonly busyTimeout: number;
}

type AnyFunction = (...args: unknown[]) => unknown;
const RUNNERS = ['run', 'get', 'all'] as const;

/** Wraps `sqlite` in place. Call it after everything internal has taken its own unwrapped functions. */
export function wrapRawHandle(sqlite: BetterSqlite3.Database, events: RawHandleEvents): void {
  /** How many functions of `sqlite.transaction` are running: their statements are looked at together, when they end. */
  let depth = 0;
  const seen = (): void => {
    if (depth > 0) return;
    if (sqlite.inTransaction) events.insideTransaction();
    else events.afterCommit();
  };

  /** Waits for another process's lock outside transactions, where a failed statement has changed nothing and can be repeated. */
  const patiently = (fn: () => unknown): unknown => {
    const until = performance.now() + events.busyTimeout;
    for (;;) {
      try {
        return fn();
      } catch (error) {
        if (!isBusy(error) || sqlite.inTransaction || performance.now() >= until) throw error;
      }
    }
  };

  const prepare = sqlite.prepare.bind(sqlite) as (sql: string) => BetterSqlite3.Statement;
  const exec = sqlite.exec.bind(sqlite);
  const transaction = sqlite.transaction.bind(sqlite) as (fn: AnyFunction) => TransactionFunction;

  const wrapStatement = (statement: BetterSqlite3.Statement): BetterSqlite3.Statement => {
    // BEGIN and COMMIT count as read-only; a SELECT is told from them by its columns.
    if (statement.readonly && statement.reader) return statement;
    const own = statement as unknown as Record<(typeof RUNNERS)[number], AnyFunction>;
    for (const name of RUNNERS) {
      const native = own[name].bind(statement);
      own[name] = (...args) => {
        let result: unknown;
        try {
          result = native(...args);
        } catch (error) {
          if (!isBusy(error) || sqlite.inTransaction) throw error;
          result = patiently(() => native(...args));
        }
        seen();
        return result;
      };
    }
    return statement;
  };

  const wrapTransaction = (native: TransactionFunction): TransactionFunction => {
    const around =
      (fn: AnyFunction): AnyFunction =>
      (...args) => {
        depth += 1;
        try {
          return fn(...args);
        } finally {
          depth -= 1;
          seen();
        }
      };
    return Object.assign(around(native), {
      default: around(native.default),
      deferred: around(native.deferred),
      immediate: around(native.immediate),
      exclusive: around(native.exclusive),
    });
  };

  Object.assign(sqlite, {
    prepare: (sql: string) => wrapStatement(prepare(sql)),
    exec: (sql: string) => {
      patiently(() => exec(sql));
      seen();
      return sqlite;
    },
    transaction: (fn: AnyFunction) => wrapTransaction(transaction(fn)),
  });
}

type TransactionFunction = AnyFunction & Record<'default' | 'deferred' | 'immediate' | 'exclusive', AnyFunction>;
