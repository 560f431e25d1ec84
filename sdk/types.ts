/** The types of the public API, gathered. */
import type { CapsuleStats } from '../plugins/capsule/types.ts';
import type { SkillReport } from '../plugins/skills/types.ts';
import type { FilePluginReport } from './manager-types.ts';

export type { ActionHandler } from '../plugins/actions/index.ts';
export type {
  Batch,
  CapsuleStats,
  ChangeEvent,
  EventHandler,
  Explanation,
  PruneReport,
  RepairReport,
  Reset,
  SubscribeOptions,
  Subscription,
  SubscriptionStats,
  Watcher,
} from '../plugins/capsule/types.ts';
export type { QueryWatcher } from '../plugins/live/types.ts';
export type { Logger } from '../kernel/logger.ts';
export type { Clock } from '../kernel/clock.ts';
export type { Params, Row, Source, SqlValue, Transaction } from '../kernel/database/types.ts';
export type { Key } from '../kernel/database/rows.ts';
export type { PluginDefinition, PluginReport, UnitState } from '../kernel/plugins/types.ts';
export type {
  CapsuleOptions,
  GlyphCaseConfig,
  GlyphCaseOptions,
  Permissions,
  PluginLimitOptions,
  SchedulerOptions,
  SkillsOptions,
} from './config.ts';
export type { DefinedPlugin, PluginFolder, PluginOption, PluginPackages, PluginPath } from './plugin-files/options.ts';
export type { FilePluginReport } from './manager-types.ts';
export type { ColumnDef, IndexDef, ReferenceAction, SchemaDefinition, TableDef, TriggerDef } from './schema.ts';

/** Every plugin and skill with its state, reason and timings. */
export interface StartReport {
  readonly plugins: readonly FilePluginReport[];
  readonly skills: readonly SkillReport[];
  /** From the constructor's call to now, in ms. */
  readonly ms: number;
}

/** What {@link GlyphCase.stats} tells. Sizes are bytes. */
export interface Stats extends CapsuleStats {
  readonly slowQueries: number;
  readonly memory: { readonly rss: number; readonly heapUsed: number };
}

/** Options of the sync plugin; see the specification, section 6.3. */
export interface SyncConfig {
  readonly enabled: boolean;
  readonly endpoint: string;
  /** Milliseconds between two rounds. */
  readonly interval: number;
  readonly conflictResolution: 'last-write-wins' | 'custom';
  readonly conflictResolver?: (local: unknown, remote: unknown) => unknown;
  readonly tables?: readonly string[];
  readonly exclude?: readonly string[];
  readonly maxRetries: number;
  readonly retryDelay: number;
  readonly compression: 'gzip' | 'brotli' | 'none';
  readonly encryption?: {
    readonly enabled: boolean;
    readonly algorithm: 'AES-256-GCM';
    readonly keyDerivation: 'PBKDF2';
  };
}

/** What one round of sync did. */
export interface SyncResult {
  readonly pushed: number;
  readonly pulled: number;
  readonly conflicts: number;
}
