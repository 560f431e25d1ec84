/**
 * `on_data_changed` as a reaction of the capsule: all it does for a batch, and the cursor, commit together.
 *
 * Invariant: a skill's failure is the skill's; a locked or full database is not, and never leads to quarantine.
 */
import type { Reaction } from '../../sdk/capsule-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import type { Running } from './running.ts';

/** Failures in a row after which a skill is quarantined. */
export const MAX_FAILURES = 5;
const FIRST_PAUSE_MS = 1000;
/** Not the skill's fault: try again soon, as often as it takes. */
const OUTSIDE = new Set<string>(['GC_LOCKED', 'GC_DISK_FULL', 'GC_CLOSED', 'GC_SCOPE_CLOSED', 'GC_READ_ONLY']);

export const isOutside = (error: unknown): boolean => error instanceof GlyphError && OUTSIDE.has(error.code);

/** Pause after the n-th failure (from 1), in ms; `stop` when it has failed often enough, or will always fail. */
export function pauseAfter(error: unknown, failures: number): number | 'stop' {
  if (isOutside(error)) return FIRST_PAUSE_MS;
  if (failures >= MAX_FAILURES || (error instanceof GlyphError && error.code === 'GC_CASCADE')) return 'stop';
  return FIRST_PAUSE_MS * 2 ** (failures - 1);
}

export function createReaction(
  running: Running,
  told: { failed(error: unknown): number | 'stop'; succeeded(): void },
): Reaction {
  let handled = 0;
  return {
    name: `skill:${running.id}`,
    watches: running.manifest.watches.map((watch) => (typeof watch === 'string' ? { table: watch } : watch)),
    listenerType: 'lua',
    handle(events) {
      running.instance().deliver(events);
      handled += events.length;
    },
    committed() {
      running.reactions += handled;
      handled = 0;
      told.succeeded();
    },
    failed(error) {
      handled = 0;
      return told.failed(error);
    },
    mayRun: () => running.mayReact,
    reset({ message }) {
      running.runtime.logs.add(running.id, 'warn', `on_data_changed may have missed changes: ${message}`);
    },
  };
}
