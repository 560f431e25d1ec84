/**
 * Puts the changes of one row in order where a trigger's nested write was logged before the write that caused it.
 *
 * Invariant: a row's images form a chain (each old image is the previous new image). Rows whose chain is intact are left
 * alone; a broken chain is rebuilt from its images, within one batch of changes, and keeps the places it had in the log.
 */
import type { SqlValue } from '../../sdk/plugin.ts';
import { identity, sameValue } from './images.ts';
import type { LoggedChange } from './images.ts';

/** Returns the changes in causal order; the input when nothing is out of place. */
export function orderByImages(changes: LoggedChange[]): LoggedChange[] {
  const chains = new Map<string, number[]>();
  changes.forEach((change, index) => {
    for (const key of keysOf(change)) {
      const chain = chains.get(key);
      if (chain === undefined) chains.set(key, [index]);
      else if (chain.at(-1) !== index) chain.push(index);
    }
  });
  let result = changes;
  for (const chain of chains.values()) {
    if (chain.length < 2 || isChain(chain.map((index) => result[index] as LoggedChange))) continue;
    const ordered = rebuild(chain.map((index) => result[index] as LoggedChange));
    if (ordered === undefined) continue;
    if (result === changes) result = [...changes];
    ordered.forEach((change, position) => {
      const index = chain[position] as number;
      // The place in the log belongs to the position, so that seq keeps growing.
      result[index] = { ...change, seq: (changes[index] as LoggedChange).seq };
    });
  }
  return result;
}

function keysOf(change: LoggedChange): readonly string[] {
  const at = identity(change.layout);
  const key = (image: readonly SqlValue[] | undefined): string | undefined =>
    image &&
    `${change.layout.table}\u0000${at.map((index) => `${typeof image[index]}:${String(image[index])}`).join('\u0000')}`;
  return [key(change.old), key(change.now)].filter((text) => text !== undefined);
}

const follows = (later: LoggedChange, earlier: LoggedChange): boolean =>
  later.old === undefined ? earlier.now === undefined : earlier.now !== undefined && sameImages(earlier.now, later.old);

function isChain(chain: readonly LoggedChange[]): boolean {
  return chain.every((change, index) => index === 0 || follows(change, chain[index - 1] as LoggedChange));
}

/** Starts with the change that follows no other, and goes on with the one that follows it. */
function rebuild(chain: readonly LoggedChange[]): LoggedChange[] | undefined {
  const left = new Set(chain);
  const start =
    chain.find((change) => change.op === 1) ??
    chain.find((change) => !chain.some((other) => other !== change && follows(change, other)));
  if (start === undefined) return undefined;
  const ordered = [start];
  left.delete(start);
  while (left.size > 0) {
    const last = ordered.at(-1) as LoggedChange;
    const next = [...left].find((change) => follows(change, last));
    if (next === undefined) return undefined;
    ordered.push(next);
    left.delete(next);
  }
  return ordered;
}

const sameImages = (a: readonly SqlValue[], b: readonly SqlValue[]): boolean =>
  a.length === b.length && a.every((value, index) => sameValue(value, b[index]));
