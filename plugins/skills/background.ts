/**
 * What one skill does by itself (watches, actions, jobs, answers), one after the other, in whichever of its Lua states.
 *
 * Invariants: of each skill at most one piece of work waits for the writer, so that whoever else wants to write waits for one
 * of them and not for a hundred; the event loop turns between long ones. What is a part of somebody's open transaction never
 * waits: that transaction may be waiting for it.
 */
import type { Database } from '../../sdk/plugin.ts';
import { Breath } from './breath.ts';

export class Background {
  readonly #db: Database;
  readonly #breath = new Breath();
  #last: Promise<void> | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Does it now, or when what came before is done. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#db.current !== undefined) return work();
    const before = this.#last;
    if (before === undefined) this.#breath.begin();
    const result = before === undefined ? start(work) : before.then(() => this.#breath.take()).then(work);
    const over = result.then(nothing, nothing);
    this.#last = over;
    void over.then(() => {
      if (this.#last === over) this.#last = undefined;
    });
    return result;
  }
}

const start = async <T>(work: () => Promise<T>): Promise<T> => await work();
const nothing = (): void => undefined;
