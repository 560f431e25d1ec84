/**
 * Tells reads that SQLite makes to check foreign keys from reads that a statement asks for.
 *
 * Invariant: a read is put down to a foreign key only if the statement's text names neither that table nor anything
 * (a view, a virtual table) that could stand for it; in doubt it is the statement's own.
 */
import { tokenize } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';

export class ForeignKeys {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** True when `read` is only opened because of foreign keys of the tables the statement writes. */
  explain(sql: string, read: string, written: readonly string[]): boolean {
    if (written.length === 0) return false;
    const words = tokenize(sql).map((token) => fold(token.text));
    if (words.some((word) => this.#standsForOthers(word))) return false;
    const mentions = words.filter((word) => word === fold(read)).length;
    const isTarget = written.some((table) => fold(table) === fold(read));
    // Deleting parents makes SQLite look at the rows it deletes; RETURNING, or a second mention, would be looking on purpose.
    if (isTarget) return mentions === 1 && !words.includes('returning');
    return mentions === 0 && written.some((table) => this.#areRelated(table, read));
  }

  #areRelated(one: string, other: string): boolean {
    return this.#refersTo(one, other) || this.#refersTo(other, one);
  }

  #refersTo(child: string, parent: string): boolean {
    const parents = this.#db.prepare('SELECT "table" FROM pragma_foreign_key_list(?)').pluck().all(child) as string[];
    return parents.some((table) => fold(table) === fold(parent));
  }

  #standsForOthers(word: string): boolean {
    return (
      this.#db
        .prepare(
          `SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND (type = 'view' OR (type = 'table' AND sql LIKE 'CREATE VIRTUAL%'))`,
        )
        .get(word) !== undefined
    );
  }
}

/** SQLite takes names in any quotes, even a string's. */
const fold = (text: string): string => text.replace(/^["'`[]|["'`\]]$/g, '').toLowerCase();
