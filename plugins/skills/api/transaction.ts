/**
 * The savepoints under `glyphcase.transaction(fn)`, whose Lua part is in bootstrap.ts.
 *
 * Invariant: a part that fails leaves nothing: no rows, no actions to dispatch, no watchers. A savepoint that a killed or
 * abandoned script left open ends with the transaction around it.
 */
import { GlyphError } from '../../../sdk/plugin.ts';
import { notesFor } from './context.ts';
import type { ApiPart } from './context.ts';
import type { Transaction } from '../../../sdk/plugin.ts';

interface Open {
  readonly transaction: Transaction;
  readonly name: string;
  readonly mark: number;
}

/** No two are called the same: a coroutine that is resumed too late must not end a savepoint of somebody else. */
let serial = 0;

export const transactionPart: ApiPart = (api) => {
  const { db } = api.runtime.ctx;
  let open: Open[] = [];
  const take = (): Open => {
    const last = open.pop();
    if (last === undefined || last.transaction !== db.current) {
      throw new GlyphError('GC_TRANSACTION', 'glyphcase.transaction: the transaction around it has ended', {
        skill: api.id,
      });
    }
    return last;
  };
  return {
    '__glyphcase.begin': () => {
      const notes = notesFor(api);
      const transaction = db.current as Transaction;
      open = open.filter((one) => one.transaction === transaction);
      serial += 1;
      const name = `gc_lua_${serial}`;
      db.exec(`SAVEPOINT ${name}`);
      open.push({ transaction, name, mark: notes.mark() });
    },
    '__glyphcase.commit': () => {
      const { name } = take();
      db.exec(`RELEASE ${name}`);
    },
    '__glyphcase.rollback': () => {
      const { name, mark } = take();
      db.exec(`ROLLBACK TO ${name}; RELEASE ${name}`);
      api.guard.forget();
      notesFor(api).rollBackTo(mark);
    },
  };
};
