/** A host that watches and waits to be killed: `node 32-outside-watcher.ts FILE`. */
import { createKernel } from '../kernel/kernel.ts';
import batching from '../plugins/batching/index.ts';
import capsule from '../plugins/capsule/index.ts';
import type { CapsuleService } from '../plugins/capsule/types.ts';

const kernel = createKernel({ filename: process.argv[2] ?? '', version: '1.0.0' });
kernel.plugins.loadAll([capsule, batching]);
const service = kernel.plugins.use<CapsuleService>('capsule');
service.subscribe(service.watch('t'), () => undefined);
kernel.db.flushDeferred();
console.log('ready');
