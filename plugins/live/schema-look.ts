/**
 * Notices when the schema that queries are planned for is another.
 *
 * Invariant: triggers do not count (a result does not depend on them, and ours come and go), everything else does.
 */
import type { Database } from '../../sdk/plugin.ts';

export class SchemaLook {
  readonly #version: ReturnType<Database['prepare']>;
  readonly #content: ReturnType<Database['prepare']>;
  #seen = -1;
  #seenContent: string | undefined;

  constructor(db: Database) {
    this.#version = db.prepareRead('PRAGMA main.schema_version').pluck();
    this.#content = db
      .prepareRead("SELECT type, name, tbl_name, rootpage, sql FROM main.sqlite_schema WHERE type <> 'trigger'")
      .raw();
  }

  /** Another one when the schema is another, and after a VACUUM. As of the last look. */
  get version(): number {
    return this.#seen;
  }

  /** True when it moved since the last call, as the reader sees it. Costs about a microsecond when it did not. */
  moved(): boolean {
    const version = this.#version.get() as number;
    if (version === this.#seen) return false;
    this.#seen = version;
    const content = JSON.stringify(this.#content.all());
    if (content === this.#seenContent) return false;
    const isFirst = this.#seenContent === undefined;
    this.#seenContent = content;
    return !isFirst;
  }
}
