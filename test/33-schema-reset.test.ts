/**
 * A reset reaches those it concerns once per change, however deliveries and crashes fall.
 */
import { describe, expect, test } from 'vitest';
import type { Batch, ChangeEvent } from '../plugins/capsule/types.ts';
import { collector, openHost, settle, sqlite3, tempFile } from './support.ts';
import type { Host } from './support.ts';
import { USERS, REBUILD, resets, watching } from './33-schema-support.ts';

describe('reset', () => {
  /** A host on `file` whose durable subscriber does `handle` with every batch. */
  function durably(file: string, handle: (events: ChangeEvent[], batch: Batch) => unknown): Host {
    const host = openHost({ file });
    host.capsule.subscribe(host.capsule.watch('users'), handle, { name: 'mailer' });
    return host;
  }

  test('a handler that fails hears of it again until it succeeds', async () => {
    const { host } = watching();
    await host.close();
    const heard: string[] = [];
    let failing = true;
    const again = durably(host.file, (_, batch) => {
      heard.push(batch.reset?.reason ?? 'events');
      if (failing) throw new Error('not now');
    });
    sqlite3(again.file, REBUILD);
    await again.flush();
    failing = false;
    await again.clock.advance(1000);
    await again.flush();
    expect(heard).toEqual(['schema', 'schema']);
  });

  test('it survives a crash before it was handled, and is told once after it was', async () => {
    const { host } = watching();
    await host.close();
    const never = durably(host.file, () => new Promise(() => undefined));
    sqlite3(host.file, REBUILD);
    never.capsule.look();
    await settle();
    // The process dies here: nothing of its close() runs.
    sqlite3(host.file, 'UPDATE _capsule_hosts SET pid = 2147483646');
    const first = collector();
    const next = durably(host.file, first.handler);
    await next.flush();
    expect(resets(first)).toEqual(['schema 0']);
    await next.close();
    const second = collector();
    const last = durably(host.file, second.handler);
    await last.flush();
    expect(resets(second)).toEqual([]);
  });

  test('a change in the middle of a slow delivery is told after it', async () => {
    const { host } = watching();
    await host.close();
    const heard: string[] = [];
    let finish = (): void => undefined;
    const again = durably(host.file, (events, batch) => {
      heard.push(batch.reset?.reason ?? events.map((event) => event.operation).join());
      return heard.length === 1 ? new Promise<void>((resolve) => (finish = resolve)) : undefined;
    });
    again.run("INSERT INTO users VALUES (1, 'A', 30)");
    await settle();
    sqlite3(host.file, REBUILD);
    again.capsule.look();
    await settle();
    expect(heard).toEqual(['INSERT']);
    finish();
    await again.flush();
    await settle();
    expect(heard).toEqual(['INSERT', 'schema']);
    expect(again.db.all('SELECT reset FROM _capsule_subscriptions')).toEqual([{ reset: null }]);
  });

  test('a reaction on several tables is told whichever of them changed, once, running or not', async () => {
    const heard: string[] = [];
    const react = (host: Host): unknown =>
      host.capsule.react({
        name: 'skill:totals',
        watches: [{ table: 'orders' }, { table: 'users' }],
        listenerType: 'lua',
        handle: () => undefined,
        failed: () => 'stop',
        mayRun: () => true,
        reset: ({ reason }) => void heard.push(reason),
      });
    const file = tempFile();
    const first = openHost({ file, schema: `${USERS}; CREATE TABLE orders(id INTEGER PRIMARY KEY)` });
    react(first);
    await first.flush();
    sqlite3(file, REBUILD);
    await first.flush();
    expect(heard).toEqual(['schema']);
    await first.close();
    const second = openHost({ file });
    react(second);
    await second.flush();
    expect(heard).toEqual(['schema']);
    await second.close();
    sqlite3(file, 'ALTER TABLE users ADD COLUMN city');
    const third = openHost({ file });
    react(third);
    await third.flush();
    expect(heard).toEqual(['schema', 'schema']);
  });
});
