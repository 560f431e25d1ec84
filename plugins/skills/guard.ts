/**
 * Says what Lua code may do to the database, the actions and the host's functions; refuses the rest.
 *
 * Invariants: a statement runs only after its access was proven; nothing opaque runs. Reads and writes that the schema
 * itself makes (triggers, foreign keys) are the schema owner's, not the skill's.
 */
import type { Access, Database } from '../../sdk/plugin.ts';
import { MAX_MADE, unboundedCall } from './amplifiers.ts';
import { expansion, MAX_EXPANSION } from './expansion.ts';
import { ForeignKeys } from './foreign-keys.ts';
import { InternalTables, READABLE_INTERNALS } from './internal-tables.ts';
import { meterOf } from './meter.ts';
import type { Meter } from './meter.ts';
import { coversAction, coversTable, isInternal } from './permissions.ts';
import type { GrantedPermissions } from './permissions.ts';
import { databaseLine, missing, never, refuseAlways } from './refusals.ts';
import type { Who } from './refusals.ts';
import { SchemaGuard } from './schema-guard.ts';
import { callsSlowly, withShortTexts } from './slow-functions.ts';
import type { SkillStore } from './store.ts';
import { writeTarget } from './write-target.ts';

/** A statement that may run, and what must be done once it has. The same object for as long as the answer holds. */
export interface Permit {
  readonly access: Access;
  /** What to run: the statement itself, or with filters on the internal tables it reads and a meter on the rows it visits. */
  readonly sql: string;
  /** Whether the statement may also run as it was given. */
  readonly asIs: boolean;
  readonly after?: () => void;
}

export interface Guard {
  /** @throws GC_PERMISSION, and what preparing the statement throws */
  statement(sql: string): Permit;
  /** Whether rows of the table may be written by the row functions. @throws GC_PERMISSION, GC_NO_SUCH_TABLE */
  write(table: string): void;
  /** Whether the table may be watched. @throws GC_PERMISSION */
  read(table: string): void;
  /** @throws GC_PERMISSION */
  dispatch(action: string): void;
  /** Whether it may listen to an action, or to a pattern of actions. @throws GC_PERMISSION */
  listen(pattern: string): void;
  /** What was known of own tables may be void: a transaction was rolled back. */
  forget(): void;
}

/** Texts of statements remembered as small. */
const MAX_SMALL = 1000;

/** The tables that a statement writes by itself. One opened for writing and never written counts, for safety. */
function directWrites(access: Access): string[] {
  return [...access.writes]
    .filter(([, write]) => write.direct.size > 0 || write.nested.size === 0)
    .map(([table]) => table);
}

/** For skills. */
export class SkillGuard implements Guard {
  readonly #id: string;
  readonly #who: Who;
  readonly #db: Database;
  readonly #store: SkillStore;
  readonly #granted: GrantedPermissions;
  readonly #schema: SchemaGuard;
  readonly #foreignKeys: ForeignKeys;
  readonly #internals: InternalTables;
  readonly #meter: Meter;
  /** Statements found to be allowed; a schema change makes new Access objects. */
  #allowed = new WeakMap<Access, Permit>();
  #own: readonly string[] | undefined;
  #writable = new WeakSet<object>();
  /** Statements that compile quickly. */
  readonly #small = new Set<string>();
  #views: ReturnType<Database['prepare']> | undefined;

  constructor(id: string, db: Database, store: SkillStore, granted: GrantedPermissions) {
    this.#id = id;
    this.#who = { name: `The skill ${id}`, skill: id };
    this.#db = db;
    this.#store = store;
    this.#granted = granted;
    this.#foreignKeys = new ForeignKeys(db);
    this.#meter = meterOf(db);
    this.#internals = new InternalTables({
      skill: id,
      db,
      named: granted.database.read,
      mayRead: (table) => this.#mayRead(table),
      isGranted: (table) => this.#isGranted(table),
    });
    this.#schema = new SchemaGuard({
      id,
      db,
      store,
      owns: (table) => this.#owns(table),
      granted,
      forget: () => this.forget(),
    });
  }

  statement(sql: string): Permit {
    this.#checkSize(sql);
    const access = this.#db.access.check(sql);
    const known = this.#allowed.get(access);
    if (known !== undefined) return known;
    this.#own = undefined;
    refuseAlways(access, sql, this.#who);
    const call = unboundedCall(sql);
    if (call !== undefined) throw never(this.#who, `call ${call} with a size that only shows when it runs`, sql, SIZED);
    if (access.kind === 'schema') {
      if (callsSlowly(sql)) throw never(this.#who, 'search for a text whose length only shows when it runs', sql);
      const after = this.#schema.check(sql, access);
      this.#checkReads(sql, access, access);
      if (!this.#granted.database.recursive && isFilledFromLoops(sql, access, this.#meter)) throw this.#unlimited(sql);
      return { access, sql, asIs: true, after };
    }
    const permit = this.#withShortTexts(this.#filtered(sql) ?? this.#judged(sql, access));
    this.#allowed.set(access, permit);
    return permit;
  }

  write(table: string): void {
    const info = this.#db.rows.info(table);
    if (this.#writable.has(info)) return;
    this.#own = undefined;
    if (isInternal(info.name)) throw never(this.#who, `write the internal table "${info.name}"`);
    if (!this.#mayWrite(info.name))
      throw missing(this.#id, `write the table "${info.name}"`, databaseLine('write', info.name));
    this.#writable.add(info);
  }

  read(table: string): void {
    this.#own = undefined;
    if (isInternal(table)) throw never(this.#who, `watch the internal table "${table}"`);
    if (!this.#mayRead(table)) throw missing(this.#id, `read the table "${table}"`, databaseLine('read', table));
  }

  dispatch(action: string): void {
    if (coversAction(this.#granted.actions.dispatch, action)) return;
    throw missing(
      this.#id,
      `dispatch the action "${action}"`,
      `"actions": { "dispatch": [${JSON.stringify(action)}] }`,
    );
  }

  listen(pattern: string): void {
    if (coversAction(this.#granted.actions.listen, pattern)) return;
    throw missing(
      this.#id,
      `listen to the action "${pattern}"`,
      `"actions": { "listen": [${JSON.stringify(pattern)}] }`,
    );
  }

  forget(): void {
    this.#allowed = new WeakMap();
    this.#small.clear();
    this.#writable = new WeakSet();
    this.#own = undefined;
  }

  /** A statement that reads internal tables it may read; undefined for all others. */
  #filtered(sql: string): Permit | undefined {
    const mentioned = this.#internals.mentioned(sql);
    if (!mentioned.some((name) => this.#internals.standing(name) === 'named')) return undefined;
    const filtered = this.#internals.filter(sql, mentioned);
    if (filtered === undefined) return undefined;
    const proof = this.#db.access.check(filtered.proof);
    // Something in it reaches an internal table past the filter.
    if (proof.schemaReads || [...proof.directReads].some(isInternal)) return undefined;
    const access = this.#db.access.check(filtered.sql);
    refuseAlways(access, sql, this.#who);
    this.#checkRun(sql, access);
    this.#checkReads(sql, proof, access);
    this.#checkReads(sql, access, access, isInternal);
    this.#checkWrites(sql, access);
    return this.#metered(sql, filtered.sql, access);
  }

  #judged(sql: string, access: Access): Permit {
    this.#checkRun(sql, access);
    if (access.schemaReads) throw this.#closed('sqlite_schema', sql);
    this.#checkReads(sql, access, access);
    this.#checkWrites(sql, access);
    return this.#metered(sql, sql, access);
  }

  /** @param text what the skill wrote, of which `sql` is made. */
  #metered(text: string, sql: string, access: Access): Permit {
    const metered = this.#meter.metered(text, sql, access);
    if (metered === undefined) {
      if (!this.#granted.database.recursive) throw this.#unlimited(text);
      return { access, sql, asIs: sql === text };
    }
    // Two loops stay bounded by the rows there are; a third makes minutes of seconds.
    return { access, sql: metered, asIs: metered === text || (sql === text && this.#meter.loops(sql) < 3) };
  }

  #withShortTexts(permit: Permit): Permit {
    const sql = withShortTexts(this.#db, permit.sql);
    return sql === permit.sql ? permit : { ...permit, sql, asIs: false };
  }

  #unlimited(sql: string): Error {
    return missing(this.#id, 'run a statement whose time cannot be limited', RECURSIVE, sql, BOUNDED);
  }

  /** Before anything compiles it. Views of the skill's own were measured when they were made. */
  #checkSize(sql: string): void {
    if (this.#small.has(sql) || this.#granted.database.recursive) return;
    if (expansion(sql, (name) => this.#viewText(name)) > MAX_EXPANSION) throw this.#unlimited(sql);
    if (this.#small.size >= MAX_SMALL) this.#small.clear();
    this.#small.add(sql);
  }

  #viewText(name: string): string | undefined {
    // GlyphCase's own are measured where they are used.
    if (isInternal(name)) return undefined;
    this.#views ??= this.#db
      .prepare("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ? COLLATE NOCASE")
      .pluck();
    return this.#views.get(name) as string | undefined;
  }

  #checkRun(sql: string, access: Access): void {
    const [opaque] = access.opaque;
    if (opaque !== undefined) throw never(this.#who, `run this statement. ${opaque}`, sql);
    if (access.recursive && !this.#granted.database.recursive)
      throw missing(this.#id, 'run recursive queries', RECURSIVE, sql);
  }

  /** @param skip tables whose rows are filtered, which was proven. */
  #checkReads(sql: string, reading: Access, writing: Access, skip: (table: string) => boolean = () => false): void {
    for (const table of reading.directReads) {
      if (skip(table) || this.#mayRead(table) || this.#foreignKeys.explain(sql, table, directWrites(writing))) continue;
      if (isInternal(table)) throw this.#closed(table, sql);
      throw missing(this.#id, `read the table "${table}"`, databaseLine('read', table), sql);
    }
  }

  #checkWrites(sql: string, access: Access): void {
    if (access.kind !== 'write') return;
    // A view with INSTEAD OF triggers is written by name too, though SQLite only shows what the triggers write.
    const target = writeTarget(sql);
    for (const table of [...directWrites(access), target ?? '(unknown)']) {
      if (this.#mayWrite(table)) continue;
      throw missing(this.#id, `write the table "${table}"`, databaseLine('write', table), sql);
    }
  }

  #mayRead(table: string): boolean {
    return this.#isGranted(table) || (!isInternal(table) && this.#owns(table));
  }

  /** Internal tables are never granted as such, only their filtered rows. */
  #isGranted(table: string): boolean {
    const { read, schema } = this.#granted.database;
    return !isInternal(table) && (coversTable(read, table) || coversTable(schema, table));
  }

  #mayWrite(table: string): boolean {
    const { write, schema } = this.#granted.database;
    return !isInternal(table) && (coversTable(write, table) || coversTable(schema, table) || this.#owns(table));
  }

  #owns(table: string): boolean {
    this.#own ??= this.#store.tablesOf(this.#id).map((name) => name.toLowerCase());
    return this.#own.includes(table.toLowerCase());
  }

  /** Why internal tables cannot be read. `opened` is what SQLite opens, which for a view is not what the statement names. */
  #closed(opened: string, sql: string): Error {
    const mentioned = this.#internals.mentioned(sql);
    const unnamed = mentioned.find((name) => this.#internals.standing(name) === 'unnamed');
    if (unnamed === 'sqlite_schema' || unnamed === 'sqlite_master')
      return missing(this.#id, 'read the schema', databaseLine('read', 'sqlite_schema'), sql);
    if (unnamed !== undefined)
      return missing(this.#id, `read the table "${unnamed}"`, databaseLine('read', unnamed), sql);
    const closed = mentioned.find((name) => this.#internals.standing(name) === 'closed');
    const named = mentioned.find((name) => this.#internals.standing(name) === 'named');
    return closed === undefined && named !== undefined
      ? never(this.#who, `read "${named}" in this way`, sql, BY_NAME)
      : never(
          this.#who,
          `read the internal table "${closed ?? opened}"`,
          sql,
          `Open to skills that name them are ${OPEN}.`,
        );
  }
}

/** CREATE TABLE … AS cannot have a meter. */
const isFilledFromLoops = (sql: string, access: Access, meter: Meter): boolean => {
  const reads = access.directReads.size + access.virtualTables.size > 0;
  return access.schemaChange?.object === 'table' && reads && meter.loops(sql) > 1;
};

const RECURSIVE = '"database": { "recursive": true }';
const BOUNDED =
  'Or: in a join, name tables without "main." and without INDEXED BY, and rowid not beside *; keep sums in a table of your own and join that; fill a table by INSERT … SELECT.';
const SIZED = `Write the size as a number of at most ${MAX_MADE}, the format as a text without *; or make the value in Lua.`;
const OPEN = READABLE_INTERNALS.join(', ');
const BY_NAME =
  'Name the internal table by itself, without "main." and not by way of a view, in glyphcase.query() or execute().';
