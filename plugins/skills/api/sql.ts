/**
 * `glyphcase.query`, `queryOne`, `queryScalar` and `execute`.
 *
 * Invariants: every statement passes the guard in the transaction it runs in; a query writes nothing and returns a bounded
 * number of rows; no statement ends the transaction, and none is left open.
 */
import type { LuaValue } from '../../../sdk/lua-types.ts';
import { GlyphError, statements } from '../../../sdk/plugin.ts';
import type { Database } from '../../../sdk/plugin.ts';
import type { Permit } from '../guard.ts';
import { meterOf } from '../meter.ts';
import type { Meter } from '../meter.ts';
import { shorten } from '../refusals.ts';
import { bound, paramsArgument, textArgument } from './arguments.ts';
import { transactionOf } from './context.ts';
import type { ApiContext, ApiPart } from './context.ts';

/** Most rows one query may return. */
export const MAX_ROWS = 10_000;
/** Most bytes of values that one statement may return. */
export const MAX_BYTES = 16 * 2 ** 20;
/** What a small result is. */
const FEW_ROWS = 256;
const FEW_BYTES = 2 ** 20;
/** Prepared statements kept per skill. */
const MAX_PREPARED = 100;

type Statement = ReturnType<Database['prepare']>;
type Argument = LuaValue | undefined;

interface Prepared {
  readonly permit: Permit;
  readonly statement: Statement;
  readonly columns: readonly { readonly name: string; readonly json: boolean }[];
  /** The same with LIMITs around it; made when they are first needed. */
  limited: Statement | undefined;
  few: Statement | undefined;
  /** Whether the last result was small: then the next is fetched at once, which is a third faster. */
  wasSmall: boolean;
}

export const sqlPart: ApiPart = (api) => {
  const sql = new SkillSql(api);
  return {
    'glyphcase.query': (text, ...args) => sql.query(text, args),
    'glyphcase.queryOne': (text, ...args) => sql.first(text, args, 'glyphcase.queryOne'),
    'glyphcase.queryScalar': (text, ...args) => sql.scalar(text, args),
    'glyphcase.execute': (text, ...args) => sql.execute(text, args),
  };
};

class SkillSql {
  readonly #api: ApiContext;
  readonly #db: Database;
  readonly #meter: Meter;
  readonly #checkTime: () => void;
  readonly #prepared = new Map<string, Prepared>();

  constructor(api: ApiContext) {
    this.#api = api;
    this.#db = api.runtime.ctx.db;
    this.#meter = meterOf(this.#db);
    this.#checkTime = () => api.checkTime();
  }

  query(text: Argument, args: readonly Argument[]): Record<string, unknown>[] {
    const sql = textArgument(text, 'glyphcase.query', 'the SQL');
    const prepared = this.#forReading(sql, 'query');
    const values = bound(paramsArgument(args, sql), sql);
    const rows = this.#fewRows(prepared, values) ?? this.#manyRows(prepared, sql, values);
    if (rows.length > MAX_ROWS) throw tooMuch(`the result has more than ${MAX_ROWS} rows`, sql);
    return rows.map((row) => this.#toRow(row, prepared));
  }

  first(text: Argument, args: readonly Argument[], call: string): Record<string, unknown> | undefined {
    const sql = textArgument(text, call, 'the SQL');
    const prepared = this.#forReading(sql, call);
    const row = this.#get(prepared, sql, args);
    return row === undefined ? undefined : this.#toRow(row, prepared);
  }

  scalar(text: Argument, args: readonly Argument[]): unknown {
    const sql = textArgument(text, 'glyphcase.queryScalar', 'the SQL');
    const prepared = this.#forReading(sql, 'queryScalar');
    const value = this.#get(prepared, sql, args)?.[0];
    return prepared.columns[0]?.json === true ? parsed(value) : value;
  }

  execute(text: Argument, args: readonly Argument[]): unknown {
    const script = textArgument(text, 'glyphcase.execute', 'the SQL');
    const parts = statements(script);
    if (parts.length > 1 && args.length > 0) {
      throw new GlyphError('GC_BAD_ARGUMENT', 'glyphcase.execute: a script of several statements takes no parameters');
    }
    let result: unknown = { changes: 0, lastInsertId: 0 };
    for (const sql of parts) result = this.#execute(sql, args);
    return result;
  }

  #execute(sql: string, args: readonly Argument[]): unknown {
    transactionOf(this.#api);
    const permit = this.#api.guard.statement(sql);
    if (permit.access.kind === 'empty') return { changes: 0, lastInsertId: 0 };
    if (permit.access.kind === 'schema') {
      return this.#changeSchema(sql, permit.after ?? (() => undefined));
    }
    if (permit.access.kind === 'vacuum') {
      permit.after?.();
      return { changes: 0, lastInsertId: 0 };
    }
    const { statement, columns } = this.#prepare(sql, permit);
    const values = bound(paramsArgument(args, sql), sql);
    if (statement.reader) {
      const rows = this.#rows(statement, sql, values);
      this.#assertOpen(sql);
      return { changes: rows.length, lastInsertId: 0, rows: rows.map((row) => this.#toRow(row, { columns })) };
    }
    const { changes, lastInsertRowid } = this.#timed(() => statement.run(...values));
    this.#assertOpen(sql);
    return { changes, lastInsertId: lastInsertRowid };
  }

  /** In a savepoint: what is only known afterwards (whose a table is, what its foreign keys refer to) may still refuse it. */
  #changeSchema(sql: string, after: () => void): unknown {
    const { hooks } = this.#api.runtime.ctx;
    this.#db.savepoint(() => {
      hooks.beforeSchemaChange.call(sql);
      this.#db.exec(sql);
      after();
      hooks.afterSchemaChange.call(sql);
    });
    return { changes: 0, lastInsertId: 0 };
  }

  #forReading(sql: string, call: string): Prepared {
    transactionOf(this.#api);
    const permit = this.#api.guard.statement(sql);
    if (!permit.access.readonly) {
      throw new GlyphError('GC_WRITE_IN_QUERY', `glyphcase.${call}: this statement writes: ${shorten(sql)}`, {
        hint: 'Use glyphcase.execute() for statements that write.',
      });
    }
    return this.#prepare(sql, permit);
  }

  /** A prepared statement is as good as the permit it was made with, which ends with a change of the schema or of own tables. */
  #prepare(sql: string, permit: Permit): Prepared {
    const known = this.#prepared.get(sql);
    if (known?.permit === permit) return known;
    const statement = exactly(this.#db.prepare(permit.sql));
    const columns = statement.reader
      ? statement
          .columns()
          .map(({ name, type }) => ({ name, json: this.#api.json === 'table' && /^json/i.test(type ?? '') }))
      : [];
    const prepared: Prepared = { permit, statement, columns, limited: undefined, few: undefined, wasSmall: false };
    this.#prepared.delete(sql);
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > MAX_PREPARED) {
      const oldest = this.#prepared.keys().next().value;
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    return prepared;
  }

  /** The rows, if there are as few as last time. */
  #fewRows(prepared: Prepared, values: readonly unknown[]): unknown[][] | undefined {
    if (!prepared.wasSmall) return undefined;
    const few = (prepared.few ??= this.#limited(prepared, FEW_ROWS + 1));
    const rows = this.#timed(() => few.all(...values) as unknown[][]);
    prepared.wasSmall = isSmall(rows);
    return prepared.wasSmall ? rows : undefined;
  }

  #manyRows(prepared: Prepared, sql: string, values: readonly unknown[]): unknown[][] {
    const limited = (prepared.limited ??= this.#limited(prepared, MAX_ROWS + 1));
    const rows = this.#rows(limited, sql, values);
    prepared.wasSmall = isSmall(rows);
    return rows;
  }

  #limited(prepared: Prepared, rows: number): Statement {
    const { permit } = prepared;
    if (permit.access.kind !== 'select') return prepared.statement;
    const [text] = statements(permit.sql);
    return exactly(this.#db.prepare(`SELECT * FROM (${(text ?? permit.sql).replace(/;\s*$/, '')}\n) LIMIT ${rows}`));
  }

  #get({ statement }: Prepared, sql: string, args: readonly Argument[]): unknown[] | undefined {
    const values = bound(paramsArgument(args, sql), sql);
    return this.#timed(() => statement.get(...values) as unknown[] | undefined);
  }

  /**
   * The rows, one by one: between them the script's time can end, and a result too large is left before it fills memory.
   * A write that returns rows has made all its changes before the first.
   */
  #rows(statement: Statement, sql: string, values: readonly unknown[]): unknown[][] {
    const found: unknown[][] = [];
    let bytes = 0;
    this.#timed(() => {
      // eslint-disable-next-line no-restricted-syntax -- for…of closes it however it ends, and no Lua runs meanwhile that could be killed
      for (const row of statement.iterate(...values) as IterableIterator<unknown[]>) {
        bytes += sizeOf(row);
        if (bytes > MAX_BYTES) throw tooMuch(`the result has more than ${MAX_BYTES / 2 ** 20} MiB`, sql);
        found.push(row);
        this.#api.checkTime();
      }
    });
    return found;
  }

  #timed<T>(fn: () => T): T {
    return this.#db.guard(() => this.#meter.during(this.#checkTime, fn));
  }

  #toRow(values: readonly unknown[], { columns }: Pick<Prepared, 'columns'>): Record<string, unknown> {
    const row: Record<string, unknown> = {};
    for (let index = 0; index < columns.length; index += 1) {
      const column = columns[index] as Prepared['columns'][number];
      row[column.name] = column.json ? parsed(values[index]) : values[index];
    }
    return row;
  }

  #assertOpen(sql: string): void {
    if (this.#db.sqlite.inTransaction) return;
    throw new GlyphError('GC_TRANSACTION', `This statement ended the transaction: ${shorten(sql)}`, {
      skill: this.#api.id,
    });
  }
}

const tooMuch = (what: string, sql: string): GlyphError =>
  new GlyphError('GC_BAD_ARGUMENT', `glyphcase.query: ${what}: ${shorten(sql)}`, {
    hint: 'Add a LIMIT and read in pages, name fewer columns, or let SQL do the counting (count, sum, group by).',
  });

const isSmall = (rows: readonly (readonly unknown[])[]): boolean =>
  rows.length <= FEW_ROWS && rows.reduce((bytes, row) => bytes + sizeOf(row), 0) <= FEW_BYTES;

/** Roughly, in bytes. */
function sizeOf(row: readonly unknown[]): number {
  let bytes = 0;
  for (const value of row) bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
  return bytes;
}

/** Integers as BigInt, which Lua takes as they are; rows as arrays, whose names are known. */
function exactly(statement: Statement): Statement {
  statement.safeIntegers(true);
  return statement.reader ? statement.raw(true) : statement;
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
