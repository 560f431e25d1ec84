/** What every part of the plugin works with: the services it uses, and its own shared objects. Made once, in index.ts. */
import type { LuaService } from '../../sdk/lua-types.ts';
import type { CapsuleService } from '../../sdk/capsule-types.ts';
import type { PluginContext } from '../../sdk/plugin.ts';
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
}

/** The part of the service `lease` that is used here. */
export interface Lease {
  mayRun(): boolean;
  want(): void;
}

export interface Runtime {
  readonly ctx: PluginContext<SkillsConfig>;
  readonly lua: LuaService;
  readonly capsule: CapsuleService;
  readonly actions: Actions;
  readonly lease: Lease;
  readonly store: SkillStore;
  readonly functions: Functions;
  /** What other plugins give to Lua. */
  readonly extensions: ExtensionRegistry;
  readonly logs: LogBuffer;
  /** The GlyphCase version, which `engines.glyphcase` is held against. */
  readonly version: string;
}
