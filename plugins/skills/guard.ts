/**
 * Says what Lua code may do to the database, the actions and the host's functions; refuses the rest.
 *
 * Invariants: a statement runs only after its access was proven; nothing opaque runs. Reads and writes that the schema
 * itself makes (triggers, foreign keys) are the schema owner's, not the skill's.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Access, Database } from '../../sdk/plugin.ts';
import { ForeignKeys } from './foreign-keys.ts';
import { coversAction, coversTable, isInternal } from './permissions.ts';
import type { GrantedPermissions } from './permissions.ts';
import { SchemaGuard } from './schema-guard.ts';
import type { SkillStore } from './store.ts';

/** A statement that may run, and what must be done once it has. */
export interface Permit {
  readonly access: Access;
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
  /** What was known of own tables may be void: a transaction was rolled back. */
  forget(): void;
}

const REFUSED: Readonly<Partial<Record<Access['kind'], string>>> = {
  transaction: 'begin or end transactions; use glyphcase.transaction(fn)',
  pragma: 'run a PRAGMA',
  attach: 'attach or detach databases',
  vacuum: 'run VACUUM',
  analyze: 'run ANALYZE',
};

/** The tables that a statement writes by itself. One opened for writing and never written counts, for safety. */
function directWrites(access: Access): string[] {
  return [...access.writes]
    .filter(([, write]) => write.direct.size > 0 || write.nested.size === 0)
    .map(([table]) => table);
}

/** What no Lua code may do, the host's own included. `who` begins the sentence: `The skill x`. */
function refuseAlways(access: Access, sql: string, who: string): void {
  const refused = REFUSED[access.kind];
  if (refused !== undefined)
    throw new GlyphError('GC_PERMISSION', `${who} may not ${refused}: ${shorten(sql)}`, { hint: NEVER });
  const { name = '', newName = '', temp = false } = access.schemaChange ?? {};
  if (isInternal(name) || isInternal(newName)) {
    throw new GlyphError('GC_PERMISSION', `${who} may not make or change "${name}", which is an internal name`, {
      hint: NEVER,
    });
  }
  const { reads, writes } = access.temp;
  if (temp || reads.size > 0 || writes.size > 0) {
    throw new GlyphError('GC_PERMISSION', `${who} may not use temporary tables: ${shorten(sql)}`, { hint: NEVER });
  }
  for (const [table, write] of access.writes) {
    // The triggers of watched tables fill the log; nobody else writes it.
    const isLog =
      table === '_capsule_log' && write.direct.size === 0 && [...write.nested].every((one) => one === 'insert');
    if (isInternal(table) && !isLog) {
      throw new GlyphError('GC_PERMISSION', `${who} may not write the internal table "${table}": ${shorten(sql)}`, {
        hint: NEVER,
      });
    }
  }
}

const NEVER = 'No permission allows this to Lua code; do it in the host, or in another way.';

/** For skills. */
export class SkillGuard implements Guard {
  readonly #id: string;
  readonly #db: Database;
  readonly #store: SkillStore;
  readonly #granted: GrantedPermissions;
  readonly #schema: SchemaGuard;
  readonly #foreignKeys: ForeignKeys;
  /** Statements found to be allowed; a schema change makes new Access objects. */
  #allowed = new WeakSet<Access>();
  #own: readonly string[] | undefined;
  #writable = new WeakSet<object>();

  constructor(id: string, db: Database, store: SkillStore, granted: GrantedPermissions) {
    this.#id = id;
    this.#db = db;
    this.#store = store;
    this.#granted = granted;
    this.#foreignKeys = new ForeignKeys(db);
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
    const access = this.#db.access.check(sql);
    if (this.#allowed.has(access)) return { access };
    this.#own = undefined;
    const who = `The skill ${this.#id}`;
    refuseAlways(access, sql, who);
    if (access.kind === 'schema') {
      const after = this.#schema.check(sql, access);
      this.#checkReads(sql, access);
      return { access, after };
    }
    const [opaque] = access.opaque;
    if (opaque !== undefined) {
      throw new GlyphError('GC_PERMISSION', `${who} may not run this statement. ${opaque} ${shorten(sql)}`, {
        hint: NEVER,
        skill: this.#id,
      });
    }
    if (access.recursive && !this.#granted.database.recursive) {
      throw this.#refusal('run recursive queries', '"database": { "recursive": true }', sql);
    }
    if (access.schemaReads && !this.#granted.database.read.includes('sqlite_schema')) {
      throw this.#refusal('read the schema', '"database": { "read": ["sqlite_schema"] }', sql);
    }
    this.#checkReads(sql, access);
    for (const table of directWrites(access)) {
      if (!this.#mayWrite(table)) throw this.#refusal(`write the table "${table}"`, line('write', table), sql);
    }
    this.#allowed.add(access);
    return { access };
  }

  write(table: string): void {
    const info = this.#db.rows.info(table);
    if (this.#writable.has(info)) return;
    this.#own = undefined;
    if (isInternal(info.name) || !this.#mayWrite(info.name)) {
      throw this.#refusal(`write the table "${info.name}"`, line('write', info.name));
    }
    this.#writable.add(info);
  }

  read(table: string): void {
    this.#own = undefined;
    if (!this.#mayRead(table)) throw this.#refusal(`read the table "${table}"`, line('read', table));
  }

  dispatch(action: string): void {
    if (coversAction(this.#granted.actions.dispatch, action)) return;
    throw this.#refusal(`dispatch the action "${action}"`, `"actions": { "dispatch": ["${action}"] }`);
  }

  forget(): void {
    this.#allowed = new WeakSet();
    this.#writable = new WeakSet();
    this.#own = undefined;
  }

  #checkReads(sql: string, access: Access): void {
    for (const table of access.directReads) {
      if (this.#mayRead(table) || this.#foreignKeys.explain(sql, table, directWrites(access))) continue;
      throw this.#refusal(`read the table "${table}"`, line('read', table), sql);
    }
  }

  #mayRead(table: string): boolean {
    const { read, schema } = this.#granted.database;
    if (isInternal(table)) {
      return /^_capsule_/i.test(table) ? read.some((name) => /^_capsule_/i.test(name)) : coversTable(read, table);
    }
    return coversTable(read, table) || coversTable(schema, table) || this.#owns(table);
  }

  #mayWrite(table: string): boolean {
    const { write, schema } = this.#granted.database;
    return coversTable(write, table) || coversTable(schema, table) || this.#owns(table);
  }

  #owns(table: string): boolean {
    this.#own ??= this.#store.tablesOf(this.#id).map((name) => name.toLowerCase());
    return this.#own.includes(table.toLowerCase());
  }

  #refusal(what: string, wanted: string, sql?: string): GlyphError {
    const text = `The skill ${this.#id} may not ${what}${sql === undefined ? '' : `: ${shorten(sql)}`}`;
    return new GlyphError('GC_PERMISSION', `${text}. Its manifest.json would need "permissions": { ${wanted} }`, {
      skill: this.#id,
    });
  }
}

/** For the host's own Lua state: the operator's code, kept from what would break the transaction it runs in. */
export class HostGuard implements Guard {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  statement(sql: string): Permit {
    const access = this.#db.access.check(sql);
    refuseAlways(access, sql, 'A script of the host');
    return { access };
  }

  write(table: string): void {
    const { name } = this.#db.rows.info(table);
    if (isInternal(name))
      throw new GlyphError('GC_INTERNAL_TABLE', `The table "${name}" belongs to GlyphCase and cannot be written`);
  }

  read(): void {}
  dispatch(): void {}
  forget(): void {}
}

const line = (list: 'read' | 'write', table: string): string => `"database": { "${list}": ["${table}"] }`;

export const shorten = (sql: string): string => {
  const text = sql.trim().replace(/\s+/g, ' ');
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
};
