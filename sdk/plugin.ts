/**
 * `glyphcase/sdk`: what a plugin's author imports. Loads no database.
 *
 * The built-in plugins use this door and no other.
 */
import type { PluginContext, PluginDefinition } from '../kernel/plugins/types.ts';

export { ERRORS, GlyphError, isOutside, messageOf } from '../kernel/errors.ts';
export type { ErrorCode, ErrorDetails } from '../kernel/errors.ts';
export { quoteName, quoteText, sameName } from '../kernel/sql/identifiers.ts';
export {
  alteredTable,
  containsPragma,
  firstKeyword,
  isKeyword,
  isSchemaChange,
  literalise,
  nameOf,
  sqlLiteral,
  statements,
  tokenize,
} from '../kernel/sql/index.ts';
export type { Token } from '../kernel/sql/index.ts';
export { describeProblems, didYouMean, validate } from '../kernel/schema/validate.ts';
export type { Problem } from '../kernel/schema/validate.ts';
export { formatDuration, parseDuration } from '../kernel/durations.ts';
export { Operations } from '../kernel/operations.ts';
export { withTimeLimit } from '../kernel/time-limit.ts';
export { isBusy } from '../kernel/database/errors.ts';
export { allExactRaw, toSqlParams, toSqlValue } from '../kernel/database/values.ts';
export type { Access, AccessCheck, TableWrite, WriteOperation } from '../kernel/access/access.ts';
export type { Rows } from '../kernel/database/rows.ts';
export type { Clock, Timer } from '../kernel/clock.ts';
export type { Logger } from '../kernel/logger.ts';
export type {
  Database,
  Params,
  Row,
  Source,
  SqlValue,
  Transaction,
  TransactionOptions,
} from '../kernel/database/types.ts';
export type { Hook, KernelHooks, RowTarget, TapOptions } from '../kernel/hooks.ts';
export type { Events, LeaseTerm, SkillStateChange, SlowStatement } from './events.ts';
export type { StateChange as PluginStateChange } from '../kernel/plugins/state.ts';
export type {
  Batch,
  CapsuleService,
  CapsuleStats,
  ChangeEvent,
  EventHandler,
  SubscribeOptions,
  Subscription,
  SubscriptionStats,
  Watcher,
} from '../plugins/capsule/types.ts';
export type { LiveService, LiveStats, QueryWatcher } from '../plugins/live/types.ts';
export type { SkillReport, SkillsService } from '../plugins/skills/types.ts';
export type { HostFunction, LuaFunction, LuaValue } from '../plugins/lua/types.ts';
export type { CallLua, LuaExtension, LuaExtensionInstance, SkillHandle } from '../plugins/skills/extensions.ts';
export type {
  Bus,
  Disposer,
  Duration,
  JsonSchema,
  PluginContext,
  PluginDefinition,
  PluginReport,
  Reset,
  Rollback,
  RouteHandler,
  RouteParams,
  RowBatch,
  RowChange,
  Scope,
  ScopeReport,
  UnitState,
  Versions,
  WatchOptions,
} from '../kernel/plugins/types.ts';

/**
 * Declares a plugin and lets TypeScript check its config, and the state that `snapshot` returns and `ctx.state` holds.
 *
 * @example
 * ```ts
 * export default definePlugin<{ prefix: string }>({
 *   name: 'greeter', version: '1.0.0',
 *   config: { type: 'object', properties: { prefix: { type: 'string', default: 'Hello' } } },
 *   activate(ctx) { ctx.log.info(`${ctx.config.prefix}, I am awake`); },
 * });
 * ```
 */
export function definePlugin<Config = unknown, State = unknown>(
  definition: PluginDefinition<Config, State> & { snapshot?(ctx: PluginContext<Config, State>): State },
): PluginDefinition<Config, State> {
  return definition;
}
