/** The plugin `lease`: of all hosts on a file, one runs skills' reactions and jobs. */
import { definePlugin } from '../../sdk/plugin.ts';
import { Lease } from './lease.ts';
import type { LeaseService } from './types.ts';

/** Nobody else can open a database that is in this process's memory. */
const alone: LeaseService = { held: true, epoch: 1, mayRun: () => true };

export default definePlugin({
  name: 'lease',
  version: '1.0.0',
  provides: { lease: '1.0.0' },
  // A lock cannot be held twice: a second instance would wait for the first.
  reload: 'restart',
  activate(ctx) {
    if (ctx.db.inMemory) {
      ctx.provide<LeaseService>('lease', alone);
      return;
    }
    const lease = new Lease(ctx);
    ctx.defer(() => lease.close(), 'lease');
    ctx.provide<LeaseService>('lease', lease);
    lease.start();
  },
});
