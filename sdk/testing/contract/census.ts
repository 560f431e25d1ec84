/**
 * Counts of everything that is registered with a host, and the difference of two counts.
 *
 * Invariant: two counts of a host at rest, with nothing loaded or unloaded between them, are equal.
 */
import type { CapsuleStats } from '../../../plugins/capsule/types.ts';
import type { LiveStats } from '../../../plugins/live/types.ts';
import type { ScopeReport } from '../../../kernel/plugins/types.ts';
import { isMovable } from '../host-clock.ts';
import type { KernelTestHost } from '../test-host.ts';

/** What is counted → how many, or which. */
export type Census = ReadonlyMap<string, number>;

/**
 * Waits for the host to come to rest, and counts what is there, `tested` being the plugin whose doing it may be.
 *
 * One-shot timers of the others are not counted: a service that is put to use may have one, which is its own and goes by
 * itself. What is kept in a service for good shows as a watcher, a subscription or an interval.
 */
export async function census(host: KernelTestHost, tested: string): Promise<Census> {
  await host.settled();
  const { bus, hooks } = host.kernel;
  const listeners = Object.values(bus.owners()).reduce((sum, count) => sum + count, 0);
  const counts = new Map<string, number>([['listeners on the bus', listeners]]);
  for (const [name, hook] of Object.entries(hooks)) counts.set(`taps of hook ${name}`, (hook as CountedHook).count());
  const { services } = host.plugins.inspect();
  for (const { name } of services) counts.set(`the service '${name}'`, 1);
  if (isMovable(host.clock) && 'pending' in host.clock) {
    counts.set('timers on the clock', Number(host.clock.pending) - oneShotsOfOthers(host, tested));
  }
  if (services.some(({ name }) => name === 'capsule')) {
    const stats = host.use<{ stats(): CapsuleStats }>('capsule').stats();
    counts.set('watchers of tables', stats.watchers);
    counts.set('subscriptions to tables', stats.subscriptions.length);
  }
  if (services.some(({ name }) => name === 'live')) {
    const stats = host.use<{ stats(): LiveStats }>('live').stats();
    counts.set('watchers of queries', stats.watchers);
    counts.set('subscriptions to queries', stats.subscriptions.length);
  }
  return counts;
}

function oneShotsOfOthers(host: KernelTestHost, tested: string): number {
  const others = host.plugins.list().filter(({ id }) => id !== tested);
  return others.flatMap(({ owns }) => labelsIn(owns)).filter((label) => label === 'timeout').length;
}

/** Labels of all that a scope and those inside it own. */
export function labelsIn({ owned, children }: ScopeReport): readonly string[] {
  return [...owned, ...children.flatMap(labelsIn)];
}

interface CountedHook {
  count(): number;
}

/** Something of which there is more than before: `timers on the clock`. */
export interface Surplus {
  readonly what: string;
  readonly more: number;
}

export const surplus = (before: Census, after: Census): readonly Surplus[] =>
  [...after].map(([what, count]) => ({ what, more: count - (before.get(what) ?? 0) })).filter(({ more }) => more > 0);

/** `2 timers on the clock`, `1 watcher of tables`, `the service 'vat'`. */
export const surplusText = ({ what, more }: Surplus): string =>
  what.startsWith('the service') ? what : `${more} ${more === 1 ? what.replace(/^(\w+)s /, '$1 ') : what}`;
