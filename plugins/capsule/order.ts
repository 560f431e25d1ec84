/**
 * Puts changes in order where a trigger's nested write was logged before the write that caused it.
 *
 * Invariant: a row's images form a chain (each old image is the previous new image). Where the log's order is a chain already it
 * is left alone; else the changes of one transaction are taken in the order in which they can have happened, the log's order
 * deciding wherever that leaves a choice. Places in the log stay, so that `seq` keeps growing.
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

/** Returns the changes of one transaction in causal order; the input when nothing is out of place. */
export function orderByImages(changes: readonly LoggedChange[]): readonly LoggedChange[] {
  if (changes.length < 2) return changes;
  const steps = changes.map(stepsOf);
  if (isChain(steps)) return changes;
  const states = firstStates(steps);
  const left = changes.map((_, index) => index);
  const ordered: number[] = [];
  while (left.length > 0) {
    const found = left.findIndex((index) => (steps[index] as Step[]).every((step) => holds(states, step)));
    // Something is missing from the log (a row lost to RAISE(IGNORE)): go on from what was logged.
    const [index] = left.splice(Math.max(found, 0), 1) as [number];
    for (const { key, after } of steps[index] as Step[]) states.set(key, after);
    ordered.push(index);
  }
  return ordered.map((from, to) => ({ ...(changes[from] as LoggedChange), seq: (changes[to] as LoggedChange).seq }));
}

/** An UPDATE of the key takes one row away and makes another. */
function stepsOf(change: LoggedChange): Step[] {
  const { old, now } = change;
  const from = old && keyOf(change, old);
  const to = now && keyOf(change, now);
  if (from !== undefined && from === to) return [{ key: from, before: old, after: now }];
  return [
    ...(from === undefined ? [] : [{ key: from, before: old, after: undefined }]),
    ...(to === undefined ? [] : [{ key: to, before: undefined, after: now }]),
  ];
}

function keyOf({ layout }: LoggedChange, image: Image): string {
  const values = identity(layout).map((index) => {
    const value = image[index];
    return value instanceof Uint8Array
      ? `blob:${Buffer.from(value).toString('hex')}`
      : `${typeof value}:${String(value)}`;
  });
  return `${layout.table}\u0000${values.join('\u0000')}`;
}

const same = (a: Image | undefined, b: Image | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && sameImage(a, b));

const holds = (states: ReadonlyMap<string, Image | undefined>, { key, before }: Step): boolean =>
  !states.has(key) || same(states.get(key), before);

function isChain(all: readonly (readonly Step[])[]): boolean {
  const states = new Map<string, Image | undefined>();
  for (const steps of all) {
    for (const step of steps) {
      if (!holds(states, step)) return false;
      states.set(step.key, step.after);
    }
  }
  return true;
}

/** The state each key was in at first: the one that is left once more than it is come to. */
function firstStates(all: readonly (readonly Step[])[]): Map<string, Image | undefined> {
  const byKey = new Map<string, Step[]>();
  for (const step of all.flat()) {
    const known = byKey.get(step.key);
    if (known === undefined) byKey.set(step.key, [step]);
    else known.push(step);
  }
  const states = new Map<string, Image | undefined>();
  for (const [key, steps] of byKey) {
    // Counting compares every step with every other; so many changes of one row are not worth it.
    if (steps.length > MANY) {
      states.set(key, steps[0]?.before);
      continue;
    }
    const count = (image: Image | undefined): number =>
      steps.reduce((sum, { before, after }) => sum + (same(before, image) ? 1 : 0) - (same(after, image) ? 1 : 0), 0);
    states.set(key, (steps.find(({ before }) => count(before) > 0) ?? steps[0])?.before);
  }
  return states;
}
