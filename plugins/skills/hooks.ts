/**
 * Connects a skill's `before_*` and `validate_*` functions to the kernel's row hooks, for the tables it was granted.
 *
 * Invariants: each call is a savepoint of its own; a skill's hooks do not run for what the skill itself writes from inside
 * one of them; whatever goes wrong in a hook makes the row operation fail, with an error that names skill, file and line.
 */
import type { LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Disposer, RowTarget } from '../../sdk/plugin.ts';
import { describe, isObject } from './api/arguments.ts';
import { withNotes } from './notes.ts';
import { coversTable } from './permissions.ts';
import type { Running } from './running.ts';
import { dataToLua, mergeAnswer, toLua } from './values.ts';

type Data = Record<string, unknown>;

/** The functions a skill may define. */
const NAMES = ['before_insert', 'validate_insert', 'before_update', 'validate_update', 'before_delete'] as const;
export type HookName = (typeof NAMES)[number];

/** Taps the hooks that the skill defines functions for. Returns what takes them off again. */
export function tapHooks(running: Running): Disposer {
  const tables = running.granted.hooks;
  const written = NAMES.filter((name) => running.defines(name));
  const [first] = written;
  if (tables.length === 0 && first !== undefined) {
    running.runtime.logs.add(
      running.id,
      'warn',
      `${first}() is never called. Its manifest.json would need "permissions": { "hooks": ["…"] } with the tables it is for`,
    );
  }
  const defined = tables.length > 0 ? written : [];
  const { hooks } = running.runtime.ctx;
  const caller = new HookCaller(running, tables);
  const name = `skill:${running.id}`;
  const taps = defined.map((hook) => {
    switch (hook) {
      case 'before_insert':
        return hooks.beforeInsert.tap(name, (data, target) => caller.change(hook, data, target, [dataToLua(data)]));
      case 'before_update':
        return hooks.beforeUpdate.tap(name, (data, target) =>
          caller.change(hook, data, target, [toLua(target.id), dataToLua(data)]),
        );
      case 'validate_insert':
        return hooks.validateInsert.tap(name, (target, data) => caller.check(hook, target, [dataToLua(data)]));
      case 'validate_update':
        return hooks.validateUpdate.tap(name, (target, data) =>
          caller.check(hook, target, [toLua(target.id), dataToLua(data)]),
        );
      case 'before_delete':
        return hooks.beforeDelete.tap(name, (target) => caller.check(hook, target, [toLua(target.id)]));
    }
  });
  return () => {
    for (const untap of taps) untap();
  };
}

class HookCaller {
  readonly #running: Running;
  readonly #tables: readonly string[];
  #inside = false;

  constructor(running: Running, tables: readonly string[]) {
    this.#running = running;
    this.#tables = tables;
  }

  /** A hook that may return other data. */
  change(hook: HookName, data: Data, target: RowTarget, args: readonly unknown[]): Data {
    const answer = this.#call(hook, target, args)?.[0];
    if (answer === undefined || answer === null || answer === true) return data;
    if (Array.isArray(answer) ? answer.length > 0 : !isObject(answer)) {
      throw this.#refusal(hook, target, `it returned ${describe(answer)}; a row is needed`);
    }
    return mergeAnswer(data, answer as Readonly<Record<string, LuaValue>>);
  }

  /** A hook that may refuse. */
  check(hook: HookName, target: RowTarget, args: readonly unknown[]): undefined {
    this.#call(hook, target, args);
    return undefined;
  }

  #call(hook: HookName, target: RowTarget, args: readonly unknown[]): readonly LuaValue[] | undefined {
    if (this.#inside || !coversTable(this.#tables, target.table)) return undefined;
    this.#inside = true;
    try {
      const { db } = this.#running.runtime.ctx;
      const results = db.savepoint(() => withNotes(db, () => this.#answer(hook, target, args)));
      this.#running.hookSucceeded();
      return results;
    } catch (error) {
      throw this.#failed(hook, target, error);
    } finally {
      this.#inside = false;
    }
  }

  #answer(hook: HookName, target: RowTarget, args: readonly unknown[]): readonly LuaValue[] {
    const results = this.#running.instance().call(hook, target.table, ...args);
    const [first, why] = results;
    if (first === false) throw this.#refusal(hook, target, typeof why === 'string' ? why : `${hook} returned false`);
    return results;
  }

  /** `error("…")` is how a script refuses; a limit that struck or a permission that is missing stays what it is. */
  #failed(hook: HookName, target: RowTarget, error: unknown): unknown {
    if (!(error instanceof GlyphError) || error.code === 'GC_REFUSED') return error;
    if (error.code === 'GC_LUA') return this.#refusal(hook, target, messageOf(error), error.cause);
    this.#running.hookFailed(error);
    return error;
  }

  #refusal(hook: HookName, { table }: RowTarget, why: string, cause?: unknown): GlyphError {
    const { id } = this.#running;
    const who = why.startsWith('skill ') ? '' : `skill ${id}: `;
    const what = hook.endsWith('insert') ? 'insert into' : hook.endsWith('update') ? 'update of' : 'delete from';
    return new GlyphError('GC_REFUSED', `The ${what} "${table}" was refused: ${who}${why}`, {
      skill: id,
      phase: hook,
      cause,
    });
  }
}
