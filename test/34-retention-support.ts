/**
 * What the tests of retention share: a host whose days pass at once.
 */
import { fakeClock, openHost } from './support.ts';
import type { Host, HostOptions } from './support.ts';

export const DAY = 86_400_000;
export const SCHEMA =
  'CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE orders(id INTEGER PRIMARY KEY, total REAL)';

/** A host on a new file, or on `file`, whose tables `users` and `orders` are watched. */
export function opened(options: HostOptions = {}): Host {
  const host = openHost({ ...(options.file === undefined ? { schema: SCHEMA } : {}), ...options });
  host.capsule.keep('users');
  return host;
}

/** Lets days pass without firing timers, so that only the test prunes. */
export function later(host: Host, days: number): void {
  const start = host.clock.now();
  Object.defineProperty(host.clock, 'now', { value: () => start + days * DAY, configurable: true });
}

/** A clock without the frequent timers, so that days can pass: beats and retention remain. */
export function calendar(start: number): ReturnType<typeof fakeClock> {
  const clock = fakeClock(start);
  const interval = clock.interval.bind(clock);
  clock.interval = (fn, ms) => (ms < 1000 ? { cancel: () => undefined } : interval(fn, ms));
  return clock;
}

export const seqs = (host: Host): unknown[] =>
  host.db.all('SELECT seq FROM _capsule_log ORDER BY seq').map((row) => row['seq']);
export const ids = (host: Host): unknown[] =>
  host.db.all('SELECT id FROM _capsule_transactions ORDER BY first_seq').map((row) => row['id']);

/** One transaction per name. */
export async function insert(host: Host, ...names: readonly string[]): Promise<void> {
  for (const name of names) host.run(`INSERT INTO users(name) VALUES ('${name}')`);
  await host.flush();
}
