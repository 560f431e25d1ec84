/**
 * What turns one snapshot into another.
 *
 * Invariants: taking away every `old` row and adding every `now` row turns the first into the second, as multisets. For an
 * ordered query also as sequences: take away what has an `oldIndex`, from the last to the first, then put in what has an
 * `index`, from the first to the last; rows that are not mentioned keep their order. Nothing is reported that is the same.
 */
import { longestRise } from './longest-rise.ts';
import type { ResultKey, ResultRow, Snapshot } from './snapshot.ts';
import { codeOf, sameValues } from './values.ts';

/** A row that went, came, or is another than before. Positions are those in the whole result. */
export interface Change {
  readonly old?: ResultRow;
  readonly now?: ResultRow;
  readonly oldIndex?: number;
  readonly index?: number;
}

/** A row and its position in the whole result. */
export interface Place {
  readonly row: ResultRow;
  readonly at: number;
}

interface Pair {
  readonly old: Place;
  readonly now: Place;
}

/** First what went, in the order in which it stood, then what is there now, in the order in which it stands. */
export function difference(before: Snapshot, after: Snapshot, ordered: boolean): Change[] {
  if (before === after) return [];
  const start = commonStart(before, after);
  const end = commonEnd(before, after, start);
  const old = places(before, start, end);
  const now = places(after, start, end);
  return changesOf(old, now, commonKey(before, after), ordered);
}

/** The same for parts of two snapshots that hold all that is not the same in both. */
export function changesOf(
  old: readonly Place[],
  now: readonly Place[],
  keys: readonly [ResultKey, ResultKey] | undefined,
  ordered: boolean,
): Change[] {
  const [one, other] = [old[0], now[0]];
  if (one !== undefined && other !== undefined && old.length + now.length === 2 && isChangeOf(one.row, other.row, keys))
    return [{ old: one.row, now: other.row, oldIndex: one.at, index: other.at }];
  const { pairs, left, came } = match(old, now, keys);
  const still = new Set(pairs.filter((pair) => isSame(pair.old.row, pair.now.row)));
  const moved = ordered ? movedOf(pairs.filter((pair) => still.has(pair))) : new Set<Pair>();
  const changed = pairs.filter((pair) => !still.has(pair) || moved.has(pair));
  const arrived: { readonly at: number; readonly change: Change }[] = [
    ...came.map(({ row, at }) => ({ at, change: { now: row, index: at } })),
    ...changed.map((pair) => ({
      at: pair.now.at,
      change: { old: pair.old.row, now: pair.now.row, oldIndex: pair.old.at, index: pair.now.at },
    })),
  ].sort((a, b) => a.at - b.at);
  return [...left.map(({ row, at }) => ({ old: row, oldIndex: at })), ...arrived.map(({ change }) => change)];
}

/** Most changes: one row, known by its key, looks different. */
function isChangeOf(old: ResultRow, now: ResultRow, keys: readonly [ResultKey, ResultKey] | undefined): boolean {
  if (keys === undefined || isSame(old, now)) return false;
  return codeOf(old.values, keys[0].at) === codeOf(now.values, keys[1].at);
}

/** Which row became which. By key where both have the same; else only the same row is itself. */
function match(
  old: readonly Place[],
  now: readonly Place[],
  keys: readonly [ResultKey, ResultKey] | undefined,
): { readonly pairs: readonly Pair[]; readonly left: readonly Place[]; readonly came: readonly Place[] } {
  const [oldAt, nowAt] = keys?.map((key) => key.at) ?? [];
  const waiting = new Map<unknown, Place[]>();
  for (const place of old.toReversed()) {
    const code = codeOf(place.row.values, oldAt ?? place.row.columns.shown);
    const same = waiting.get(code);
    if (same === undefined) waiting.set(code, [place]);
    else same.push(place);
  }
  const pairs: Pair[] = [];
  const came: Place[] = [];
  const taken = new Set<Place>();
  for (const place of now) {
    const partner = waiting.get(codeOf(place.row.values, nowAt ?? place.row.columns.shown))?.at(-1);
    if (partner === undefined || (keys === undefined && partner.row.columns !== place.row.columns)) {
      came.push(place);
      continue;
    }
    waiting.get(codeOf(partner.row.values, oldAt ?? partner.row.columns.shown))?.pop();
    taken.add(partner);
    pairs.push({ old: partner, now: place });
  }
  return { pairs, left: old.filter((place) => !taken.has(place)), came };
}

/** Of rows that are the same, those that have to be mentioned because their order is another. As few as possible. */
function movedOf(pairs: readonly Pair[]): Set<Pair> {
  const rise = new Set(longestRise(pairs.map((pair) => pair.old.at)));
  return new Set(pairs.filter((_, index) => !rise.has(index)));
}

function commonKey(before: Snapshot, after: Snapshot): readonly [ResultKey, ResultKey] | undefined {
  const [a, b] = [before.key, after.key];
  if (a === undefined || b === undefined || a.names.length !== b.names.length) return undefined;
  return a.names.every((name, index) => name === b.names[index]) ? [a, b] : undefined;
}

function isSame(a: ResultRow, b: ResultRow): boolean {
  return a === b || (a.columns === b.columns && sameValues(a.values, b.values, a.columns.shown));
}

const places = ({ rows }: Snapshot, start: number, end: number): Place[] =>
  rows.slice(start, rows.length - end).map((row, index) => ({ row, at: start + index }));

function commonStart(before: Snapshot, after: Snapshot): number {
  const most = Math.min(before.rows.length, after.rows.length);
  let at = 0;
  while (at < most && isSame(before.rows[at] as ResultRow, after.rows[at] as ResultRow)) at += 1;
  return at;
}

function commonEnd(before: Snapshot, after: Snapshot, start: number): number {
  const most = Math.min(before.rows.length, after.rows.length) - start;
  let count = 0;
  while (count < most && isSame(before.rows.at(-1 - count) as ResultRow, after.rows.at(-1 - count) as ResultRow))
    count += 1;
  return count;
}
