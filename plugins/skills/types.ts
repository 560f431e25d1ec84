/**
 * What the plugin `skills` offers: skills by id, their states and reasons, and Lua for the host itself.
 *
 * The public shapes are the contract of docs/api.md; the service is versioned as `skills`.
 */
import type { Disposer, UnitState } from '../../sdk/plugin.ts';
import type { LuaExtension } from './extensions.ts';

/** What a skill asks for in its manifest, and what a host grants at most. `"*"` stands for every table (but internal ones), function or host. */
export interface Permissions {
  readonly database?: {
    readonly read?: readonly string[];
    readonly write?: readonly string[];
    /** Tables, views and virtual tables it may create, alter and drop beside plain tables of its own. */
    readonly schema?: readonly string[];
    /** Recursive queries, which no time limit can stop. */
    readonly recursive?: boolean;
  };
  readonly actions?: { readonly dispatch?: readonly string[]; readonly listen?: readonly string[] };
  readonly functions?: readonly string[];
  readonly network?: readonly string[];
  readonly schedule?: boolean;
  readonly hooks?: readonly string[];
}

/** A table a skill reacts to. */
export interface ManifestWatch {
  readonly table: string;
  readonly filter?: string;
}

/** `manifest.json`, with defaults filled in. */
export interface Manifest {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly author?: string;
  readonly license?: string;
  readonly engines?: { readonly glyphcase?: string };
  readonly main: string;
  readonly watches: readonly (string | ManifestWatch)[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly permissions: Permissions;
  readonly limits: { readonly memory?: string | number; readonly time?: string | number };
  readonly config?: Readonly<Record<string, unknown>>;
  /** How columns declared JSON reach Lua. */
  readonly json: 'text' | 'table';
}

/** One line of `skills.list()`. */
export interface SkillReport {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly state: UnitState;
  /** Why it is not active, or what is wrong with its newest files, in sentences; empty when all is well. */
  readonly reasons: readonly string[];
  /** The last failure, until it is overcome. A broken edit leaves it here while the running version stays active. */
  readonly error?: Error;
  /** When a failed one is tried again, Unix epoch in ms. */
  readonly retryAt?: number;
  /** Its folder. */
  readonly dir: string;
  readonly activatedInMs?: number;
  /** Memory its Lua state holds now, in bytes. */
  readonly memoryBytes?: number;
  /** The last change (`seq`) its `on_data_changed` has handled. */
  readonly cursor?: number;
  /** Calls of `on_data_changed` that were committed since the host started. */
  readonly reactions: number;
  /** Failures since its last success. */
  readonly failures: number;
  /** Tables its manifest watches. */
  readonly watches: readonly string[];
  /** What it was granted. */
  readonly permissions: Permissions;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One line a skill logged, or GlyphCase logged about it. */
export interface SkillLogLine {
  readonly skill: string;
  /** Unix epoch in ms. */
  readonly at: number;
  readonly level: LogLevel;
  readonly message: string;
}

export interface VersionOptions {
  /** Also when the version is older than the one that has run on this database. @defaultValue false */
  readonly force?: boolean;
}

/** A host function that Lua may call: synchronous; arguments and result are copied. */
export type RegisteredFunction = (...args: unknown[]) => unknown;

/** The service `skills`. It emits `skill:state` ({ id, from, to }), `skill:reacted` ({ id, events, ms }) and, inside the transaction that removes a skill's data, `skill:uninstalling` ({ id }). */
export interface SkillsService {
  /** State, reasons and counts of every skill. */
  list(): readonly SkillReport[];
  /** The same of one; undefined when there is none of this id. */
  get(id: string): SkillReport | undefined;
  /** Why a skill is in its state, in sentences. @throws GC_NO_SUCH_SKILL */
  why(id: string): readonly string[];
  /** Loads the skill in a folder, wherever it lies; resolves when it is active or it is known why not. @throws GC_BAD_ARGUMENT */
  load(folder: string, options?: VersionOptions): Promise<SkillReport>;
  /** Deactivates a skill and forgets it; its data and its place in the log stay. @throws GC_NO_SUCH_SKILL */
  unload(id: string): Promise<void>;
  /** Reads the folder again, also when nothing changed. @throws GC_NO_SUCH_SKILL */
  reload(id: string, options?: VersionOptions): Promise<SkillReport>;
  /** Lets a disabled or quarantined skill run again, and approves what its manifest asks for. @throws GC_NO_SUCH_SKILL */
  enable(id: string): Promise<SkillReport>;
  /** Stops a skill for good: also after a restart. @throws GC_NO_SUCH_SKILL */
  disable(id: string): Promise<SkillReport>;
  /**
   * Stops a skill and removes its data, once and for all: `on_uninstall`, its own tables, its place in the log. Its folder is
   * the caller's to delete. Works for one whose folder is gone, too. @throws GC_NO_SUCH_SKILL, GC_LOCKED
   */
  uninstall(
    id: string,
    options?: { /** Only stops it, as `unload` does. */ readonly keepData?: boolean },
  ): Promise<void>;
  /** Calls a global function of an active skill, in a transaction. @throws GC_NO_SUCH_SKILL, GC_NO_SUCH_FUNCTION, GC_LUA … */
  call(id: string, fn: string, ...args: readonly unknown[]): Promise<unknown>;
  /** Runs a script in the host's own state, in a transaction. @throws GC_LUA, GC_LUA_SYNTAX, GC_LUA_TIME, GC_LUA_MEMORY */
  execute(source: string, options?: { readonly name?: string }): Promise<unknown>;
  /** Calls a global function of the host's own state, in a transaction. @throws GC_NO_SUCH_FUNCTION, GC_LUA … */
  callFunction(name: string, ...args: readonly unknown[]): Promise<unknown>;
  /** Makes a function callable from the host's state and from skills that list it under `permissions.functions`. @throws GC_BAD_ARGUMENT */
  registerFunction(name: string, fn: RegisteredFunction): Disposer;
  /**
   * Gives functions to the Lua of every skill and of the host; call what it returns to take them back. Skills that run
   * already are started again; an extension of the same name is replaced. @throws GC_BAD_ARGUMENT
   */
  extend(extension: LuaExtension): Disposer;
  /** Resolves when every skill found at the start is active, or it is known why not. */
  ready(): Promise<void>;
  /** Resolves when nothing is being loaded, reloaded or stopped. */
  settled(): Promise<void>;
  /** The last log lines, oldest first; of one skill or of all. */
  logs(id?: string): readonly SkillLogLine[];
}
