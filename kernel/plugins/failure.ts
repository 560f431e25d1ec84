/** The error of a phase of a plugin. Invariant: it names the plugin and the phase, once, whatever was thrown. */
import { GlyphError, messageOf } from '../errors.ts';
import { isTimeout } from '../time-limit.ts';

/** What a phase of a plugin failed with: a time limit that ran out as it is, anything else as GC_PLUGIN_FAILED with a cause. */
export function failure(plugin: string, phase: string, cause: unknown): GlyphError {
  if (isTimeout(cause) && cause.plugin === plugin) return cause;
  return new GlyphError('GC_PLUGIN_FAILED', `plugin '${plugin}' failed in ${phase}: ${messageOf(cause)}`, {
    plugin,
    phase,
    cause,
  });
}
