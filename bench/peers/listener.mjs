/**
 * The callback that every watched query gets, and the wait for the call that shows what was written.
 *
 * Invariant: time is taken as the callback begins, before the result is looked at.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {import('./adapters/types.d.ts').View} View */

/** How long a callback is waited for, in ms. */
const OVERDUE = 20_000;
/** Nothing heard for so many ms means that nothing more comes. */
const SILENCE = 25;

/** A callback that did not come. */
export class Overdue extends Error {}

export class Listener {
  calls = 0;
  #shows = (/** @type {View} */ _view) => false;
  #arrived = (/** @type {number} */ _time) => {};

  callback = (/** @type {View} */ view) => {
    const now = performance.now();
    this.calls += 1;
    if (!this.#shows(view)) return;
    this.#shows = () => false;
    this.#arrived(now);
  };

  /**
   * Writes, and waits for the first call whose result shows it. Milliseconds from before the write to that call, and to the
   * write's own end.
   *
   * @param {(view: View) => boolean} shows
   * @param {() => Promise<unknown>} write
   */
  async after(shows, write) {
    const seen = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Overdue(`no callback within ${OVERDUE / 1000} s`)), OVERDUE);
      this.#shows = shows;
      this.#arrived = (time) => {
        clearTimeout(timer);
        resolve(time);
      };
    });
    const started = performance.now();
    const [callback, written] = await Promise.all([seen, write().then(() => performance.now())]);
    return { callback: callback - started, written: written - started };
  }

  /** Resolves when nothing was heard for a moment. */
  async silence() {
    for (let before = -1; before !== this.calls;) {
      before = this.calls;
      await sleep(SILENCE);
    }
  }
}
