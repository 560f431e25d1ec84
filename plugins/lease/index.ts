/** The plugin `lease`: of all hosts on a file, one runs skills' reactions and jobs. */
import { definePlugin } from '../../sdk/plugin.ts';
import { Lease } from './lease.ts';
import type { LeaseService } from './types.ts';

/** Nobody else can open a database that is in this process's memory. */
const alone: LeaseService = { held: true, epoch: 1, mayRun: () => true, want: () => undefined };

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
    let lease: Lease | undefined;
    ctx.provide<LeaseService>('lease', {
      get held() {
        return lease?.held ?? false;
      },
      get epoch() {
        return lease?.epoch ?? 0;
      },
      mayRun: () => lease?.mayRun() ?? false,
      // A host with nothing to run must not keep another from running its skills.
      want() {
        if (lease !== undefined) return;
        const wanted = (lease = new Lease(ctx));
        ctx.defer(() => wanted.close(), 'lease');
        wanted.start();
      },
    });
  },
});
