/**
 * Durations as people write them: `500ms`, `10s`, `5m`, `1h`, `7d`, or a number of milliseconds.
 *
 * Invariant: a parsed duration is a finite number of milliseconds, never negative.
 */
import { GlyphError } from './errors.ts';
import type { Duration } from './plugins/types.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/;

/**
 * Milliseconds of a duration. `what` names the argument in the error.
 *
 * @throws GC_BAD_ARGUMENT for anything but a number of milliseconds or a text such as `10s`.
 * @example parseDuration('1.5h') // 5_400_000
 */
export function parseDuration(duration: Duration, what = 'duration'): number {
  if (typeof duration === 'number' && Number.isFinite(duration) && duration >= 0) return duration;
  const match = typeof duration === 'string' ? FORM.exec(duration.trim()) : null;
  if (match === null) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${what} is ${show(duration)}, which is not a duration`, {
      hint: "Write a number of milliseconds, or a number and a unit: '500ms', '10s', '5m', '1h', '7d'.",
    });
  }
  return Number(match[1]) * (UNITS[match[2] as string] as number);
}

/** A duration for messages, in the largest unit that keeps it short: `250 ms`, `2 s`, `1.5 h`. */
export function formatDuration(ms: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, size]) => ms >= size) ?? ['ms', 1];
  return `${Math.round((ms / size) * 10) / 10} ${unit}`;
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
