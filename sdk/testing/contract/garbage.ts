/** Whether objects that nobody should hold any more can be collected. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { turns } from '../test-host.ts';

/** Collections tried before an object counts as held. */
const ATTEMPTS = 10;

/** The garbage collector, with or without `node --expose-gc`; undefined where it cannot be had. */
export function garbageCollector(): (() => void) | undefined {
  const given: unknown = globalThis.gc;
  if (typeof given === 'function') return given as () => void;
  try {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('gc');
    return typeof gc === 'function' ? (gc as () => void) : undefined;
  } catch {
    return undefined;
  }
}

/** How many of the objects are still in memory after collecting. */
export async function heldAfter(collect: () => void, refs: readonly WeakRef<object>[]): Promise<number> {
  let held = refs.length;
  for (let attempt = 0; attempt < ATTEMPTS && held > 0; attempt++) {
    // What a job has looked at through a WeakRef stays until the job ends.
    await turns();
    collect();
    held = refs.filter((ref) => ref.deref() !== undefined).length;
  }
  return held;
}
