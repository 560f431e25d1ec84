/**
 * Which schema changes a skill may make, and whose the tables are that come of it.
 *
 * Invariants: a table becomes a skill's own only by being created by it; what exists is never claimed. Triggers act in
 * the name of whoever writes, so only a skill that may change the whole schema may make them. A skill's own table cannot
 * be used to look into others by foreign keys.
 */
import { nameOf, tokenize } from '../../sdk/plugin.ts';
import type { Access, Database, GlyphError } from '../../sdk/plugin.ts';
import { notesOf } from './notes.ts';
import { coversTable, isInternal } from './permissions.ts';
import type { GrantedPermissions } from './permissions.ts';
import { databaseLine, missing, never } from './refusals.ts';
import type { SkillStore } from './store.ts';

type Change = NonNullable<Access['schemaChange']>;

/** Virtual tables that keep their content in the database and reach nothing else. */
const MODULES = new Set(['fts3', 'fts4', 'fts5', 'rtree']);

export interface SchemaGuardOptions {
  readonly id: string;
  readonly db: Database;
  readonly store: SkillStore;
  readonly granted: GrantedPermissions;
  readonly owns: (table: string) => boolean;
  /** Own tables have changed. */
  readonly forget: () => void;
}

export class SchemaGuard {
  readonly #options: SchemaGuardOptions;

  constructor(options: SchemaGuardOptions) {
    this.#options = options;
  }

  /** Returns what is to be done after the statement has run. @throws GC_PERMISSION */
  check(sql: string, access: Access): () => void {
    const change = access.schemaChange;
    if (change === undefined) throw this.#refusal('make this schema change', '*');
    if (change.temp) throw this.#never('make temporary tables');
    if (change.schema !== undefined && change.schema.toLowerCase() !== 'main')
      throw this.#never(`use the schema "${change.schema}"`);
    for (const name of [change.name, change.newName ?? '']) {
      if (isInternal(name)) throw this.#never(`make or change "${name}", which is an internal name`);
    }
    if (this.#doesNothing(change)) return () => undefined;
    const [opaque] = access.opaque;
    if (opaque !== undefined && !this.#mayAll) throw this.#never(`run this statement (${opaque})`);
    if (change.verb === 'reindex') {
      this.#need(change.name === '' ? '*' : change.name, 'rebuild indexes');
      return () => undefined;
    }
    return this.#checkObject(change, sql);
  }

  #checkObject(change: Change, sql: string): () => void {
    const { verb, object, name } = change;
    switch (object) {
      case 'table':
        return this.#checkTable(change);
      case 'virtual table': {
        if (!MODULES.has(change.module ?? ''))
          throw this.#never(`make a virtual table of the module "${change.module ?? ''}"`);
        this.#need(name, `create the virtual table "${name}"`);
        this.#checkContent(sql);
        return () => this.#created(name);
      }
      case 'index':
      case 'unique index': {
        const table = change.on ?? this.#tableOfIndex(name);
        this.#needTable(table, `${verb} indexes on the table "${table}"`);
        return () => undefined;
      }
      case 'view':
        this.#need(name, `${verb} the view "${name}"`);
        return () => undefined;
      default:
        // Triggers act for whoever writes; ALTER and DROP of what cannot be told.
        if (!this.#mayAll) throw this.#refusal(`${verb} the ${object ?? 'object'} "${name}"`, '*');
        if (verb === 'create' && tokenize(sql).some((token) => isInternal(nameOf(token) ?? '')))
          throw this.#never('make a trigger that names an internal table');
        return () => undefined;
    }
  }

  #checkTable({ verb, name, newName }: Change): () => void {
    // DROP TABLE takes virtual tables too, and does not say so.
    if (verb === 'create') return () => this.#created(name);
    this.#needTable(name, `${verb} the table "${name}"`);
    const own = this.#options.owns(name);
    return () => {
      const { store, id } = this.#options;
      if (own && (verb === 'drop' || newName !== undefined)) store.disownTable(name);
      if (own && newName !== undefined) store.ownTable(id, newName);
      this.#ownershipChanged();
      if (verb === 'alter') this.#checkForeignKeys(newName ?? name);
    };
  }

  #created(table: string): void {
    this.#options.store.ownTable(this.#options.id, table);
    this.#ownershipChanged();
    this.#checkForeignKeys(table);
  }

  #ownershipChanged(): void {
    const { db, forget } = this.#options;
    forget();
    if (db.current !== undefined) notesOf(db.current).add({ rolledBack: forget });
  }

  /** A foreign key answers whether a value exists in its parent. Runs after the change, which is undone if it throws. */
  #checkForeignKeys(table: string): void {
    const { db, granted, owns } = this.#options;
    const parents = db
      .prepare('SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)')
      .pluck()
      .all(table) as string[];
    for (const parent of parents) {
      if (!owns(parent) && !coversTable(granted.database.read, parent)) {
        throw this.#refusal(`let "${table}" refer to the table "${parent}", which it may not read`, parent, 'read');
      }
    }
  }

  /** External content reads another table whenever the full-text table is read. */
  #checkContent(sql: string): void {
    const words = tokenize(sql).map((token) => token.text.toLowerCase());
    const at = words.indexOf('content');
    if (at < 0 || words[at + 1] !== '=') return;
    const table = words[at + 2]?.replace(/^["'`[]|["'`\]]$/g, '') ?? '';
    const { owns, granted } = this.#options;
    if (table === '' || owns(table) || coversTable(granted.database.read, table)) return;
    throw this.#refusal(`make a full-text table of the content of "${table}"`, table, 'read');
  }

  #doesNothing({ verb, object, name }: Change): boolean {
    if (verb !== 'create' && verb !== 'drop') return false;
    const kinds =
      object === 'index' || object === 'unique index'
        ? ['index']
        : object === 'trigger'
          ? ['trigger']
          : ['table', 'view'];
    const exists = this.#options.db
      .prepare('SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND type IN (?, ?)')
      .get(name, kinds[0], kinds[1] ?? kinds[0]);
    // Without IF (NOT) EXISTS it fails, which is SQLite's to say.
    return (exists !== undefined) === (verb === 'create');
  }

  get #mayAll(): boolean {
    return this.#options.granted.database.schema.includes('*');
  }

  #need(name: string, what: string): void {
    if (!coversTable(this.#options.granted.database.schema, name)) throw this.#refusal(what, name);
  }

  #needTable(table: string, what: string): void {
    if (isInternal(table)) throw this.#never(`${what}, which is internal`);
    if (!this.#options.owns(table)) this.#need(table, what);
  }

  #tableOfIndex(index: string): string {
    const sql = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ? COLLATE NOCASE";
    return (this.#options.db.prepare(sql).pluck().get(index) as string | undefined) ?? index;
  }

  #refusal(what: string, name: string, list: 'schema' | 'read' = 'schema'): GlyphError {
    return missing(this.#options.id, what, databaseLine(list, name));
  }

  #never(what: string): GlyphError {
    const { id } = this.#options;
    return never({ name: `The skill ${id}`, skill: id }, what);
  }
}
