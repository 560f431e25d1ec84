/**
 * What one skill has under way: requests that are being sent, and answers that are being handled, one after the other.
 *
 * Invariants: only the live state of the skill, in the host that holds the lease, sends and handles; a request is never sent twice at
 * a time by this host; a reload lets what is under way finish; when no state is left, it is given up and stays in the outbox.
 */
import type { LuaFunction, LuaService } from '../../sdk/lua-types.ts';
import { GlyphError, isOutside, messageOf } from '../../sdk/plugin.ts';
import type { Clock, Database, Logger } from '../../sdk/plugin.ts';
import type { SkillHandle } from '../../sdk/skills-types.ts';
import type { Client } from './client.ts';
import { deliver } from './delivery.ts';
import type { OutboxStore, Sender } from './store.ts';
import type { HttpAnswer } from './types.ts';

/** Requests of one skill under way at a time. */
const MAX_SENDING = 4;
/** Answers that may wait to be handled before no more are asked for. */
const MAX_ANSWERED = 16;
/** Attempts to handle an answer, with pauses of 1, 2, 4 and 8 s between them. */
const MAX_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 1000;
/** For a state that was killed, or reloaded, to be replaced. */
const GRACE_MS = 1000;

/** A Lua state that may ask. */
export interface State {
  readonly skill: SkillHandle;
  readonly client: Client;
  readonly callbacks: Map<string, LuaFunction>;
}

/** What all lines share. */
export interface Shared {
  readonly db: Database;
  readonly store: OutboxStore;
  readonly lua: LuaService;
  readonly clock: Clock;
  readonly log: Logger;
  /** Takes one of the host's places for requests; false when there is none. */
  takePlace(): boolean;
  givePlaceBack(): void;
}

interface Sending {
  readonly client: Client;
  readonly abort: AbortController;
  /** Has come, and is not stored yet. */
  answer: HttpAnswer | undefined;
  storing: boolean;
}

export class Line {
  readonly #sender: Sender;
  readonly #shared: Shared;
  #state: State | undefined;
  readonly #sending = new Map<string, Sending>();
  #delivering = false;

  constructor(sender: Sender, shared: Shared) {
    this.#sender = sender;
    this.#shared = shared;
  }

  attach(state: State): void {
    this.#state = state;
  }

  /** The state is gone. When another takes its place, what is under way goes on. */
  detach(state: State): void {
    if (this.#state === state) this.#state = undefined;
    this.#releaseIfUnused(state.client);
    this.#shared.clock.timeout(() => {
      if (this.#state === undefined) for (const { abort } of this.#sending.values()) abort.abort();
    }, GRACE_MS);
  }

  /** Gives up what is being sent, and ends its connections. */
  async close(): Promise<void> {
    const clients = new Set([...this.#sending.values()].map(({ client }) => client));
    if (this.#state !== undefined) clients.add(this.#state.client);
    this.#state = undefined;
    for (const { abort } of this.#sending.values()) abort.abort();
    await Promise.all([...clients].map((client) => client.close()));
  }

  /** Does what is due. Outside any transaction. */
  pump(): void {
    const state = this.#state;
    if (state === undefined || !state.skill.mayRun()) return;
    for (const [id, sending] of this.#sending) {
      if (sending.answer !== undefined) void this.#keep(id, sending).then(() => this.#deliverAll(state));
    }
    void this.#deliverAll(state);
    this.#sendMore(state);
  }

  #sendMore(state: State): void {
    const { store, clock } = this.#shared;
    if (this.#sending.size >= MAX_SENDING || store.answered(this.#sender) >= MAX_ANSWERED) return;
    for (const id of store.unsent(this.#sender, clock.now(), MAX_SENDING + this.#sending.size)) {
      if (this.#sending.size >= MAX_SENDING) return;
      if (this.#sending.has(id)) continue;
      if (!this.#shared.takePlace()) return;
      void this.#send(id, state);
    }
  }

  async #send(id: string, { client }: State): Promise<void> {
    const sending: Sending = { client, abort: new AbortController(), answer: undefined, storing: false };
    const { signal } = sending.abort;
    this.#sending.set(id, sending);
    try {
      const request = this.#shared.store.request(id);
      if (request === undefined) return;
      const headers = { 'idempotency-key': id, ...request.headers };
      sending.answer = await client.send({ ...request, headers }, signal);
    } catch (error) {
      if (!signal.aborted) this.#shared.log.warn(`A request was not sent: ${messageOf(error)}`, { error });
    } finally {
      if (sending.answer === undefined) this.#sending.delete(id);
      else await this.#keep(id, sending);
      this.#releaseIfUnused(client);
      this.#shared.givePlaceBack();
    }
  }

  /** Stores an answer that has come. What cannot be stored now is tried again by and by. */
  async #keep(id: string, sending: Sending): Promise<void> {
    const { answer } = sending;
    if (answer === undefined || sending.storing) return;
    const { db, store, log } = this.#shared;
    sending.storing = true;
    try {
      await db.exclusive(() => store.answer(id, answer));
      this.#sending.delete(id);
    } catch (error) {
      log.debug(`An answer could not be stored yet: ${messageOf(error)}`, { error });
    } finally {
      sending.storing = false;
    }
  }

  /** Connections of a state that is gone end with the last request that uses them. */
  #releaseIfUnused(client: Client): void {
    const isUsed = [...this.#sending.values()].some((sending) => sending.client === client);
    if (client !== this.#state?.client && !isUsed) void client.close();
  }

  async #deliverAll(state: State): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    const { store, clock } = this.#shared;
    try {
      while (this.#state === state) {
        const id = store.nextAnswered(this.#sender, clock.now());
        if (id === undefined || !(await this.#deliver(id, state))) break;
      }
      if (this.#state === state && state.skill.mayRun()) this.#sendMore(state);
    } catch (error) {
      this.#shared.log.debug(`Answers could not be handled yet: ${messageOf(error)}`, { error });
    } finally {
      this.#delivering = false;
    }
  }

  /** False when there is no point in going on with others. */
  async #deliver(id: string, state: State): Promise<boolean> {
    try {
      const { store, lua } = this.#shared;
      return await deliver(id, { ...state, store, lua });
    } catch (error) {
      await this.#failed(id, error, state);
      return true;
    }
  }

  /** @throws GC_LOCKED and others, when it cannot be written down */
  async #failed(id: string, error: unknown, { skill, callbacks }: State): Promise<void> {
    const { db, store, clock } = this.#shared;
    const code = error instanceof GlyphError ? error.code : '';
    if (code === 'GC_CLOSED' || code === 'GC_SCOPE_CLOSED') throw error;
    const pause = await db.exclusive(() => {
      // Circumstances are not the skill's fault: such an attempt does not count.
      const attempts = isOutside(error) ? 1 : store.failed(id, messageOf(error));
      if (attempts >= MAX_ATTEMPTS) {
        store.remove(id);
        callbacks.delete(id);
        return undefined;
      }
      const ms = FIRST_PAUSE_MS * 2 ** (attempts - 1);
      store.postpone(id, clock.now() + ms);
      return ms;
    });
    const next = pause === undefined ? `given up after ${MAX_ATTEMPTS} attempts` : `tried again in ${pause / 1000} s`;
    skill.log('error', `The answer to an http.request could not be handled (${next}): ${messageOf(error)}`, error);
  }
}
