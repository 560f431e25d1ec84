/**
 * The options of `new GlyphCase`: types, defaults and checks.
 *
 * Invariant: a misspelt or wrong option is refused with its path and the nearest right name; nothing is ignored in silence.
 */
import type { Clock } from '../kernel/clock.ts';
import { describeProblems, validate } from '../kernel/schema/validate.ts';
import { GlyphError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/logger.ts';
import { DEFAULT_LIMITS } from '../kernel/plugins/host-types.ts';
import type { JsonSchema } from '../kernel/plugins/types.ts';
import { describe } from '../kernel/database/values.ts';
import { readPlugins } from './plugin-files/options.ts';
import type { CheckedPlugins, PluginOption } from './plugin-files/options.ts';
import type { SchemaDefinition } from './schema.ts';

/** What a skill may be granted; the same shape as `permissions` in its manifest. */
export interface Permissions {
  readonly database?: {
    readonly read?: readonly string[];
    readonly write?: readonly string[];
    readonly schema?: readonly string[];
    readonly recursive?: boolean;
  };
  readonly actions?: { readonly dispatch?: readonly string[]; readonly listen?: readonly string[] };
  readonly functions?: readonly string[];
  readonly network?: readonly string[];
  readonly schedule?: boolean;
  readonly hooks?: readonly string[];
}

export interface CapsuleOptions {
  /** @defaultValue true */
  readonly enabled?: boolean;
  /** Longest wait before a batch is delivered, in ms; 0 delivers at the next microtask. @defaultValue 100 */
  readonly batchInterval?: number;
  /** Events after which a batch is delivered without waiting. @defaultValue 100 */
  readonly batchSize?: number;
  /** Days for which delivered changes are kept. @defaultValue 7 */
  readonly retentionDays?: number;
  /** Bytes the change log may take. */
  readonly maxLogBytes?: number;
  /** Days after which changes go even if a durable subscriber still needs them; it is told. @defaultValue 90 */
  readonly hardRetentionDays?: number;
  /** SQLite file that pruned changes are copied to. */
  readonly archive?: string;
}

export interface SkillsOptions {
  /** Folder, or folders, that hold one folder per skill. */
  readonly dir: string | readonly string[];
  /** Loads, reloads and unloads skills as their folders change. @defaultValue true */
  readonly watch?: boolean;
  /** The most any skill gets, whatever its manifest asks for. */
  readonly grants?: Permissions;
  /**
   * Lets skills that ask for network, functions, schema or `"*"` wait until somebody enables them by hand.
   * @defaultValue false
   */
  readonly confirm?: boolean;
  /** `glyphcase.config` of each skill, by its id. */
  readonly configs?: Readonly<Record<string, unknown>>;
  /** Public ed25519 keys (PEM, base64 or files): with a list, even an empty one, only what they signed is installed. */
  readonly trustedKeys?: readonly string[];
}

export interface SchedulerOptions {
  /** Of cron jobs that name none: an IANA name such as `Europe/Berlin`. @defaultValue that of the process */
  readonly timezone?: string;
}

/** How long the phases of plugins may take, and how often they may fail. Times are ms. */
export interface PluginLimitOptions {
  /** Longest `activate`. @defaultValue 10000 */
  readonly activate?: number;
  /** Longest `deactivate`. @defaultValue 5000 */
  readonly deactivate?: number;
  /** Longest run of one function given to `ctx.defer`. @defaultValue 2000 */
  readonly dispose?: number;
  /** How often a failed activation is tried again before the plugin is quarantined. @defaultValue 5 */
  readonly retries?: number;
  /** For how long after a reload a version can be taken back; 0 never takes one back. @defaultValue 10000 */
  readonly probation?: number;
  /** Failures within its probation after which it is. @defaultValue 3 */
  readonly probationErrors?: number;
  /** Failures within `errorWindow` after which a plugin is quarantined. @defaultValue 5 */
  readonly errors?: number;
  /** @defaultValue 60000 */
  readonly errorWindow?: number;
}

/** Options of {@link GlyphCase}, beside the file name. */
export interface GlyphCaseOptions {
  readonly schema?: SchemaDefinition;
  readonly capsule?: CapsuleOptions;
  readonly skills?: SkillsOptions | false;
  readonly scheduler?: SchedulerOptions;
  readonly lua?: { readonly limits?: { readonly time?: string | number; readonly memory?: string | number } };
  /** Definitions, files, folders of plugins, packages; loaded in this order, definitions first. */
  readonly plugins?: readonly PluginOption[];
  readonly pluginLimits?: PluginLimitOptions;
  /** Told of slow statements, emissions, failures and lifecycle changes. Silent by default. */
  readonly logger?: Logger;
  /** Statements slower than this are counted and logged, in ms. @defaultValue 100 */
  readonly slowQueryMs?: number;
  /** How long to wait for another program's write lock, in ms. @defaultValue 5000 */
  readonly busyTimeout?: number;
  /** For tests: the time. */
  readonly clock?: Clock;
}

/** Options of {@link GlyphCase}. */
export interface GlyphCaseConfig extends GlyphCaseOptions {
  /** Path of the SQLite file, or `:memory:`. */
  readonly filename: string;
}

const strings: JsonSchema = { type: 'array', items: { type: 'string' } };

const permissions: JsonSchema = {
  type: 'object',
  properties: {
    database: {
      type: 'object',
      properties: { read: strings, write: strings, schema: strings, recursive: { type: 'boolean' } },
    },
    actions: { type: 'object', properties: { dispatch: strings, listen: strings } },
    functions: strings,
    network: strings,
    schedule: { type: 'boolean' },
    hooks: strings,
  },
};

/** Longer ones a timer of Node.js fires at once. */
const LONGEST_MS = 2 ** 31 - 1;
const time = (minimum: number, ms: number): JsonSchema => ({
  type: 'number',
  minimum,
  maximum: LONGEST_MS,
  default: ms,
});

const optionsSchema: JsonSchema = {
  type: 'object',
  properties: {
    filename: { type: 'string', minLength: 1 },
    capsule: {
      type: 'object',
      default: {},
      properties: {
        enabled: { type: 'boolean', default: true },
        batchInterval: { type: 'number', minimum: 0, default: 100 },
        batchSize: { type: 'integer', minimum: 1, default: 100 },
        retentionDays: { type: 'number', minimum: 0, default: 7 },
        maxLogBytes: { type: 'integer', minimum: 1 },
        hardRetentionDays: { type: 'number', minimum: 0, default: 90 },
        archive: { type: 'string', minLength: 1 },
      },
    },
    skills: {
      type: 'object',
      required: ['dir'],
      properties: {
        dir: { type: ['string', 'array'], minLength: 1, items: { type: 'string', minLength: 1 } },
        watch: { type: 'boolean', default: true },
        grants: permissions,
        confirm: { type: 'boolean', default: false },
        configs: { type: 'object', default: {} },
        trustedKeys: { type: 'array', items: { type: 'string', minLength: 1 } },
      },
    },
    scheduler: { type: 'object', properties: { timezone: { type: 'string', minLength: 1 } } },
    lua: {
      type: 'object',
      properties: {
        limits: {
          type: 'object',
          properties: { time: { type: ['string', 'number'] }, memory: { type: ['string', 'number'] } },
        },
      },
    },
    pluginLimits: {
      type: 'object',
      default: {},
      properties: {
        activate: time(1, DEFAULT_LIMITS.activate),
        deactivate: time(1, DEFAULT_LIMITS.deactivate),
        dispose: time(1, DEFAULT_LIMITS.dispose),
        retries: { type: 'integer', minimum: 0, default: DEFAULT_LIMITS.retries },
        probation: time(0, DEFAULT_LIMITS.probation),
        probationErrors: { type: 'integer', minimum: 1, default: DEFAULT_LIMITS.probationErrors },
        errors: { type: 'integer', minimum: 1, default: DEFAULT_LIMITS.errors },
        errorWindow: time(1, DEFAULT_LIMITS.errorWindow),
      },
    },
    slowQueryMs: { type: 'number', minimum: 0, default: 100 },
    busyTimeout: { type: 'number', minimum: 0, default: 5000 },
  },
};

/** Options with their defaults. */
export interface CheckedConfig extends Omit<GlyphCaseConfig, 'plugins'> {
  readonly capsule: Required<Omit<CapsuleOptions, 'maxLogBytes' | 'archive'>> & CapsuleOptions;
  readonly plugins: CheckedPlugins;
  readonly pluginLimits: Required<PluginLimitOptions>;
  readonly slowQueryMs: number;
  readonly busyTimeout: number;
}

/** Reads the constructor's arguments. @throws GC_BAD_ARGUMENT, GC_BAD_OPTION with path and suggestion; GC_BAD_PLUGIN for a path where no plugin is. */
export function readConfig(first: unknown, second: unknown): CheckedConfig {
  const given: unknown = typeof first === 'string' ? { ...asObject(second ?? {}, 'options'), filename: first } : first;
  const config = asObject(given, 'The first argument');
  if (config['filename'] === undefined) {
    throw new GlyphError('GC_BAD_OPTION', 'new GlyphCase() needs the name of a SQLite file', {
      hint: "new GlyphCase('app.db'), or ':memory:' for a database that is gone with the process.",
    });
  }
  const { schema, plugins, logger, clock, skills, ...rest } = config;
  const plain = skills === false || skills === undefined ? rest : { ...rest, skills };
  const checked = validate<CheckedConfig>(optionsSchema, plain, { what: 'option' });
  if (checked.problems !== undefined) {
    throw new GlyphError('GC_BAD_OPTION', `new GlyphCase(): ${describeProblems(checked.problems)}`);
  }
  // What the JSON Schema cannot see: functions, and what is checked elsewhere.
  const objects = { schema, logger, clock };
  for (const [name, value] of Object.entries(objects)) {
    if (value !== undefined && (typeof value !== 'object' || value === null)) {
      throw new GlyphError('GC_BAD_OPTION', `new GlyphCase(): the option ${name} cannot be ${describe(value)}`);
    }
  }
  if (plugins !== undefined && !Array.isArray(plugins)) {
    throw new GlyphError('GC_BAD_OPTION', `new GlyphCase(): the option plugins cannot be ${describe(plugins)}`, {
      hint: "Give a list: plugins: ['./plugins/metrics.ts']",
    });
  }
  const present = Object.fromEntries(Object.entries(objects).filter(([, value]) => value !== undefined));
  return { ...checked.value, ...present, plugins: readPlugins(plugins as GlyphCaseOptions['plugins']) };
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new GlyphError(
    'GC_BAD_ARGUMENT',
    `new GlyphCase(): ${what} must be a file name or an object, not ${describe(value)}`,
  );
}
