/** The plugin `live`: live queries. Synchronous, so that a SELECT can be watched as soon as it is loaded. */
import type { CapsuleService } from '../../sdk/capsule-types.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import { Live } from './live.ts';
import { QueryWatchers } from './service.ts';
import type { LiveService } from './types.ts';

export default definePlugin({
  name: 'live',
  version: '1.0.0',
  requires: { capsule: '^1.0.0' },
  provides: { live: '1.0.0' },
  activate(ctx) {
    const capsule = ctx.use<CapsuleService>('capsule');
    const live = new Live(ctx, capsule);
    const watchers = new QueryWatchers(ctx, live, () => capsule.position);
    ctx.hooks.committed.tap('live', () => live.looked());
    ctx.hooks.rawCommit.tap('live', () => live.looked());
    ctx.on('capsule:schema', (change) => {
      // What else changed shows in the schema itself, and in the log.
      if ((change as { readonly unlogged: boolean }).unlogged) live.everythingMoved();
    });
    ctx.defer(() => {
      watchers.close();
      live.close();
    }, 'live queries');
    ctx.provide<LiveService>('live', watchers);
  },
});
