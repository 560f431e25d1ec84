/** What every part of the plugin works with: the services it uses, and its own shared objects. Made once, in index.ts. */
import type { LuaService, LuaValue } from '../../sdk/lua-types.ts';
import type { CapsuleService } from '../../sdk/capsule-types.ts';
import type { Lasting } from '../../sdk/lasting.ts';
import type { Disposer } from '../../sdk/plugin.ts';
import type { ActionQueue } from './action-queue.ts';
import type { FindPeer } from './dependencies.ts';
import type { ExtensionRegistry } from './extension-registry.ts';
import type { Functions } from './functions.ts';
import type { LogBuffer } from './log-buffer.ts';
import type { SkillStore } from './store.ts';
import type { Permissions } from './types.ts';

/** The plugin's options. */
export interface SkillsConfig {
  /** Folders that hold one folder per skill. */
  readonly dirs: readonly string[];
  /** Whether folders are watched for changes. */
  readonly watch: boolean;
  /** The most any skill gets; undefined grants what its manifest asks for. */
  readonly grants?: Permissions;
  /** Whether network, functions, schema and `"*"` wait until somebody has enabled the skill by hand. */
  readonly confirm: boolean;
  /** Values of `glyphcase.config`, by skill. */
  readonly configs: Readonly<Record<string, unknown>>;
}

/** The part of the service `actions` that is used here. */
export interface Actions {
  dispatch(action: string, payload?: unknown): number;
  on(pattern: string, handler: (payload: unknown, action: string) => unknown): Disposer;
}

/** The part of the service `lease` that is used here. */
export interface Lease {
  mayRun(): boolean;
  want(): void;
}

/** The part of the manager that a skill sees: the other skills. */
export interface Peers {
  readonly find: FindPeer;
  /** Calls a global function of another skill, with that one's permissions, as a part of the open transaction. */
  call(id: string, fn: string, args: readonly unknown[]): readonly LuaValue[];
  /** A skill has begun to run, runs in another version, or runs no more. */
  moved(id: string): void;
}

export interface Runtime {
  readonly ctx: Lasting<SkillsConfig>;
  readonly lua: LuaService;
  readonly capsule: CapsuleService;
  readonly actions: Actions;
  /** Actions that Lua code has dispatched. */
  readonly actionQueue: ActionQueue;
  readonly lease: Lease;
  readonly store: SkillStore;
  readonly functions: Functions;
  /** What other plugins give to Lua. */
  readonly extensions: ExtensionRegistry;
  readonly peers: Peers;
  readonly logs: LogBuffer;
  /** The GlyphCase version, which `engines.glyphcase` is held against. */
  readonly version: string;
}
