/**
 * Statements as a host passes them: queries, and everything else that can be executed.
 *
 * Invariants: a query never writes; whatever writes does so in a transaction, so that its changes are recorded with it;
 * what SQLite refuses inside a transaction (VACUUM, PRAGMA, ATTACH) runs alone.
 */
import type { KernelDatabase } from '../kernel/database/database.ts';
import type { Params, Row } from '../kernel/database/types.ts';
import { GlyphError } from '../kernel/errors.ts';
import type { KernelHooks } from '../kernel/hooks.ts';
import type { Logger } from '../kernel/logger.ts';
import { alteredTable, firstKeyword, isSchemaChange, statements } from '../kernel/sql/index.ts';
import { describe } from '../kernel/database/values.ts';

/** What {@link Statements.execute} did. `rows` is there for a statement that returns some (RETURNING, PRAGMA). */
export interface ExecuteResult {
  readonly changes: number;
  readonly lastInsertId: number | bigint;
  readonly rows?: readonly Row[];
}

const ALONE = new Set(['VACUUM', 'PRAGMA', 'ATTACH', 'DETACH', 'ANALYZE', 'REINDEX']);
const CONTROL = new Set(['BEGIN', 'COMMIT', 'END', 'ROLLBACK', 'SAVEPOINT', 'RELEASE']);
const PRAGMA = /^\s*pragma\b/i;

export interface StatementsOptions {
  readonly db: KernelDatabase;
  readonly hooks: KernelHooks;
  readonly logger: Logger;
  readonly slowMs: number;
  /** Told of each statement that took `slowMs` or longer, after it has run. */
  readonly onSlow?: (statement: { readonly sql: string; readonly ms: number }) => void;
}

/** A script as it was read. */
interface Script {
  readonly parts: readonly { readonly sql: string; readonly keyword: string; readonly changesSchema: boolean }[];
  readonly changesSchema: boolean;
}

/** So many scripts are kept as they were read, none of them longer than so many characters. */
const MOST_SCRIPTS = 200;
const LONG = 4000;

export class Statements {
  readonly #options: StatementsOptions;
  readonly #scripts = new Map<string, Script>();
  /** Statements slower than the limit, so far. */
  slow = 0;

  constructor(options: StatementsOptions) {
    this.#options = options;
  }

  /** @throws GC_WRITE_IN_QUERY, GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN, GC_BAD_ARGUMENT, GC_BAD_VALUE */
  async query(sql: string, params?: Params): Promise<Row[]> {
    checkSql(sql, 'query');
    const { db } = this.#options;
    await db.whenReadable();
    return this.#timed(sql, () => {
      if (!db.isReadOnly(sql)) {
        throw new GlyphError('GC_WRITE_IN_QUERY', `query() was given a statement that writes: ${shorten(sql)}`);
      }
      return PRAGMA.test(sql) ? db.pragma(sql) : db.select(sql, params);
    });
  }

  /** @throws GC_SQL, GC_CONSTRAINT, GC_LOCKED, GC_DISK_FULL, GC_TRANSACTION, GC_BAD_ARGUMENT, GC_BAD_VALUE */
  async execute(sql: string, params?: Params): Promise<ExecuteResult> {
    checkSql(sql, 'execute');
    const script = this.#read(sql);
    const { parts } = script;
    if (parts.length === 0) throw new GlyphError('GC_BAD_ARGUMENT', 'execute() was given no statement');
    if (parts.length > 1 && params !== undefined) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `execute() takes parameters for one statement, and was given ${parts.length} statements`,
      );
    }
    for (const { keyword } of parts) this.#checkKeyword(keyword, parts.length);
    const [only] = parts;
    if (parts.length === 1 && only !== undefined && ALONE.has(only.keyword)) return await this.#alone(only.sql, params);
    return await this.#inTransaction(script, params);
  }

  /** Programs execute the same texts again and again. */
  #read(sql: string): Script {
    const known = this.#scripts.get(sql);
    if (known !== undefined) return known;
    const parts = statements(sql).map((part) => ({
      sql: part,
      keyword: firstKeyword(part),
      changesSchema: isSchemaChange(part),
    }));
    const script = { parts, changesSchema: parts.some(({ changesSchema }) => changesSchema) };
    if (sql.length > LONG) return script;
    if (this.#scripts.size >= MOST_SCRIPTS) this.#scripts.clear();
    this.#scripts.set(sql, script);
    return script;
  }

  #checkKeyword(keyword: string, count: number): void {
    if (CONTROL.has(keyword)) {
      throw new GlyphError('GC_TRANSACTION', `execute() was given ${keyword}`, {
        hint: 'Use transaction(fn), which commits and rolls back by itself.',
      });
    }
    if (count > 1 && ALONE.has(keyword) && keyword !== 'ANALYZE' && keyword !== 'REINDEX') {
      throw new GlyphError('GC_BAD_ARGUMENT', `${keyword} cannot be part of a script`, {
        hint: 'Execute it by itself.',
      });
    }
  }

  async #alone(sql: string, params: Params | undefined): Promise<ExecuteResult> {
    const { db } = this.#options;
    return await db.alone(() => this.#timed(sql, () => db.runAny(sql, params)));
  }

  async #inTransaction({ parts, changesSchema }: Script, params: Params | undefined): Promise<ExecuteResult> {
    const { db, hooks } = this.#options;
    return await db.exclusive(
      () => {
        let result: ExecuteResult = { changes: 0, lastInsertId: 0 };
        for (const part of parts) {
          const altered = part.changesSchema ? alteredTable(part.sql) : undefined;
          if (part.changesSchema) hooks.beforeSchemaChange.call(part.sql);
          const one = this.#timed(part.sql, () => db.runAny(part.sql, params));
          // What comes after it in the script has to be logged again; a rename says what it is for only at the end.
          if (altered?.action === 'drop column') hooks.afterSchemaChange.call(part.sql);
          result = { ...one, changes: result.changes + one.changes };
        }
        if (changesSchema) hooks.afterSchemaChange.call(parts.map((part) => part.sql).join(';\n'));
        return result;
      },
      { oneStatement: parts.length === 1 && !changesSchema },
    );
  }

  #timed<T>(sql: string, fn: () => T): T {
    const started = performance.now();
    try {
      return fn();
    } finally {
      const ms = performance.now() - started;
      if (ms >= this.#options.slowMs) {
        this.slow += 1;
        this.#options.logger.warn(`Slow statement (${ms.toFixed(1)} ms): ${shorten(sql)}`, { sql, ms });
        this.#options.onSlow?.({ sql, ms });
      }
    }
  }
}

function checkSql(sql: unknown, method: string): void {
  if (typeof sql === 'string' && sql.trim() !== '') return;
  throw new GlyphError(
    'GC_BAD_ARGUMENT',
    `${method}() takes an SQL statement, not ${sql === '' ? 'an empty text' : describe(sql)}`,
  );
}

const shorten = (sql: string): string => (sql.length > 120 ? `${sql.slice(0, 117)}…` : sql);
