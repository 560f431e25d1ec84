/**
 * The plugin `capsule`: change capture. Synchronous, so that watching works as soon as it is loaded.
 *
 * Invariant: a reload hands on what runs, watchers, subscriptions, reactions and timers included, in one synchronous step, so
 * that nobody is told of a change twice, or not at all.
 */
import { handedOn } from '../../sdk/lasting.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import { Capsule } from './capsule.ts';
import { capsuleConfig } from './config.ts';
import type { CapsuleConfig } from './config.ts';
import type { CapsuleService } from './types.ts';

const handed = handedOn<CapsuleConfig, Capsule>({
  label: 'capsule',
  begin: (lasting) => new Capsule(lasting),
  end: (capsule) => capsule.close(),
});

export default definePlugin<CapsuleConfig>({
  name: 'capsule',
  version: '1.0.0',
  provides: { capsule: '1.0.0' },
  // Two instances would each enter themselves in the file, and each deliver every change.
  reload: 'restart',
  config: capsuleConfig,
  activate(ctx) {
    const capsule = handed.take(ctx);
    capsule.listen(ctx);
    ctx.on('lease:held', () => capsule.resumeReactions());
    ctx.provide<CapsuleService>('capsule', capsule);
  },
  snapshot: handed.snapshot,
});
