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
import { shorten } from '../refusals.ts';
import { bound, paramsArgument, textArgument } from './arguments.ts';
import { transactionOf } from './context.ts';
import type { ApiContext, ApiPart } from './context.ts';

/** Most rows one query may return. */
export const MAX_ROWS = 10_000;
/** Prepared statements kept per skill. */
const MAX_PREPARED = 100;

type Statement = ReturnType<Database['prepare']>;
type Argument = LuaValue | undefined;

interface Prepared {
  readonly permit: Permit;
  readonly statement: Statement;
  readonly columns: readonly { readonly name: string; readonly json: boolean }[];
  /** The same with a LIMIT around it; made when it is first needed. */
  limited: Statement | undefined;
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
  readonly #prepared = new Map<string, Prepared>();

  constructor(api: ApiContext) {
    this.#api = api;
    this.#db = api.runtime.ctx.db;
  }

  query(text: Argument, args: readonly Argument[]): Record<string, unknown>[] {
    const sql = textArgument(text, 'glyphcase.query', 'the SQL');
    const prepared = this.#forReading(sql, 'query');
    const limited = (prepared.limited ??= this.#limited(prepared));
    const rows = this.#run(limited, sql, args);
    if (rows.length > MAX_ROWS) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `glyphcase.query: the result has more than ${MAX_ROWS} rows: ${shorten(sql)}`,
        {
          hint: 'Add a LIMIT and read in pages, or let SQL do the counting (count, sum, group by).',
        },
      );
    }
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
      const rows = this.#db.guard(() => statement.all(...values) as unknown[][]);
      this.#assertOpen(sql);
      return { changes: rows.length, lastInsertId: 0, rows: rows.map((row) => this.#toRow(row, { columns })) };
    }
    const { changes, lastInsertRowid } = this.#db.guard(() => statement.run(...values));
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
    const prepared: Prepared = { permit, statement, columns, limited: undefined };
    this.#prepared.delete(sql);
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > MAX_PREPARED) {
      const oldest = this.#prepared.keys().next().value;
      if (oldest !== undefined) this.#prepared.delete(oldest);
    }
    return prepared;
  }

  #limited(prepared: Prepared): Statement {
    const { permit } = prepared;
    if (permit.access.kind !== 'select') return prepared.statement;
    const [text] = statements(permit.sql);
    return exactly(
      this.#db.prepare(`SELECT * FROM (${(text ?? permit.sql).replace(/;\s*$/, '')}\n) LIMIT ${MAX_ROWS + 1}`),
    );
  }

  #run(statement: Statement, sql: string, args: readonly Argument[]): unknown[][] {
    const values = bound(paramsArgument(args, sql), sql);
    return this.#db.guard(() => statement.all(...values) as unknown[][]);
  }

  #get({ statement }: Prepared, sql: string, args: readonly Argument[]): unknown[] | undefined {
    const values = bound(paramsArgument(args, sql), sql);
    return this.#db.guard(() => statement.get(...values) as unknown[] | undefined);
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
