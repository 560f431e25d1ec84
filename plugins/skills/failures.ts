/**
 * What a failure of a skill leads to.
 *
 * Invariant: a skill's failure is the skill's; a locked or full database is not, and never leads to quarantine.
 */
import { GlyphError, isOutside } from '../../sdk/plugin.ts';

/** Failures in a row after which a skill is quarantined. */
const MAX_FAILURES = 5;
export const FIRST_PAUSE_MS = 1000;
/** No second attempt mends these: the files must change. */
const FINAL = new Set<string>([
  'GC_BAD_MANIFEST',
  'GC_LUA_SYNTAX',
  'GC_BAD_FILTER',
  'GC_NOT_WATCHABLE',
  'GC_BAD_OPTION',
  'GC_PERMISSION',
  'GC_BAD_MIGRATION',
  'GC_DOWNGRADE',
]);

const codeOf = (error: unknown): string => (error instanceof GlyphError ? error.code : '');

/** Pause after the n-th failure (from 1), in ms; `stop` when it has failed often enough, or will always fail. */
export function pauseAfter(error: unknown, failures: number): number | 'stop' {
  if (isOutside(error)) return FIRST_PAUSE_MS;
  if (failures >= MAX_FAILURES || codeOf(error) === 'GC_CASCADE') return 'stop';
  return FIRST_PAUSE_MS * 2 ** (failures - 1);
}

/** After a failed start: a state to stay in, or ms until the next attempt. */
export function afterFailedStart(error: unknown, failures: number): 'incompatible' | 'failed' | 'quarantined' | number {
  if (error instanceof GlyphError && error.phase === 'engines') return 'incompatible';
  if (FINAL.has(codeOf(error))) return 'failed';
  const pause = pauseAfter(error, failures);
  return pause === 'stop' ? 'quarantined' : pause;
}
