/**
 * Which statements change the schema, and what they say they change.
 *
 * Invariant: reads the text only. It tells what a statement names; whether that exists, SQLite knows.
 */
import { isKeyword, nameOf } from './lexer.ts';
import type { Token } from './lexer.ts';
import { splitStatements } from './statements.ts';

export type SchemaObject = 'table' | 'virtual table' | 'index' | 'unique index' | 'view' | 'trigger';

/** A CREATE, ALTER, DROP or REINDEX statement. Names are as written, without quotes. */
export interface SchemaChange {
  readonly verb: 'create' | 'alter' | 'drop' | 'reindex';
  /** Undefined for REINDEX, which takes a table, an index or a collation. */
  readonly object?: SchemaObject;
  /** '' for a REINDEX of everything. */
  readonly name: string;
  /** `main`, `temp` or an attached database, when the statement says so. */
  readonly schema?: string;
  /** CREATE TEMP …, or a name in the temp schema. A plain name may still mean a temp table that exists. */
  readonly temp: boolean;
  /** The table of CREATE INDEX and CREATE TRIGGER. */
  readonly on?: string;
  /** The module of CREATE VIRTUAL TABLE, in lower case. */
  readonly module?: string;
  /** What an ALTER TABLE does. */
  readonly action?: AlterAction;
  /** The column that an ALTER TABLE adds, drops, renames or alters. */
  readonly column?: string;
  /** What an ALTER TABLE … RENAME renames to. */
  readonly newName?: string;
}

export type AlterAction =
  'add column' | 'drop column' | 'rename column' | 'rename' | 'alter column' | 'add constraint' | 'drop constraint';

/** A statement that creates, alters or drops a table. */
export interface AlteredTable {
  readonly kind: 'create' | 'alter' | 'drop';
  readonly table: string;
  readonly schema?: string;
  readonly temp: boolean;
  /** Only for `alter`. */
  readonly action?: AlterAction;
  readonly column?: string;
  readonly newName?: string;
}

/** Whether any statement of a script is a CREATE, ALTER, DROP or REINDEX. EXPLAIN of one changes nothing. */
export function isSchemaChange(sql: string): boolean {
  return splitStatements(sql).some((statement) => isKeyword(statement.tokens[0], 'CREATE', 'ALTER', 'DROP', 'REINDEX'));
}

/**
 * The table that one statement creates, alters or drops; undefined for every other statement, and for a script of several.
 *
 * @example
 * ```ts
 * alteredTable('ALTER TABLE orders ADD COLUMN note'); // { kind: 'alter', table: 'orders', temp: false, action: 'add column', column: 'note' }
 * ```
 */
export function alteredTable(sql: string): AlteredTable | undefined {
  const change = schemaChange(sql);
  if (change === undefined || change.verb === 'reindex') return undefined;
  if (change.object !== 'table' && change.object !== 'virtual table') return undefined;
  const { verb: kind, name: table, schema, temp, action, column, newName } = change;
  return {
    kind,
    table,
    temp,
    ...(schema === undefined ? {} : { schema }),
    ...(action === undefined ? {} : { action }),
    ...(column === undefined ? {} : { column }),
    ...(newName === undefined ? {} : { newName }),
  };
}

/** What one CREATE, ALTER, DROP or REINDEX statement says; undefined for every other statement, and for a script of several. */
export function schemaChange(sql: string): SchemaChange | undefined {
  const found = splitStatements(sql);
  const tokens = found.length === 1 ? found[0]?.tokens : undefined;
  if (tokens === undefined) return undefined;
  const reader = new Reader(tokens);
  if (reader.take('CREATE')) return created(reader);
  if (reader.take('DROP')) return dropped(reader);
  if (reader.take('ALTER') && reader.take('TABLE')) return altered(reader);
  if (reader.take('REINDEX')) return { verb: 'reindex', ...(reader.name() ?? { name: '', temp: false }) };
  return undefined;
}

/** Walks over the tokens of one statement. */
class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** Steps over a keyword if it is next. */
  take(...keywords: readonly string[]): boolean {
    if (!isKeyword(this.#tokens[this.#at], ...keywords)) return false;
    this.#at += 1;
    return true;
  }

  /** Steps over a whole sequence of keywords, or none of it. */
  takeAll(...keywords: readonly string[]): boolean {
    if (!keywords.every((keyword, i) => isKeyword(this.#tokens[this.#at + i], keyword))) return false;
    this.#at += keywords.length;
    return true;
  }

  word(): string | undefined {
    const name = nameOf(this.#tokens[this.#at]);
    if (name !== undefined) this.#at += 1;
    return name;
  }

  /** `name` or `schema.name`. */
  name(): { name: string; temp: boolean; schema?: string } | undefined {
    const first = this.word();
    if (first === undefined) return undefined;
    if (this.#tokens[this.#at]?.text !== '.') return { name: first, temp: false };
    this.#at += 1;
    const second = this.word();
    return second === undefined ? undefined : { name: second, schema: first, temp: first.toLowerCase() === 'temp' };
  }

  /** Steps to behind the next keyword. */
  skipTo(keyword: string): boolean {
    const next = this.#tokens.findIndex((token, i) => i >= this.#at && isKeyword(token, keyword));
    if (next < 0) return false;
    this.#at = next + 1;
    return true;
  }
}

function created(reader: Reader): SchemaChange | undefined {
  const temporary = reader.take('TEMP', 'TEMPORARY');
  const object = objectKind(reader);
  reader.takeAll('IF', 'NOT', 'EXISTS');
  const named = object === undefined ? undefined : reader.name();
  if (object === undefined || named === undefined) return undefined;
  const change = { verb: 'create', object, ...named, temp: named.temp || temporary } as const;
  if (object === 'virtual table') {
    const module = reader.take('USING') ? reader.word() : undefined;
    return module === undefined ? change : { ...change, module: module.toLowerCase() };
  }
  if (object === 'table' || object === 'view') return change;
  const on = reader.skipTo('ON') ? reader.word() : undefined;
  return on === undefined ? change : { ...change, on };
}

function objectKind(reader: Reader): SchemaObject | undefined {
  if (reader.takeAll('VIRTUAL', 'TABLE')) return 'virtual table';
  if (reader.takeAll('UNIQUE', 'INDEX')) return 'unique index';
  if (reader.take('TABLE')) return 'table';
  if (reader.take('INDEX')) return 'index';
  if (reader.take('VIEW')) return 'view';
  return reader.take('TRIGGER') ? 'trigger' : undefined;
}

function dropped(reader: Reader): SchemaChange | undefined {
  const object = objectKind(reader);
  reader.takeAll('IF', 'EXISTS');
  const named = object === undefined ? undefined : reader.name();
  return object === undefined || named === undefined ? undefined : { verb: 'drop', object, ...named };
}

function altered(reader: Reader): SchemaChange | undefined {
  const named = reader.name();
  if (named === undefined) return undefined;
  return { verb: 'alter', object: 'table', ...named, ...alteration(reader) };
}

function alteration(reader: Reader): Pick<SchemaChange, 'action' | 'column' | 'newName'> {
  if (reader.takeAll('RENAME', 'TO')) return { action: 'rename', ...optional('newName', reader.word()) };
  if (reader.take('RENAME')) {
    reader.take('COLUMN');
    const column = reader.word();
    reader.take('TO');
    return { action: 'rename column', ...optional('column', column), ...optional('newName', reader.word()) };
  }
  if (reader.take('ADD')) {
    if (reader.take('CONSTRAINT', 'CHECK')) return { action: 'add constraint' };
    reader.take('COLUMN');
    return { action: 'add column', ...optional('column', reader.word()) };
  }
  if (reader.take('DROP')) {
    if (reader.take('CONSTRAINT')) return { action: 'drop constraint' };
    reader.take('COLUMN');
    return { action: 'drop column', ...optional('column', reader.word()) };
  }
  if (!reader.take('ALTER')) return {};
  reader.take('COLUMN');
  return { action: 'alter column', ...optional('column', reader.word()) };
}

function optional<Key extends string>(key: Key, value: string | undefined): Partial<Record<Key, string>> {
  return value === undefined ? {} : ({ [key]: value } as Record<Key, string>);
}
