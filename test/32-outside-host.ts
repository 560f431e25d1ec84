/**
 * A host with a durable subscriber that records what it handled in the transaction that moves its cursor, until it is killed:
 * `node 32-outside-host.ts FILE`.
 */
import { createKernel } from '../kernel/kernel.ts';
import batching from '../plugins/batching/index.ts';
import capsule from '../plugins/capsule/index.ts';
import type { CapsuleService } from '../plugins/capsule/types.ts';

const [file = ''] = process.argv.slice(2);
const kernel = createKernel({ filename: file, version: '1.0.0', busyTimeout: 20_000 });
kernel.plugins.loadAll([
  { definition: capsule, config: { batchSize: 7 } },
  { definition: batching, config: { batchInterval: 1, batchSize: 7 } },
]);
const { db } = kernel;
const service = kernel.plugins.use<CapsuleService>('capsule');
service.subscribe(
  service.watch('t'),
  (events, batch) =>
    db.transaction(async () => {
      for (const event of events) {
        // A key that repeats would fail: nothing is handled twice.
        db.run('INSERT INTO handled VALUES (?, ?, ?)', [event.seq, event.newData?.['who'], event.newData?.['n']]);
        if (event.seq % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      batch.acknowledge();
    }),
  { name: 'recorder' },
);
console.log('ready');
