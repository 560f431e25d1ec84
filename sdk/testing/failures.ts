/**
 * Turns what ended a test into a {@link SkillTestFailure}.
 *
 * Invariant: the place is one in the skill's own folder whenever there is one, and a failure that came from the skill
 * carries the skill's traceback.
 */
import { ERRORS, GlyphError, messageOf } from '../../kernel/errors.ts';
import { tracebackOf } from '../../plugins/skills/traceback.ts';
import type { SkillTestFailure } from './types.ts';

/** What runtime.lua tells of a failed part of a test. */
export interface LuaFailure {
  readonly message: string;
  readonly stack: readonly string[];
  readonly expected?: string;
  readonly actual?: string;
}

const PLACE = /^([\w./-]+\.lua):(\d+): /;

/** @param errors those of the host that the test was told of, one of which may be behind it */
export function failureOfLua(failure: LuaFailure, errors: readonly Error[]): SkillTestFailure {
  const { message, stack, expected, actual } = failure;
  const origin = errors.findLast((error) => message.endsWith(error.message));
  return {
    ...placed(message, stack),
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
    stack,
    ...about(origin),
  };
}

/** A failure of the host's: a stretch of Lua that was stopped, a commit that was refused, a skill that did not start. */
export function failureOfHost(thrown: unknown): SkillTestFailure {
  // A coroutine that was stopped does not say where; what it was resumed from is no place of the author's.
  const message = messageOf(thrown)
    .replace("'host_state' ran longer", 'it ran longer')
    .replace(/^testing:\d+: /, '');
  return { ...placed(message, []), stack: [], ...about(thrown) };
}

function placed(message: string, stack: readonly string[]): Pick<SkillTestFailure, 'message' | 'file' | 'line'> {
  const inMessage = PLACE.exec(message);
  if (inMessage !== null) {
    return { message: message.slice(inMessage[0].length), file: inMessage[1] ?? '', line: Number(inMessage[2]) };
  }
  const [, file = 'test.lua', line = '0'] = /^(.+):(\d+)$/.exec(stack[0] ?? '') ?? [];
  return { message, file, line: Number(line) };
}

function about(thrown: unknown): Pick<SkillTestFailure, 'traceback' | 'code' | 'hint'> {
  if (!(thrown instanceof GlyphError)) return { traceback: [] };
  const { code, hint } = thrown;
  // The hint that every error of the code has says nothing that the place does not.
  return { traceback: tracebackOf(thrown), code, ...(hint === ERRORS[code] ? {} : { hint }) };
}
