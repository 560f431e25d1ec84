/**
 * The schema as EXPLAIN refers to it: b-tree roots and addresses of virtual tables.
 *
 * Invariant: one snapshot describes one content of sqlite_schema and sqlite_temp_schema; it is never changed, only
 * replaced. Addresses are looked up anew each time, because SQLite may give one to another table without a schema change.
 */
import type BetterSqlite3 from 'better-sqlite3';
import { HARMLESS_FUNCTIONS } from './virtual.ts';
import { quoteName } from '../sql/identifiers.ts';
import { nameOf, tokenize } from '../sql/lexer.ts';

/** What a b-tree belongs to; `index` is set when it is an index's. */
export interface Owner {
  readonly table: string;
  readonly index?: string;
}

export interface VirtualTable {
  readonly name: string;
  readonly temp: boolean;
  /** The CREATE statement; undefined for a table-valued function. */
  readonly sql?: string;
}

export interface SchemaSnapshot {
  /** All of it as text, to compare. */
  readonly content: string;
  /** Root page → owner; `[0]` for main, `[1]` for temp. */
  readonly roots: readonly [ReadonlyMap<number, Owner>, ReadonlyMap<number, Owner>];
  /** Roots that two objects claim, as in a file somebody tampered with. */
  readonly ambiguous: boolean;
  readonly virtualTables: readonly VirtualTable[];
  /** A view or trigger names sqlite_sequence. */
  readonly namesSequence: boolean;
}

interface Entry {
  readonly temp: 0 | 1;
  readonly type: string;
  readonly name: string;
  readonly tbl_name: string;
  readonly rootpage: number;
  readonly sql: string | null;
}

/** Statements on one connection that describe its schema. */
export class SchemaReader {
  readonly #db: BetterSqlite3.Database;
  readonly #version: BetterSqlite3.Statement;
  readonly #tempVersion: BetterSqlite3.Statement;
  readonly #content: BetterSqlite3.Statement;
  readonly #entries: BetterSqlite3.Statement;
  /** What {@link virtualTableAt} found last; only a hint where to look first. */
  readonly #addresses = new Map<string, VirtualTable>();

  constructor(db: BetterSqlite3.Database) {
    const prepare = (sql: string): BetterSqlite3.Statement => db.prepare(sql).safeIntegers(false);
    this.#db = db;
    this.#version = prepare('PRAGMA main.schema_version').pluck();
    this.#tempVersion = prepare('PRAGMA temp.schema_version').pluck();
    const both = (columns: string): string =>
      `SELECT 0 AS temp, ${columns} FROM main.sqlite_schema UNION ALL SELECT 1, ${columns} FROM temp.sqlite_schema`;
    this.#content = prepare(`SELECT json_group_array(e) FROM (SELECT temp || '.' || e AS e FROM
      (${both("rootpage || '.' || type || '.' || quote(name) || quote(tbl_name) || quote(sql) AS e")}))`).pluck();
    this.#entries = prepare(both('type, name, tbl_name, rootpage, sql'));
  }

  /** SQLite's counter of changes to the main schema. A rollback sets it back, so it may come to mean another schema. */
  version(): number {
    return this.#version.get() as number;
  }

  /** The same of the temp schema. */
  tempVersion(): number {
    return this.#tempVersion.get() as number;
  }

  /** Everything that a snapshot depends on, as one text. */
  content(): string {
    return this.#content.get() as string;
  }

  /** Reads the schema; `content` is what {@link content} has just returned. */
  snapshot(content: string): SchemaSnapshot {
    const roots = [new Map<number, Owner>(), new Map<number, Owner>()] as const;
    const virtualTables: VirtualTable[] = [];
    let ambiguous = false;
    let namesSequence = false;
    for (const { temp, type, name, tbl_name: table, rootpage, sql } of this.#entries.all() as Entry[]) {
      if (rootpage > 0) {
        ambiguous ||= roots[temp].has(rootpage) || rootpage === 1;
        roots[temp].set(rootpage, type === 'index' ? { table, index: name } : { table: name });
      } else if (type === 'table' && sql !== null) {
        virtualTables.push({ name, temp: temp === 1, sql });
      } else if (sql !== null) {
        namesSequence ||= mentionsSequence(sql);
      }
    }
    for (const side of roots) side.set(1, { table: 'sqlite_schema' });
    return { content, roots, ambiguous, virtualTables, namesSequence };
  }

  /** The virtual table that has an address in EXPLAIN, or undefined for one of unknown origin. */
  virtualTableAt(address: string, snapshot: SchemaSnapshot): VirtualTable | undefined {
    const known = this.#addresses.get(address);
    if (known !== undefined && this.#addressOf(known) === address) return known;
    this.#addresses.clear();
    const names = new Set(snapshot.virtualTables.map(({ name }) => name.toLowerCase()));
    const functions = HARMLESS_FUNCTIONS.filter((name) => !names.has(name)).map((name) => ({ name, temp: false }));
    for (const table of [...snapshot.virtualTables, ...functions]) {
      const found = this.#addressOf(table);
      if (found !== undefined) this.#addresses.set(found, table);
    }
    return this.#addresses.get(address);
  }

  #addressOf(table: VirtualTable): string | undefined {
    const name = table.sql === undefined ? table.name : `${table.temp ? 'temp' : 'main'}.${quoteName(table.name)}`;
    try {
      const rows = this.#db.prepare(`EXPLAIN SELECT 1 FROM ${name}`).all() as { opcode: string; p4: string | null }[];
      return rows.find(({ opcode }) => opcode === 'VOpen')?.p4 ?? undefined;
    } catch {
      // Its module is not there, so nothing else can be using it either.
      return undefined;
    }
  }
}

/** Whether SQL names the table of the AUTOINCREMENT counters, in any of SQLite's quotes. */
export function mentionsSequence(sql: string): boolean {
  if (!/sqlite_sequence/i.test(sql)) return false;
  return tokenize(sql).some((token) => nameOf(token)?.toLowerCase() === 'sqlite_sequence');
}
