/**
 * The requests of all skills of a host: whose turn it is, and how many may be under way.
 *
 * Invariant: what is due is found in the file, not remembered, so that requests of other hosts, of earlier runs and of skills that
 * were reloaded are all the same; looking costs one small query when there is nothing.
 */
import type { Lasting } from '../../sdk/lasting.ts';
import { messageOf } from '../../sdk/plugin.ts';
import type { LuaService } from '../../sdk/lua-types.ts';
import { Line } from './line.ts';
import type { Shared, State } from './line.ts';
import type { OutboxStore, Sender } from './store.ts';

/** Requests of one host under way at a time. */
const MAX_SENDING = 16;

export class Outbox {
  readonly #ctx: Lasting;
  readonly #store: OutboxStore;
  readonly #shared: Shared;
  readonly #lines = new Map<string, Line>();
  #places = MAX_SENDING;
  /** So that a busy skill does not keep the others from their turn. */
  #turn = 0;
  #failing = false;
  #closed = false;

  constructor(ctx: Lasting, store: OutboxStore, lua: LuaService) {
    const { db, clock, log } = ctx;
    this.#ctx = ctx;
    this.#store = store;
    this.#shared = {
      db,
      store,
      lua,
      clock,
      log,
      takePlace: () => {
        if (this.#places === 0) return false;
        this.#places -= 1;
        return true;
      },
      givePlaceBack: () => {
        this.#places += 1;
        this.pump();
      },
    };
  }

  /** A state takes part from now on. */
  attach(sender: Sender, state: State): void {
    let line = this.#lines.get(sender.skill);
    if (line === undefined) this.#lines.set(sender.skill, (line = new Line(sender, this.#shared)));
    line.attach(state);
    this.pump();
  }

  /** A state is gone, whether it took part or not. */
  detach({ skill }: Sender, state: State): void {
    const line = this.#lines.get(skill);
    if (line === undefined) void state.client.close();
    else line.detach(state);
  }

  /** Does what is due, soon. */
  pump(): void {
    if (this.#closed) return;
    // Whoever asks may be in a transaction; what is done here never is.
    this.#ctx.db.outside(() => {
      const wait = this.#ctx.db.whenReadable();
      if (wait === undefined) this.#pump();
      else void wait.then(() => this.pump());
    });
  }

  #pump(): void {
    const { db, log } = this.#ctx;
    if (!db.sqlite.open) return;
    try {
      this.#pumpDue();
      this.#failing = false;
    } catch (error) {
      // Whoever asked must not hear of it; it is looked at again soon.
      if (!this.#failing) log.error(`The outbox of http.request cannot be read: ${messageOf(error)}`, { error });
      this.#failing = true;
    }
  }

  #pumpDue(): void {
    const due = this.#store.due(this.#ctx.clock.now());
    const first = due.length === 0 ? 0 : this.#turn % due.length;
    this.#turn += 1;
    for (const skill of [...due.slice(first), ...due.slice(0, first)]) this.#lines.get(skill)?.pump();
  }

  /** Gives up what is under way; it stays in the file. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#lines.values()].map((line) => line.close()));
    this.#lines.clear();
  }
}
