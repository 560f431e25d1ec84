/**
 * `glyphcase/sdk`: what a plugin's author imports. Loads no database.
 *
 * The built-in plugins use this door and no other.
 */
import type { CommandArguments, CommandOptions, PluginCommand } from '../kernel/plugins/commands.ts';
import type { JsonSchema, PluginContext, PluginDefinition } from '../kernel/plugins/types.ts';
import type { FromSchema } from './schema-types.ts';

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
export type { EventName, EventPayload, Events, LeaseTerm, SkillStateChange, SlowStatement } from './events.ts';
export type { FromSchema } from './schema-types.ts';
export type {
  ActionsService,
  BatchingService,
  LeaseService,
  LuaService,
  SchedulerService,
  Services,
} from './services.ts';
export type {
  ArgumentValues,
  CommandArgument,
  CommandArguments,
  CommandContext,
  CommandOption,
  CommandOptions,
  CommandValue,
  OptionValues,
  PluginCommand,
  PluginCommands,
} from '../kernel/plugins/commands.ts';
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
  PluginsView,
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

/** Stands for a type parameter that was left out. */
declare const unset: unique symbol;
interface Unset {
  readonly [unset]: never;
}
type ConfigOf<Config, Schema> = [Config] extends [Unset] ? FromSchema<Schema> : Config;

/** What {@link definePlugin} takes: a definition whose `config` gives the type of `ctx.config`, its `snapshot` that of `ctx.state`. */
type Declared<Config, State, Schema> = Omit<PluginDefinition<Config, State>, 'config' | 'snapshot'> & {
  readonly config?: Schema;
  /** @see {@link PluginDefinition.snapshot} */
  // Its context has no state, which is gone by then; and the state's type is what it returns.
  snapshot?(ctx: PluginContext<Config, never>): State;
};

/**
 * Declares a plugin and lets TypeScript check it: `ctx.config` has the type that the schema in `config` describes, `ctx.state`
 * the type that `snapshot` returns.
 *
 * The state's type is inferred when `snapshot` takes no parameter, or stands above `activate`. Types given by hand,
 * `definePlugin<Config, State>`, come before those that can be inferred; the state is `unknown` then unless it is given too.
 * @example
 * ```ts
 * export default definePlugin({
 *   name: 'greeter', version: '1.0.0',
 *   config: { type: 'object', properties: { prefix: { type: 'string', default: 'Hello' } } },
 *   activate(ctx) { ctx.log.info(`${ctx.config.prefix}, I am awake`); },
 * });
 * ```
 */
export function definePlugin<Config = Unset, State = unknown, const Schema extends JsonSchema = JsonSchema>(
  definition: Declared<ConfigOf<Config, Schema>, State, Schema>,
): PluginDefinition<ConfigOf<Config, Schema>, State> {
  return definition;
}

/**
 * Declares a command of `glyphcase`, for `commands` in a plugin's definition, and lets TypeScript infer what `run` is given.
 *
 * @example
 * ```ts
 * const greet = defineCommand({
 *   summary: 'greet somebody',
 *   arguments: { name: { summary: 'who it is' } },
 *   options: { times: { summary: 'how often', type: 'integer', default: 1 } },
 *   run: (ctx, { name }, { times }) => ctx.print(`Hello ${name}! `.repeat(times)),
 * });
 * ```
 *
 * The options of the plugin, which are declared elsewhere, have the type that `run` gives its first parameter:
 * @example
 * ```ts
 * const config = { type: 'object', properties: { rate: { type: 'number', default: 20 } } } as const;
 * const rate = defineCommand({
 *   summary: 'print the rate',
 *   run: (ctx: CommandContext<FromSchema<typeof config>>) => ctx.print(ctx.config.rate),
 * });
 * ```
 */
export function defineCommand<
  const Arguments extends CommandArguments,
  const Options extends CommandOptions,
  Config = unknown,
>(command: PluginCommand<Arguments, Options, Config>): PluginCommand<Arguments, Options, Config> {
  return command;
}
