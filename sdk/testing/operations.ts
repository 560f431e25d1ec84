/** What a test may wait for: each operation by the name under which runtime.lua asks for it. */
import { parseDuration } from '../../kernel/durations.ts';
import { GlyphError } from '../../kernel/errors.ts';
import { describeProblems, validate } from '../../kernel/schema/validate.ts';
import type { SkillCopies } from './skill-copies.ts';
import type { SkillHost } from './skill-host.ts';

type Json = Record<string, unknown>;

/** Does what a test has asked for; resolves to what it gets back. @throws what the test is to be told */
export type Perform = (op: string, args: readonly unknown[]) => Promise<unknown>;

export function createOperations(host: SkillHost, copies: SkillCopies): Perform {
  const operations: Readonly<Record<string, (args: readonly unknown[]) => Promise<unknown>>> = {
    flush: () => host.rest(),
    advance: ([duration]) => {
      // In Lua numbers of time are seconds, as in os.time().
      const ms =
        typeof duration === 'number' ? duration * 1000 : parseDuration(duration as string, 'clock.advance: it');
      if (!(ms >= 0)) throw bad('clock.advance: time moves forward; clock.set() moves it back');
      return host.moveClock((rest) => host.clock.advance(ms, rest));
    },
    set: ([time]) => {
      const to = momentOf(time);
      return host.moveClock((rest) => host.clock.set(to, rest));
    },
    call: async ([name, ...args]) => {
      if (typeof name !== 'string' || name === '') throw bad('skill.call: the name of a function is needed');
      const result = await host.callSkill(name, args);
      return result;
    },
    reload: async ([version]) => {
      if (version !== undefined && version !== null) {
        if (typeof version !== 'string') throw bad('skill.reload: the version must be a text such as "1.2.0"');
        copies.change({ version });
      }
      await host.reload();
    },
    config: async ([values]) => {
      copies.change({ config: checkedConfig(copies, values) });
      if (host.report !== undefined) await host.reload();
    },
  };
  return async (op, args) => await operations[op]?.(args);
}

function momentOf(time: unknown): number {
  const moment = typeof time === 'number' ? time * 1000 : typeof time === 'string' ? Date.parse(time) : NaN;
  if (Number.isFinite(moment)) return moment;
  throw bad('clock.set: a time in seconds, or a text such as "2026-03-29T01:30:00Z", is needed');
}

/** @throws GC_BAD_OPTION for a key or a value that the manifest's schema does not allow */
function checkedConfig({ manifest }: SkillCopies, values: unknown): Json {
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw bad('skill.config: a table of values is needed');
  if (manifest.config === undefined) return values as Json;
  const checked = validate(manifest.config, structuredClone(values), { what: 'key' });
  if (checked.problems === undefined) return values as Json;
  throw new GlyphError('GC_BAD_OPTION', `skill.config: ${describeProblems(checked.problems)}`);
}

const bad = (message: string): GlyphError => new GlyphError('GC_BAD_ARGUMENT', message);
