/**
 * The host's own Lua state, for `executeLuaScript` and `callLuaFunction`.
 *
 * The operator's code: no permissions on tables. It runs in one transaction like a skill's, so what would end that, and
 * internal tables, stay closed. A VACUUM in it runs after that transaction has committed, before the promise resolves.
 * A state that was killed is replaced by an empty one.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import { HOST, Instance } from './instance.ts';
import { inLua, notesOf } from './notes.ts';
import { OperatorGuard } from './operator-guard.ts';
import type { Afterwards } from './operator-guard.ts';
import type { Runtime } from './runtime.ts';
import { toLua } from './values.ts';

export class HostState {
  readonly #runtime: Runtime;
  readonly #guard: OperatorGuard;
  #instance: Instance | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#guard = new OperatorGuard(runtime.ctx.db);
  }

  execute(source: string, name = 'script.lua'): Promise<unknown> {
    if (typeof source !== 'string') return rejected('executeLuaScript() takes the text of a Lua script');
    if (typeof name !== 'string' || name === '') return rejected('executeLuaScript(): the name must be a text');
    return this.#inLua(() => this.#usable().run(source, name));
  }

  call(name: string, args: readonly unknown[]): Promise<unknown> {
    if (typeof name !== 'string' || name === '')
      return rejected('callLuaFunction() takes the name of a global Lua function');
    return this.#inLua(() => this.#usable().call(name, ...args.map(toLua))[0] ?? null);
  }

  /** A function of the host has come. */
  define(name: string): void {
    if (this.#instance?.dead === false) this.#instance.define(name);
  }

  close(): void {
    this.#instance?.close();
    this.#instance = undefined;
  }

  async #inLua<T>(fn: () => T): Promise<T> {
    const { db } = this.#runtime.ctx;
    // Inside the caller's transaction nobody can say when that ends.
    if (db.current !== undefined) return await inLua(db, fn);
    const afterwards: Afterwards = { vacuum: false };
    const result = await inLua(db, () => this.#guard.noting(afterwards, fn));
    if (afterwards.vacuum) await db.alone(() => db.exec('VACUUM'));
    return result;
  }

  #usable(): Instance {
    if (this.#instance?.dead === false) return this.#instance;
    this.#instance?.close();
    const runtime = this.#runtime;
    const instance = new Instance({
      id: HOST,
      runtime,
      guard: this.#guard,
      json: 'text',
      functions: runtime.functions.names,
    });
    this.#instance = instance;
    const { current } = runtime.ctx.db;
    if (current === undefined) instance.goLive();
    else notesOf(current).add({ committed: () => instance.goLive(), rolledBack: () => instance.goLive() });
    return instance;
  }
}

const rejected = (message: string): Promise<never> => Promise.reject(new GlyphError('GC_BAD_ARGUMENT', message));
