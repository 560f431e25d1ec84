/** Reactions beside other subscribers: what is stored of their cursors while a range is being handed out. */
import { expect, test } from 'vitest';
import type { ChangeEvent } from '../plugins/capsule/types.ts';
import { openHost } from './support.ts';
import type { Host } from './support.ts';

const SCHEMA = 'CREATE TABLE orders(id INTEGER PRIMARY KEY); CREATE TABLE notes(id INTEGER PRIMARY KEY)';

/** Handles every order, and remembers which. */
function reacting(host: Host): { readonly handled: unknown[]; readonly cursor: () => number } {
  const handled: unknown[] = [];
  const handle = host.capsule.react({
    name: 'skill:orders',
    watches: [{ table: 'orders' }],
    listenerType: 'lua',
    handle: (events: readonly ChangeEvent[]) => void handled.push(...events.map((event) => event.newData?.['id'])),
    failed: (error) => {
      throw error;
    },
    mayRun: () => true,
  });
  return { handled, cursor: () => handle.cursor };
}

test('a reaction gets its changes though a subscriber stores cursors while the range is handed out', async () => {
  const host = openHost({ schema: SCHEMA });
  const { handled, cursor } = reacting(host);
  let calls = 0;
  host.capsule.subscribe(host.capsule.watch('notes'), () => {
    calls += 1;
    host.capsule.prune();
  });
  await host.flush();
  host.run('INSERT INTO notes DEFAULT VALUES; INSERT INTO orders DEFAULT VALUES');
  await host.flush();
  host.run('INSERT INTO orders DEFAULT VALUES');
  await host.flush();
  expect(calls).toBe(1);
  expect(handled).toEqual([1, 2]);
  expect(cursor()).toBe(host.capsule.end);
});
