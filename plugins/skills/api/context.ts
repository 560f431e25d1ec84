/** What the parts of the Lua API are made from. A part is a function that returns host functions by their Lua names. */
import type { HostFunction, LuaFunction } from '../../../sdk/lua-types.ts';
import { GlyphError } from '../../../sdk/plugin.ts';
import type { Transaction } from '../../../sdk/plugin.ts';
import type { Guard } from '../guard.ts';
import { notesOf } from '../notes.ts';
import type { Notes } from '../notes.ts';
import type { Runtime } from '../runtime.ts';
import type { LogLevel } from '../types.ts';
import type { Listeners } from '../listeners.ts';
import type { Subscriptions } from '../subscriptions.ts';

export interface ApiContext {
  /** The skill's id, or `host`. */
  readonly id: string;
  readonly runtime: Runtime;
  readonly guard: Guard;
  /** How columns declared JSON reach Lua. */
  readonly json: 'text' | 'table';
  /** Host functions it may call. */
  readonly functions: readonly string[];
  mayCall(name: string): boolean;
  /** Throws when the time of the script is over; for what takes long. @throws GC_LUA_TIME */
  checkTime(): void;
  /** What `glyphcase.watch` has subscribed to. */
  readonly subscriptions: Subscriptions;
  /** What `glyphcase.on` listens to. */
  readonly listeners: Listeners;
  /** Skills it may call; undefined for the host's own state, which may call all. */
  readonly dependencies: readonly string[] | undefined;
  log(level: LogLevel, message: string): void;
  /** Remembers Lua's own functions: the one that calls `on_data_changed` for many events, and the one that defines a host function. */
  bind(deliver: LuaFunction, define: LuaFunction): void;
}

export type ApiPart = (api: ApiContext) => Readonly<Record<string, HostFunction>>;

/** The transaction that Lua code runs in. @throws GC_TRANSACTION when it has ended */
export const transactionOf = (api: ApiContext): Transaction => runningTransaction(api.runtime, api.id);

/** The transaction that code of skill `id` runs in. @throws GC_TRANSACTION when it has ended */
export function runningTransaction(runtime: Runtime, id: string): Transaction {
  const { current, sqlite } = runtime.ctx.db;
  if (current === undefined || !sqlite.inTransaction) {
    throw new GlyphError('GC_TRANSACTION', 'The transaction this code runs in has ended', { skill: id });
  }
  return current;
}

export const notesFor = (api: ApiContext): Notes => notesOf(transactionOf(api));
