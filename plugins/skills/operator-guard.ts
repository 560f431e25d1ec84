/**
 * What the operator's own Lua state may do: everything with tables, and maintenance; not what would break the transaction
 * it runs in, reach outside the file, or write GlyphCase's own tables.
 *
 * Invariant: VACUUM, which SQLite refuses inside a transaction, is only noted here; whoever runs the script runs it once
 * the script has committed.
 */
import { GlyphError, tokenize } from '../../sdk/plugin.ts';
import type { Access, Database } from '../../sdk/plugin.ts';
import type { Guard, Permit } from './guard.ts';
import { notesOf } from './notes.ts';
import { isInternal } from './permissions.ts';
import { never, refuseAlways, shorten } from './refusals.ts';

const WHO = { name: 'A script of the host', isOperator: true };

/** What is to be done when the script has committed. */
export interface Afterwards {
  vacuum: boolean;
}

export class OperatorGuard implements Guard {
  readonly #db: Database;
  #afterwards: Afterwards | undefined;
  /** Answers, kept for as long as the access check keeps its own. */
  readonly #allowed = new WeakMap<Access, Permit>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** Runs `fn`, whose VACUUM is noted in `afterwards`. */
  noting<T>(afterwards: Afterwards, fn: () => T): T {
    this.#afterwards = afterwards;
    try {
      return fn();
    } finally {
      this.#afterwards = undefined;
    }
  }

  statement(sql: string): Permit {
    const access = this.#db.access.check(sql);
    const known = this.#allowed.get(access);
    if (known !== undefined) return known;
    if (access.kind === 'vacuum') return { access, sql, asIs: true, after: () => this.#vacuum(sql) };
    refuseAlways(access, sql, WHO);
    const permit = { access, sql, asIs: true };
    this.#allowed.set(access, permit);
    return permit;
  }

  write(table: string): void {
    const { name } = this.#db.rows.info(table);
    if (isInternal(name))
      throw new GlyphError('GC_INTERNAL_TABLE', `The table "${name}" belongs to GlyphCase and cannot be written`);
  }

  read(): void {}
  dispatch(): void {}
  listen(): void {}
  forget(): void {}

  #vacuum(sql: string): void {
    const [, target, ...more] = tokenize(sql).map((token) => token.text.toLowerCase());
    if ((target !== undefined && target !== 'main') || more.length > 0)
      throw never(
        WHO,
        'VACUUM into a file',
        sql,
        'Use plain VACUUM here; make copies with the sqlite3 program or backup().',
      );
    const afterwards = this.#afterwards;
    if (afterwards === undefined) {
      throw new GlyphError(
        'GC_TRANSACTION',
        `VACUUM cannot run here, because a transaction is open around it: ${shorten(sql)}`,
        {
          hint: 'Call executeLuaScript() outside of transaction(), and VACUUM in the script itself, not in a watch.',
        },
      );
    }
    const before = afterwards.vacuum;
    afterwards.vacuum = true;
    if (this.#db.current !== undefined)
      notesOf(this.#db.current).add({ rolledBack: () => (afterwards.vacuum = before) });
  }
}
