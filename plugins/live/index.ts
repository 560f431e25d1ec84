/**
 * The plugin `live`: live queries. Synchronous, so that a SELECT can be watched as soon as it is loaded.
 *
 * Invariant: a reload hands on the queries with what their subscribers have been told, so that what they are told next is
 * the difference to that.
 */
import type { CapsuleService } from '../../sdk/capsule-types.ts';
import { handedOn } from '../../sdk/lasting.ts';
import type { Lasting } from '../../sdk/lasting.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import { Live } from './live.ts';
import { QueryWatchers } from './service.ts';
import type { LiveService } from './types.ts';

interface Running {
  readonly capsule: CapsuleService;
  readonly live: Live;
  readonly watchers: QueryWatchers;
}

const handed = handedOn<unknown, Running>({
  label: 'live queries',
  begin: (lasting) => begin(lasting),
  // Another capsule knows nothing of the tables that these queries watch.
  fits: ({ capsule }, ctx) => capsule === ctx.use<CapsuleService>('capsule'),
  end({ watchers, live }) {
    watchers.close();
    live.close();
  },
});

function begin(lasting: Lasting): Running {
  const capsule = lasting.use<CapsuleService>('capsule');
  const live = new Live(lasting, capsule);
  return { capsule, live, watchers: new QueryWatchers(lasting, live, () => capsule.position) };
}

export default definePlugin({
  name: 'live',
  version: '1.0.0',
  requires: { capsule: '^1.0.0' },
  provides: { live: '1.0.0' },
  // Two instances would each work out and tell every difference.
  reload: 'restart',
  snapshot: handed.snapshot,
  activate(ctx) {
    const { live, watchers } = handed.take(ctx);
    ctx.hooks.committed.tap('live', () => live.looked());
    ctx.hooks.rawCommit.tap('live', () => live.looked());
    ctx.on('capsule:schema', (change) => {
      // What else changed shows in the schema itself, and in the log.
      if ((change as { readonly unlogged: boolean }).unlogged) live.everythingMoved();
    });
    ctx.provide<LiveService>('live', watchers);
  },
});
