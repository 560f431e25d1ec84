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
  readonly mark: number;
}

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
      db.exec('SAVEPOINT gc_lua');
      open.push({ transaction, mark: notes.mark() });
    },
    '__glyphcase.commit': () => {
      take();
      db.exec('RELEASE gc_lua');
    },
    '__glyphcase.rollback': () => {
      const { mark } = take();
      db.exec('ROLLBACK TO gc_lua; RELEASE gc_lua');
      api.guard.forget();
      notesFor(api).rollBackTo(mark);
    },
  };
};
