/**
 * What happens around a skill under test: actions that were sent, functions of the host that were called, and the fakes
 * that answer for them.
 *
 * Invariant: a fake of the test runs in the test's own Lua state, at once, within the call of the skill.
 */
import { GlyphError } from '../../kernel/errors.ts';
import type { LuaValue } from '../../sdk/lua-types.ts';
import type { SkillsService } from '../../plugins/skills/types.ts';
import { matchesAction } from '../../plugins/actions/index.ts';

interface Sent {
  readonly action: string;
  readonly payload: unknown;
}

interface Answer {
  readonly ok: boolean;
  readonly value: unknown;
}

export class Recorder {
  readonly #skills: SkillsService;
  readonly #sent: Sent[] = [];
  readonly #calls = new Map<string, (readonly unknown[])[]>();
  readonly #faked = new Set<string>();
  #answer: Answer | undefined;

  constructor(skills: SkillsService) {
    this.#skills = skills;
  }

  actionSent(action: string, payload: unknown): void {
    this.#sent.push({ action, payload });
  }

  /** Actions that fit the pattern, oldest first; all of them without one. */
  sent(pattern: string | undefined): readonly Sent[] {
    return this.#sent.filter(({ action }) => pattern === undefined || matchesAction(pattern, action));
  }

  /** Arguments of each call of a function, oldest first. @throws GC_NO_SUCH_FUNCTION for one that the host does not have */
  calls(name: string): readonly (readonly unknown[])[] {
    const calls = this.#calls.get(name);
    if (calls !== undefined) return calls;
    throw new GlyphError('GC_NO_SUCH_FUNCTION', `host.calls: the host has no function "${name}"`, {
      hint: 'Name it under permissions.functions in manifest.json, or define host.functions.NAME in the test.',
    });
  }

  /** Gives the host a function that notes its calls and answers nil. */
  stub(name: string): void {
    if (this.#calls.has(name)) return;
    this.#calls.set(name, []);
    this.#skills.registerFunction(name, (...args) => this.#call(name, args));
  }

  /** The test answers for the function from now on. */
  fake(name: string): void {
    this.#faked.add(name);
    this.stub(name);
  }

  /** What the fake under way has answered. */
  answer(ok: boolean, value: LuaValue | undefined): void {
    this.#answer = { ok, value: value ?? null };
  }

  #call(name: string, args: readonly unknown[]): unknown {
    this.#calls.get(name)?.push(args);
    if (!this.#faked.has(name)) return undefined;
    this.#answer = undefined;
    let failed: unknown;
    // Inside the transaction of whoever calls, this has run when it returns its promise.
    this.#skills.callFunction('__testing_fake', name, ...args).catch((error: unknown) => (failed = error));
    const answer = this.#answer as Answer | undefined;
    this.#answer = undefined;
    if (answer === undefined) throw new Error(`host.functions.${name} did not answer`, { cause: failed });
    if (!answer.ok) throw new Error(String(answer.value));
    return answer.value;
  }
}
