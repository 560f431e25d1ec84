/** The plugin `capsule`: change capture. Synchronous, so that watching works as soon as it is loaded. */
import { definePlugin } from '../../sdk/plugin.ts';
import { Capsule } from './capsule.ts';
import { capsuleConfig } from './config.ts';
import type { CapsuleConfig } from './config.ts';
import type { CapsuleService } from './types.ts';

export default definePlugin<CapsuleConfig>({
  name: 'capsule',
  version: '1.0.0',
  provides: { capsule: '1.0.0' },
  config: capsuleConfig,
  activate(ctx) {
    const capsule = new Capsule(ctx);
    ctx.on('lease:held', () => capsule.resumeReactions());
    ctx.provide<CapsuleService>('capsule', capsule);
  },
});
