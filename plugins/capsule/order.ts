/**
 * Puts changes in order where a trigger's nested write was logged before the write that caused it.
 *
 * Invariant: a row's images form a chain (each old image is the previous new image). Where the log's order is a chain already it
 * is left alone; else the changes of one transaction that concern the same rows are taken in an order in which they can all have
 * happened, the log's order deciding wherever that leaves a choice. Places in the log stay, so that `seq` keeps growing.
 */
import type { SqlValue } from '../../sdk/plugin.ts';
import { identity, sameImage } from './images.ts';
import type { LoggedChange } from './images.ts';

type Image = readonly SqlValue[];

const MANY = 1000;

/** Where a key went: its row before and after, undefined where there was none. */
interface Step {
  readonly key: string;
  readonly before: Image | undefined;
  readonly after: Image | undefined;
}

/** One change: an UPDATE of the key takes one row away and makes another. */
type Steps = readonly Step[];

type States = Map<string, Image | undefined>;

/** Returns the changes of one transaction in causal order; the input when nothing is out of place. */
export function orderByImages(changes: readonly LoggedChange[]): readonly LoggedChange[] {
  if (changes.length < 2) return changes;
  const steps = changes.map(stepsOf);
  if (isChain(steps)) return changes;
  const ordered = [...changes];
  for (const places of linked(steps)) {
    const own = places.map((place) => steps[place] as Steps);
    if (isChain(own)) continue;
    const order = complete(own) ?? asFarAsItGoes(own);
    places.forEach((place, at) => {
      const from = changes[places[order[at] as number] as number] as LoggedChange;
      ordered[place] = { ...from, seq: (changes[place] as LoggedChange).seq };
    });
  }
  return ordered;
}

/** Which changes have to do with one another, because they share a key, directly or through others. */
function linked(all: readonly Steps[]): Iterable<readonly number[]> {
  const groupOf = new Map<string, number[]>();
  const groups = new Set<number[]>();
  all.forEach((steps, index) => {
    let group: number[] = [];
    for (const { key } of steps) {
      const known = groupOf.get(key);
      if (known === undefined || known === group) continue;
      const [larger, smaller] = known.length < group.length ? [group, known] : [known, group];
      for (const place of smaller) {
        larger.push(place);
        for (const step of all[place] as Steps) groupOf.set(step.key, larger);
      }
      groups.delete(smaller);
      group = larger;
    }
    group.push(index);
    groups.add(group);
    for (const { key } of steps) groupOf.set(key, group);
  });
  for (const group of groups) group.sort((a, b) => a - b);
  return groups;
}

/**
 * An order in which every change finds the rows as it left them: depth first, the earliest in the log first. Undefined when there
 * is none, or when looking for it takes too long.
 */
function complete(all: readonly Steps[]): readonly number[] | undefined {
  const states = firstStates(all);
  const left = all.map((_, index) => index);
  const taken: { readonly index: number; readonly at: number; readonly undo: readonly (() => void)[] }[] = [];
  let from = 0;
  for (let tries = 2 * all.length + MANY; left.length > 0; tries -= 1) {
    if (tries === 0) return undefined;
    const at = firstThatFits(all, left, states, from);
    if (at >= 0) {
      const [index] = left.splice(at, 1) as [number];
      taken.push({ index, at, undo: (all[index] as Steps).map((step) => take(states, step)) });
      from = 0;
    } else {
      const last = taken.pop();
      if (last === undefined) return undefined;
      for (const undo of last.undo) undo();
      left.splice(last.at, 0, last.index);
      from = last.at + 1;
    }
  }
  return taken.map(({ index }) => index);
}

/** Something is missing from the log (a row lost to RAISE(IGNORE)): where nothing fits, go on from what was logged. */
function asFarAsItGoes(all: readonly Steps[]): readonly number[] {
  const states = firstStates(all);
  const left = all.map((_, index) => index);
  const ordered: number[] = [];
  while (left.length > 0) {
    const [index] = left.splice(Math.max(firstThatFits(all, left, states), 0), 1) as [number];
    for (const step of all[index] as Steps) take(states, step);
    ordered.push(index);
  }
  return ordered;
}

/** Where in `left` the first change stands that finds the rows as they are now; -1 when there is none. */
function firstThatFits(all: readonly Steps[], left: readonly number[], states: States, from = 0): number {
  return left.findIndex((index, place) => place >= from && (all[index] as Steps).every((step) => holds(states, step)));
}

/** Makes the step; what it returns takes it back. */
function take(states: States, { key, after }: Step): () => void {
  const known = states.has(key);
  const before = states.get(key);
  states.set(key, after);
  return () => {
    if (known) states.set(key, before);
    else states.delete(key);
  };
}

function stepsOf(change: LoggedChange): Steps {
  const { old, now, layout } = change;
  const identities = [identity(layout)];
  // A row known by its rowid has perhaps a declared key too, and only one row at a time can have that.
  if (layout.logsRowid && layout.key.length > 0) identities.push(layout.key);
  return identities.flatMap((indexes) => {
    const from = old && keyOf(layout.table, indexes, old);
    const to = now && keyOf(layout.table, indexes, now);
    if (from !== undefined && from === to) return [{ key: from, before: old, after: now }];
    return [
      ...(from === undefined ? [] : [{ key: from, before: old, after: undefined }]),
      ...(to === undefined ? [] : [{ key: to, before: undefined, after: now }]),
    ];
  });
}

/** Undefined where a part is NULL: many rows may have that. */
function keyOf(table: string, indexes: readonly number[], image: Image): string | undefined {
  const values = indexes.map((index) => {
    const value = image[index];
    return value instanceof Uint8Array
      ? `blob:${Buffer.from(value).toString('hex')}`
      : `${typeof value}:${String(value)}`;
  });
  const isKey = indexes.every((index) => image[index] !== null);
  return isKey ? `${table}\u0000${indexes.join()}\u0000${values.join('\u0000')}` : undefined;
}

const same = (a: Image | undefined, b: Image | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && sameImage(a, b));

const holds = (states: ReadonlyMap<string, Image | undefined>, { key, before }: Step): boolean =>
  !states.has(key) || same(states.get(key), before);

function isChain(all: readonly Steps[]): boolean {
  const states: States = new Map();
  for (const steps of all) {
    for (const step of steps) {
      if (!holds(states, step)) return false;
      states.set(step.key, step.after);
    }
  }
  return true;
}

/** The state each key was in at first: the one that is left once more than it is come to. Where none is, it may be any. */
function firstStates(all: readonly Steps[]): States {
  const byKey = new Map<string, Step[]>();
  for (const step of all.flat()) {
    const known = byKey.get(step.key);
    if (known === undefined) byKey.set(step.key, [step]);
    else known.push(step);
  }
  const states: States = new Map();
  for (const [key, steps] of byKey) {
    // Counting compares every step with every other; so many changes of one row are not worth it.
    if (steps.length > MANY) {
      states.set(key, steps[0]?.before);
      continue;
    }
    const count = (image: Image | undefined): number =>
      steps.reduce((sum, { before, after }) => sum + (same(before, image) ? 1 : 0) - (same(after, image) ? 1 : 0), 0);
    const first = steps.find(({ before }) => count(before) > 0);
    if (first !== undefined) states.set(key, first.before);
  }
  return states;
}
