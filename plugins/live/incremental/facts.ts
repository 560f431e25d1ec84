/** What plans need to know of a database, kept for as long as it holds: until the schema or the set of functions is another. */
import type { CapsuleService } from '../../../sdk/capsule-types.ts';
import type { Database } from '../../../sdk/plugin.ts';
import { Catalog } from './catalog.ts';
import { functionsOfDatabase } from './functions.ts';
import type { Schema } from './reading.ts';

export class Facts {
  readonly #db: Database;
  readonly #capsule: CapsuleService;
  readonly #version: ReturnType<Database['prepare']>;
  readonly #functionCount: ReturnType<Database['prepare']>;
  #known: { readonly version: string; readonly schema: Schema } | undefined;

  constructor(db: Database, capsule: CapsuleService) {
    this.#db = db;
    this.#capsule = capsule;
    this.#version = db.prepareRead('PRAGMA main.schema_version').pluck();
    this.#functionCount = db.prepareRead('SELECT count(*) FROM pragma_function_list').pluck();
  }

  get schema(): Schema {
    const version = `${String(this.#version.get())} ${String(this.#functionCount.get())}`;
    if (this.#known?.version !== version) {
      const schema = { catalog: new Catalog(this.#db, this.#capsule), functions: functionsOfDatabase(this.#db) };
      this.#known = { version, schema };
    }
    return this.#known.schema;
  }
}
