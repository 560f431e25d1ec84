/**
 * The event bus: named channels with synchronous listeners.
 *
 * Invariants:
 * - Listener lists are copied on write, so a dispatch under way is not disturbed; a listener that was removed is never
 *   called again, even by that dispatch, and one that was added waits for the next.
 * - A listener that throws, or whose promise rejects, is reported; the others still run.
 * - The number of listeners of each owner is known, so that a leak can be proved absent.
 */
import { GlyphError } from './errors.ts';
import type { EventName, EventPayload } from './plugins/catalogue.ts';
import type { Bus, Disposer } from './plugins/types.ts';
import { isThenable } from './time-limit.ts';

/** Which listener failed. `owner` is a plugin instance such as `metrics#1`, or empty for the kernel and the host. */
export interface ListenerPlace {
  readonly channel: string;
  readonly owner: string;
}

export interface BusOptions {
  /** Told of every error of a listener. It must not throw: a dispatch would end there. */
  onError(error: unknown, place: ListenerPlace): void;
}

/** The bus as the kernel has it: listeners have owners. */
export interface KernelBus extends Bus {
  on<Name extends EventName, Payload = unknown>(
    channel: Name,
    listener: (payload: EventPayload<Name, Payload>) => unknown,
    owner?: string,
  ): Disposer;
  /** Listeners of one owner, over all channels. */
  countOf(owner: string): number;
  /** Owner → number of listeners, for all that have any. */
  owners(): Readonly<Record<string, number>>;
}

interface Entry {
  readonly listener: (payload: unknown) => unknown;
  readonly owner: string;
  live: boolean;
}

/** An empty bus. */
export function createBus(options: BusOptions): KernelBus {
  const channels = new Map<string, readonly Entry[]>();
  const owned = new Map<string, number>();

  function remove(channel: string, entry: Entry): void {
    if (!entry.live) return;
    entry.live = false;
    const rest = (channels.get(channel) ?? []).filter((other) => other !== entry);
    if (rest.length === 0) channels.delete(channel);
    else channels.set(channel, rest);
    const count = (owned.get(entry.owner) ?? 1) - 1;
    if (count === 0) owned.delete(entry.owner);
    else owned.set(entry.owner, count);
  }

  return {
    on(channel, listener, owner = '') {
      checkListener(channel, listener);
      const entry: Entry = { listener: listener as (payload: unknown) => unknown, owner, live: true };
      channels.set(channel, [...(channels.get(channel) ?? []), entry]);
      owned.set(owner, (owned.get(owner) ?? 0) + 1);
      return () => remove(channel, entry);
    },
    emit(channel, payload) {
      const entries = channels.get(channel);
      if (entries === undefined) return 0;
      let called = 0;
      for (const entry of entries) {
        if (!entry.live) continue;
        called++;
        try {
          const result = entry.listener(payload);
          if (result !== undefined && isThenable(result)) {
            result.then(undefined, (error: unknown) => options.onError(error, { channel, owner: entry.owner }));
          }
        } catch (error) {
          options.onError(error, { channel, owner: entry.owner });
        }
      }
      return called;
    },
    count: (channel) => channels.get(channel)?.length ?? 0,
    countOf: (owner) => owned.get(owner) ?? 0,
    owners: () => Object.fromEntries(owned),
  };
}

/** @throws GC_BAD_ARGUMENT */
export function checkListener(channel: unknown, listener: unknown): void {
  if (typeof channel !== 'string' || channel === '') {
    throw new GlyphError('GC_BAD_ARGUMENT', `on(channel, listener): the channel is ${String(channel)}, not a name`);
  }
  if (typeof listener !== 'function') {
    throw new GlyphError('GC_BAD_ARGUMENT', `on('${channel}', listener): the listener is not a function`);
  }
}
