/**
 * The access check: what a statement reads and writes, found by EXPLAIN instead of a parser.
 *
 * Invariants:
 * - Nothing is ever executed: a PRAGMA (which SQLite may carry out while preparing it) and everything else that is not a
 *   known kind of statement is told by its text alone.
 * - An answer holds for one content of the schema. It is reused only while the schema counter proves that content, or
 *   the content itself was compared: after a ROLLBACK the counter may return with another schema.
 */
import type BetterSqlite3 from 'better-sqlite3';
import { AccessCollector } from './collector.ts';
import type { Subject } from './collector.ts';
import { ColumnFinder } from './columns.ts';
import { analyseProgram } from './program.ts';
import type { Instruction } from './program.ts';
import { SchemaReader } from './schema.ts';
import type { SchemaSnapshot } from './schema.ts';
import type { Access, AccessKind } from './types.ts';
import { GlyphError } from '../errors.ts';
import { quoteName } from '../sql/identifiers.ts';
import { sqlError } from '../sql/errors.ts';
import { isKeyword, schemaChange, splitStatements, withoutExplain } from '../sql/index.ts';

export type { Access, AccessKind, TableWrite, WriteOperation } from './types.ts';

/** Answers that are remembered. */
const CAPACITY = 500;
/** Longer statements are rarely repeated, and would hold much memory. */
const LONGEST_REMEMBERED = 16_384;
/** How often a check is repeated while other programs change the schema. */
const ATTEMPTS = 3;
/** How far virtual tables over views over virtual tables are followed. */
const DEEPEST = 8;

const KINDS: Readonly<Record<string, AccessKind>> = {
  SELECT: 'select',
  VALUES: 'select',
  WITH: 'select',
  INSERT: 'write',
  REPLACE: 'write',
  UPDATE: 'write',
  DELETE: 'write',
  CREATE: 'schema',
  ALTER: 'schema',
  DROP: 'schema',
  REINDEX: 'schema',
  ANALYZE: 'analyze',
  BEGIN: 'transaction',
  COMMIT: 'transaction',
  END: 'transaction',
  ROLLBACK: 'transaction',
  SAVEPOINT: 'transaction',
  RELEASE: 'transaction',
  PRAGMA: 'pragma',
  ATTACH: 'attach',
  DETACH: 'attach',
  VACUUM: 'vacuum',
};

/** Kinds that are answered without asking SQLite. */
const UNASKED: Readonly<Partial<Record<AccessKind, string>>> = {
  transaction: 'It begins or ends a transaction.',
  pragma: 'It is a PRAGMA.',
  attach: 'It attaches or detaches a database.',
  vacuum: 'It is a VACUUM.',
};

/** Checks statements for one connection. */
export interface AccessCheck {
  /**
   * What one statement may do on this connection, whose temp tables, views and triggers count too. The answer is proven
   * for a statement that runs in the same transaction as the check; otherwise another program may change the schema in
   * between. It depends on `foreign_keys` and `recursive_triggers`: leave those as they were.
   *
   * A script of several statements is refused: split it with `statements()`, and check each when its turn has come.
   *
   * @throws GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN as preparing it would; GC_LOCKED, GC_CLOSED; GC_BAD_ARGUMENT when
   *   it is not a string.
   * @example
   * ```ts
   * const access = check.check('DELETE FROM orders WHERE id = ?');
   * access.writes.get('orders')?.direct; // Set { 'delete' }
   * access.opaque.length === 0;          // true: everything it does is known
   * ```
   */
  check(sql: string): Access;
  /**
   * Tells that the transaction that is open has not changed the schema so far (call it right after BEGIN), so that
   * checks in it need not compare the schema's content.
   */
  settle(): void;
}

/** An access check on a connection of better-sqlite3. */
export function createAccess(db: BetterSqlite3.Database): AccessCheck {
  return new Checker(db);
}

type Explainer = BetterSqlite3.Database & { explain(sql: string): Instruction[] };

class Checker implements AccessCheck {
  readonly #db: Explainer;
  readonly #reader: SchemaReader;
  readonly #columns: ColumnFinder;
  readonly #answers = new Map<string, Access>();
  #snapshot: SchemaSnapshot | undefined;
  /** The counters the snapshot belongs to; −1 when only its content proves it. */
  #version = -1;
  #tempVersion = -1;
  /** The counters last seen with nothing uncommitted. */
  #settled = -1;
  #tempSettled = -1;

  constructor(db: BetterSqlite3.Database) {
    this.#db = db as Explainer;
    this.#reader = new SchemaReader(db);
    this.#columns = new ColumnFinder(db);
  }

  check(sql: string): Access {
    if (typeof sql !== 'string') throw new GlyphError('GC_BAD_ARGUMENT', `The SQL must be a string, not ${typeof sql}`);
    try {
      return this.#remembered(sql) ?? this.#find(sql);
    } catch (error) {
      throw sqlError(
        error,
        sql,
        () => this.#tableNames(),
        () => this.#columnNames(),
      );
    }
  }

  settle(): void {
    try {
      this.#settled = this.#reader.version();
      this.#tempSettled = this.#reader.tempVersion();
    } catch (error) {
      throw sqlError(error, '');
    }
  }

  #remembered(sql: string): Access | undefined {
    const answer = this.#answers.get(sql);
    if (answer === undefined) return undefined;
    if (this.#reader.version() === this.#version && this.#reader.tempVersion() === this.#tempVersion) return answer;
    // Empties the answers when the schema has really changed.
    this.#current();
    return this.#answers.get(sql);
  }

  #find(sql: string): Access {
    const subject = subjectOf(sql);
    if (typeof subject !== 'string') return this.#ask(subject, sql);
    return unasked(subject);
  }

  #ask(subject: ExplainableSubject, key: string): Access {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const [version, tempVersion] = [this.#reader.version(), this.#reader.tempVersion()];
      const found = this.#inspect(subject, this.#current(), 0);
      const access = subject.explained ? explained(found) : found;
      if (this.#reader.version() !== version || this.#reader.tempVersion() !== tempVersion) continue;
      this.#remember(key, access);
      return access;
    }
    throw new GlyphError(
      'GC_LOCKED',
      `Another program keeps changing the schema while this is checked: ${key.slice(0, 160)}`,
    );
  }

  #inspect(subject: Subject, snapshot: SchemaSnapshot, depth: number): Access {
    const rows = this.#db.explain(subject.sql);
    const program = analyseProgram(rows, subject.kind === 'schema' || subject.kind === 'analyze');
    const readAll = (table: string): Access => {
      if (depth === DEEPEST) throw new GlyphError('GC_SQL', 'Virtual tables are nested too deep');
      const sql = `SELECT * FROM main.${quoteName(table)}`;
      return this.#inspect({ sql, kind: 'select', schemaChange: undefined }, snapshot, depth + 1);
    };
    return new AccessCollector(subject, { reader: this.#reader, columns: this.#columns, snapshot, readAll }).collect(
      program,
    );
  }

  /** The schema as it is now; another object, and no answers, when its content has changed. */
  #current(): SchemaSnapshot {
    const version = this.#reader.version();
    const tempVersion = this.#reader.tempVersion();
    if (!this.#db.inTransaction) {
      this.#settled = version;
      this.#tempSettled = tempVersion;
    }
    if (this.#snapshot !== undefined && version === this.#version && tempVersion === this.#tempVersion)
      return this.#snapshot;
    const content = this.#reader.content();
    if (this.#snapshot === undefined || content !== this.#snapshot.content) {
      this.#snapshot = this.#reader.snapshot(content);
      this.#columns.clear();
      this.#answers.clear();
    }
    const certain = version === this.#settled && tempVersion === this.#tempSettled;
    this.#version = certain ? version : -1;
    this.#tempVersion = certain ? tempVersion : -1;
    return this.#snapshot;
  }

  #remember(sql: string, access: Access): void {
    if (sql.length > LONGEST_REMEMBERED) return;
    this.#answers.set(sql, access);
    if (this.#answers.size <= CAPACITY) return;
    // The oldest goes; moving answers up on each use would cost more than asking again once in a while.
    const oldest = this.#answers.keys().next().value;
    if (oldest !== undefined) this.#answers.delete(oldest);
  }

  #tableNames(): string[] {
    return this.#db
      .prepare("SELECT name FROM pragma_table_list WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
      .pluck()
      .all() as string[];
  }

  #columnNames(): string[] {
    const sql = 'SELECT DISTINCT c.name FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name, t.schema) AS c';
    return this.#db.prepare(sql).pluck().all() as string[];
  }
}

interface ExplainableSubject extends Subject {
  /** It stood behind EXPLAIN. */
  readonly explained: boolean;
}

/** What one statement is; its kind alone when SQLite need not or must not be asked. */
function subjectOf(sql: string): ExplainableSubject | AccessKind {
  if (sql.includes('\0'))
    throw new GlyphError('GC_SQL', 'SQL must not hold a NUL character', { hint: 'Pass such text as a parameter.' });
  const [statement, second] = splitStatements(sql);
  if (statement === undefined) return 'empty';
  if (second !== undefined) {
    const hint = 'Run the statements one by one, or as a script with execute().';
    throw new GlyphError('GC_SQL', `One statement is expected, this has more: ${sql.trim().slice(0, 160)}`, { hint });
  }
  // Only what begins with a known keyword may be prepared: behind an EXPLAIN, "QUERY PLAN PRAGMA x" would be a PRAGMA.
  const tokens = withoutExplain(statement.tokens);
  const first = tokens[0];
  const kind = first?.type === 'word' ? KINDS[first.text.toUpperCase()] : undefined;
  if (first === undefined || kind === undefined) throw notSql(statement.text);
  if (UNASKED[kind] !== undefined) return kind;
  const text = sql.slice(first.start, statement.end);
  const isExplained = first !== statement.tokens[0];
  if (isExplained && !isKeyword(statement.tokens[0], 'EXPLAIN')) throw notSql(statement.text);
  return { sql: text, kind, schemaChange: kind === 'schema' ? schemaChange(text) : undefined, explained: isExplained };
}

function notSql(text: string): GlyphError {
  return new GlyphError('GC_SQL', `This is not an SQL statement: ${text.slice(0, 160)}`);
}

const NOTHING = Object.freeze({
  reads: new Set<string>(),
  directReads: new Set<string>(),
  writes: new Map<string, never>(),
  temp: { reads: new Set<string>(), writes: new Map<string, never>() },
  columns: undefined,
  schemaReads: false,
  virtualTables: new Set<string>(),
  functions: new Set<string>(),
  recursive: false,
  schemaChange: undefined,
});

function unasked(kind: AccessKind): Access {
  const reason = UNASKED[kind];
  return { ...NOTHING, kind, readonly: kind === 'empty', opaque: reason === undefined ? [] : [reason] };
}

/** EXPLAIN changes nothing, but is held to what the statement behind it reads. */
function explained(access: Access): Access {
  const { writes, temp } = NOTHING;
  return {
    ...access,
    columns: undefined,
    kind: 'explain',
    readonly: true,
    writes,
    temp: { ...temp, reads: access.temp.reads },
    schemaChange: undefined,
  };
}
