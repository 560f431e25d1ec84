/**
 * When a job is due: the arithmetic of `every`, `after` and `cron`, without a clock of its own.
 *
 * Invariants: the times of `every` lie on a grid that late runs do not move; however many runs were missed, the next time is
 * one, and lies ahead of now. Times are Unix epochs in ms.
 */
import { Cron } from 'croner';
import { GlyphError, messageOf, parseDuration } from '../../sdk/plugin.ts';
import type { ErrorCode } from '../../sdk/plugin.ts';
import type { JobKind } from './types.ts';

export interface Schedule {
  readonly kind: JobKind;
  /** As it was written. */
  readonly spec: string;
  /** Of `every` and `after`. */
  readonly intervalMs?: number;
  /** Of `cron`: an IANA name. */
  readonly timezone?: string;
  /** The first time, planned now. */
  first(now: number): number;
  /** The time after the one that has just been served; undefined when there is none. */
  next(served: number, now: number): number | undefined;
  /** Whether a planned time lies so far ahead that the clock must have been set back since it was planned. */
  isTooFar(planned: number, now: number): boolean;
}

/** Shortest interval of `every`. */
const MIN_EVERY_MS = 1000;
/** Longest interval and delay: ten years. */
const MAX_MS = 3650 * 86_400_000;

/** @throws GC_BAD_ARGUMENT */
export function everySchedule(spec: unknown, call = 'scheduler.every'): Schedule {
  const intervalMs = duration(spec, call, 'interval');
  if (intervalMs < MIN_EVERY_MS) throw bad(`${call}: the interval is "${String(spec)}"; the shortest is "1s"`);
  return {
    kind: 'every',
    spec: String(spec).trim(),
    intervalMs,
    first: (now) => now + intervalMs,
    next: (served, now) => served + Math.max(1, Math.floor((now - served) / intervalMs) + 1) * intervalMs,
    isTooFar: (planned, now) => planned - now > intervalMs,
  };
}

/** @throws GC_BAD_ARGUMENT */
export function afterSchedule(spec: unknown, call = 'scheduler.after'): Schedule {
  const intervalMs = duration(spec, call, 'delay');
  if (intervalMs < 1) throw bad(`${call}: the delay is "${String(spec)}"; the shortest is "1ms"`);
  return {
    kind: 'after',
    spec: String(spec).trim(),
    intervalMs,
    first: (now) => now + intervalMs,
    next: () => undefined,
    isTooFar: (planned, now) => planned - now > intervalMs,
  };
}

/**
 * Where a day is 23 or 25 hours long, a job at a fixed time runs once a day all the same; one that falls into the hour that
 * is skipped runs when that hour is over.
 *
 * @throws GC_BAD_ARGUMENT for a text that is no cron text, or whose time never comes, and for an unknown time zone
 */
export function cronSchedule(spec: unknown, timezone: string, call = 'scheduler.cron'): Schedule {
  if (typeof spec !== 'string') throw bad(`${call}: the times must be a cron text such as "0 3 * * *"`);
  checkTimezone(timezone, call);
  const cron = parseCron(spec, timezone, call);
  const next = (time: number): number | undefined => cron.nextRun(new Date(time))?.getTime();
  return {
    kind: 'cron',
    spec: spec.trim(),
    timezone,
    first(now) {
      const time = next(now);
      if (time === undefined) throw bad(`${call}: the time of "${spec}" never comes`);
      return time;
    },
    next: (served, now) => next(Math.max(served, now)),
    isTooFar(planned, now) {
      const before = cron.previousRuns(1, new Date(planned))[0]?.getTime();
      if (before === undefined) return false;
      // A tenth, so that a daily job does not run twice when the clock is set back by an hour.
      return planned - now > (planned - before) * 1.1;
    },
  };
}

/** The schedule of a stored job. @throws GC_BAD_ARGUMENT when another version of GlyphCase took more than this one does */
export function scheduleOf(row: {
  readonly kind: JobKind;
  readonly spec: string;
  readonly timezone: string | null;
}): Schedule {
  if (row.kind === 'every') return everySchedule(row.spec);
  return row.kind === 'after' ? afterSchedule(row.spec) : cronSchedule(row.spec, row.timezone ?? 'UTC');
}

/** @throws GC_BAD_ARGUMENT */
export function checkTimezone(
  timezone: unknown,
  call: string,
  code: ErrorCode = 'GC_BAD_ARGUMENT',
): asserts timezone is string {
  if (typeof timezone === 'string' && isTimezone(timezone)) return;
  const shown = typeof timezone === 'string' ? `"${timezone}"` : `a ${typeof timezone}`;
  throw new GlyphError(code, `${call}: the time zone is ${shown}; write an IANA name such as "Europe/Berlin" or "UTC"`);
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Rounded to whole ms. `what` names the argument. @throws GC_BAD_ARGUMENT */
export function duration(spec: unknown, call: string, what: string): number {
  const shown = typeof spec === 'string' ? `"${spec}"` : typeof spec === 'number' ? String(spec) : `a ${typeof spec}`;
  const wrong = bad(`${call}: the ${what} is ${shown}; write a number and a unit: "500ms", "10s", "5m", "1h", "7d"`);
  // A bare number would be ms here and seconds in os.time.
  if (typeof spec !== 'string') throw wrong;
  let ms: number;
  try {
    ms = Math.round(parseDuration(spec));
  } catch {
    throw wrong;
  }
  if (ms > MAX_MS) throw bad(`${call}: the ${what} is ${shown}; the longest is "3650d"`);
  return ms;
}

function parseCron(spec: string, timezone: string, call: string): Cron {
  const form = 'write five parts, "minute hour day month weekday", or six with the seconds first';
  try {
    const cron = new Cron(spec.trim(), { paused: true, timezone, mode: '5-or-6-parts' });
    if (cron.getPattern() !== undefined) return cron;
  } catch (error) {
    const reason = messageOf(error)
      .replace(/^Cron\w+: /, '')
      .replace(/\.$/, '');
    throw bad(`${call}: "${spec}" is not a cron text: ${reason}; ${form}`);
  }
  throw bad(`${call}: "${spec}" is not a cron text; ${form}`);
}

const bad = (message: string): GlyphError => new GlyphError('GC_BAD_ARGUMENT', message);
