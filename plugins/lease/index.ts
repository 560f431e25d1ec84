/**
 * The plugin `lease`: of all hosts on a file, one runs skills' reactions and jobs.
 *
 * Invariant: a reload hands the lock on without letting it go, so that no other host takes the lease meanwhile.
 */
import { handedOn } from '../../sdk/lasting.ts';
import type { Lasting } from '../../sdk/lasting.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import { Lease } from './lease.ts';
import type { LeaseService } from './types.ts';

/** Nobody else can open a database that is in this process's memory. */
const alone: LeaseService = { held: true, epoch: 1, mayRun: () => true, want: () => undefined };

interface Running {
  readonly service: LeaseService;
  close(): void;
}

const handed = handedOn<unknown, Running>({
  label: 'lease',
  begin: (lasting) => begin(lasting),
  end: (one) => one.close(),
});

function begin(lasting: Lasting): Running {
  if (lasting.db.inMemory) return { service: alone, close: () => undefined };
  let lease: Lease | undefined;
  const service: LeaseService = {
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
      lease = new Lease(lasting);
      lease.start();
    },
  };
  return { service, close: () => lease?.close() };
}

export default definePlugin({
  name: 'lease',
  version: '1.0.0',
  provides: { lease: '1.0.0' },
  // A lock cannot be held twice: a second instance would wait for the first.
  reload: 'restart',
  activate: (ctx) => ctx.provide<LeaseService>('lease', handed.take(ctx).service),
  snapshot: handed.snapshot,
});
