/**
 * Drives the parts of a test.lua: each runs as a coroutine, and what it waits for is done between two transactions.
 *
 * Invariant: a part has ended when `runPart` resolves, whatever the host or the skill did.
 */
import { failureOfHost, failureOfLua } from './failures.ts';
import type { LuaFailure } from './failures.ts';
import type { Perform } from './operations.ts';
import type { SkillHost } from './skill-host.ts';
import type { SkillTestFailure } from './types.ts';

export interface ListedTest {
  readonly name: string;
  readonly line: number;
}

/** Where a part stands: it waits for something, has failed, or has ended well. */
interface Step {
  readonly op?: string;
  readonly args?: readonly unknown[];
  readonly failure?: LuaFailure;
}

/** The tests that test.lua defines, in its order. */
export async function listTests(host: SkillHost): Promise<readonly ListedTest[]> {
  const list = (await host.call('__testing_list')) as readonly { readonly name: string; readonly place: string }[];
  return list.map(({ name, place }) => ({ name, line: Number(/:(\d+):/.exec(place)?.[1] ?? 0) }));
}

/** Runs the setup functions, the before_each functions, or one test (from 1). @returns how it failed, if it did */
export async function runPart(
  host: SkillHost,
  perform: Perform,
  part: 'setup' | 'before' | number,
): Promise<SkillTestFailure | undefined> {
  const told: Error[] = [];
  try {
    const [what, index] = typeof part === 'number' ? ['test', part] : [part, 0];
    let step = (await host.call('__testing_start', what, index)) as Step;
    while (step.op !== undefined) {
      const [ok, value] = await attempt(() => perform(step.op ?? '', step.args ?? []), told);
      step = (await host.call('__testing_resume', ok, value)) as Step;
    }
    return step.failure === undefined ? undefined : failureOfLua(step.failure, told);
  } catch (error) {
    return failureOfHost(error);
  }
}

async function attempt(fn: () => Promise<unknown>, told: Error[]): Promise<readonly [boolean, unknown]> {
  try {
    return [true, await fn()];
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    told.push(error);
    return [false, error.message];
  }
}
