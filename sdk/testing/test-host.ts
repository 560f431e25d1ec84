/**
 * `createTestHost`: a kernel with a database, a clock that a test moves by hand, and the built-in plugins that a tested plugin
 * requires.
 *
 * Invariants: nothing is loaded that nobody asked for; when `settled` resolves, what was committed and emitted so far has
 * been handled; `close` leaves nothing behind.
 */
import { systemClock } from '../../kernel/clock.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Database } from '../../kernel/database/types.ts';
import { parseDuration } from '../../kernel/durations.ts';
import { GlyphError } from '../../kernel/errors.ts';
import type { KernelHooks } from '../../kernel/hooks.ts';
import { createKernel } from '../../kernel/kernel.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { PluginHost } from '../../kernel/plugins/host.ts';
import type { Bus, Duration, PluginDefinition, PluginReport } from '../../kernel/plugins/types.ts';
import type { Services } from '../services.ts';
import { VERSION } from '../version.ts';
import { createHostClock, isMovable } from './host-clock.ts';
import { HostRecorder } from './host-recorder.ts';
import type { TestEvent, TestLogLine } from './host-recorder.ts';
import { BUILTINS, providersFor } from './providers.ts';
import type { BuiltinName, StandIns } from './providers.ts';

/** A plugin as it comes from `definePlugin`, whatever its options. */
export type AnyPlugin = PluginDefinition<never> | PluginDefinition;

export interface TestHostOptions {
  /** Path of the SQLite file. @defaultValue ':memory:' */
  readonly db?: string;
  /** At which the clock stands at first. @defaultValue 2026-01-01T00:00:00Z */
  readonly startAt?: Date;
  /** In place of the clock that stands still, such as the machine's own. */
  readonly clock?: Clock | 'system';
  /** Loaded at once: built-in plugins by their names, or definitions. What they require is loaded with them. */
  readonly plugins?: readonly (BuiltinName | AnyPlugin)[];
  /** Options of the plugins by their names, for those that the host loads by itself too. */
  readonly configs?: Readonly<Record<string, unknown>>;
  /** Objects that stand in for services: given to the plugins that name them in `requires` or `optional`. */
  readonly services?: StandIns;
  /** SQL to run before any plugin is loaded. */
  readonly schema?: string;
}

export interface TestHost extends AsyncDisposable {
  /** The database, as plugins see it. */
  readonly db: Database;
  /** The time; move it with {@link advance}. */
  readonly clock: Clock;
  /** The kernel's hooks; call `hooks.boot.call()` and its kin to play the host. */
  readonly hooks: KernelHooks;
  /** The plugin host itself: `load` without waiting, `reload`, `list`, `get`, `why`, `inspect`. */
  readonly plugins: PluginHost;
  /** Everything that was emitted so far, oldest first. */
  readonly events: readonly TestEvent[];
  /** Everything that was logged so far, oldest first. */
  readonly logs: readonly TestLogLine[];
  /**
   * Loads a plugin, after the built-in plugins and stand-ins it requires, and waits until it is active.
   * @throws what made it fail: GC_PLUGIN_FAILED, GC_PLUGIN_TIMEOUT; GC_NO_SERVICE saying what it waits for; GC_BAD_PLUGIN
   */
  load(plugin: AnyPlugin, config?: unknown): Promise<PluginReport>;
  /** Stops a plugin and forgets it. Resolves to what failed on the way. @throws GC_NO_SUCH_PLUGIN */
  unload(name: string): Promise<readonly Error[]>;
  /** A service of a loaded plugin. @throws GC_NO_SERVICE */
  use<Name extends keyof Services>(service: Name): Services[Name];
  use<Service>(service: string): Service;
  /** Listens to an event, as a plugin would. */
  on: Bus['on'];
  /** Tells all who listen to an event, as a plugin would. Returns how many they were. */
  emit: Bus['emit'];
  /** Runs a script in a transaction of the host's own. @throws GC_SQL and its kin */
  run(sql: string): void;
  /** Moves the clock on, firing what falls due, and settles. @throws GC_NOT_SUPPORTED when the clock is not the test's */
  advance(duration: Duration): Promise<void>;
  /** Resolves when everything committed so far has been handled and what follows from it has come to rest. */
  settled(): Promise<void>;
  /** Forgets the events and log lines so far. */
  forget(): void;
  /** Stops all plugins and closes the database. Resolves to what failed on the way. Idempotent. */
  close(): Promise<readonly Error[]>;
}

/** Rounds in which plugins wake each other before a test goes on all the same. */
const MAX_ROUNDS = 100;
const START = Date.UTC(2026, 0, 1);

/**
 * Makes a throwaway host for the test of a plugin.
 *
 * @throws GC_BAD_ARGUMENT, GC_BAD_PLUGIN; GC_CANNOT_OPEN and its kin for the database
 * @example
 * ```ts
 * await using host = await createTestHost();
 * await host.load(myPlugin, { every: '1m' });
 * await host.advance('1m');
 * ```
 */
export async function createTestHost(options: TestHostOptions = {}): Promise<TestHost> {
  const host = openTestHost(options);
  try {
    for (const plugin of options.plugins ?? []) await host.load(named(plugin));
    host.hooks.boot.call();
    return host;
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** The host itself, with nothing loaded. */
export function openTestHost(options: TestHostOptions = {}): KernelTestHost {
  return new KernelTestHost(checked(options));
}

export class KernelTestHost implements TestHost {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly #recorder: HostRecorder;
  readonly #configs: Readonly<Record<string, unknown>>;
  readonly #services: StandIns;

  constructor({ db, startAt, clock, configs, services, schema }: TestHostOptions) {
    this.clock = clock === 'system' ? systemClock : (clock ?? createHostClock(startAt?.getTime() ?? START));
    this.#recorder = new HostRecorder(() => this.clock.now());
    this.#configs = configs ?? {};
    this.#services = services ?? {};
    const { logger } = this.#recorder;
    this.kernel = createKernel({ filename: db ?? ':memory:', version: VERSION, logger, clock: this.clock });
    this.#recorder.attach(this.kernel.bus);
    if (schema !== undefined) this.run(schema);
  }

  get db(): Database {
    return this.kernel.db;
  }

  get hooks(): KernelHooks {
    return this.kernel.hooks;
  }

  get plugins(): PluginHost {
    return this.kernel.plugins;
  }

  get events(): readonly TestEvent[] {
    return this.#recorder.events;
  }

  get logs(): readonly TestLogLine[] {
    return this.#recorder.logs;
  }

  async load(plugin: AnyPlugin, config?: unknown): Promise<PluginReport> {
    const { name } = this.begin(plugin, config);
    await this.plugins.ready();
    const report = this.plugins.get(name);
    if (report?.state === 'active') return report;
    if (report?.error !== undefined) throw report.error;
    throw new GlyphError('GC_NO_SERVICE', this.plugins.why(name).join(' '), {
      plugin: name,
      hint: 'Load who provides the service, or pass a stand-in: createTestHost({ services: { … } }).',
    });
  }

  /** Loads a plugin with what it requires, without waiting. @throws GC_BAD_PLUGIN */
  begin(plugin: AnyPlugin, config?: unknown): PluginDefinition {
    const definition = plugin as PluginDefinition;
    const there = new Set(this.plugins.list().flatMap(({ provides }) => Object.keys(provides)));
    // What is not a definition is refused by the plugin host, with everything that is wrong with it.
    const isObject = typeof definition === 'object' && (definition as object | null) !== null;
    const providers = isObject ? providersFor(definition, this.#services, (service) => there.has(service)) : [];
    const own = config ?? (isObject ? this.#configs[definition.name] : undefined);
    this.plugins.loadAll([
      ...providers.map((provider) => ({ definition: provider, config: this.#configs[provider.name] })),
      { definition, config: own },
    ]);
    return definition;
  }

  unload(name: string): Promise<readonly Error[]> {
    return this.plugins.unload(name);
  }

  use<Service>(service: string): Service {
    return this.plugins.use<Service>(service);
  }

  get on(): Bus['on'] {
    return (channel, listener) => this.kernel.bus.on(channel, listener);
  }

  get emit(): Bus['emit'] {
    return (channel, payload) => this.kernel.bus.emit(channel, payload);
  }

  run(sql: string): void {
    this.db.write(() => this.db.exec(sql));
  }

  async advance(duration: Duration): Promise<void> {
    const { clock } = this;
    if (!isMovable(clock)) {
      throw new GlyphError('GC_NOT_SUPPORTED', 'advance(): the clock of this host is not moved by hand', {
        hint: 'Leave the option `clock` out to get a clock that stands still.',
      });
    }
    await clock.advance(parseDuration(duration, 'the duration of advance()'), turns);
    await this.settled();
  }

  async settled(): Promise<void> {
    for (let round = 0, before = ''; round < MAX_ROUNDS && before !== this.#activity(); round++) {
      before = this.#activity();
      await turns();
      await this.#find<{ flush(): Promise<void> }>('batching')?.flush();
      await this.#find<{ settled(): Promise<void> }>('skills')?.settled();
      await turns();
    }
  }

  forget(): void {
    this.#recorder.clear();
  }

  close(): Promise<readonly Error[]> {
    return this.kernel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #activity(): string {
    return `${this.events.length} ${this.logs.length}`;
  }

  #find<Service>(service: string): Service | undefined {
    const isThere = this.plugins.inspect().services.some(({ name }) => name === service);
    return isThere ? this.use<Service>(service) : undefined;
  }
}

/** Lets what takes turns of the event loop, and not time, take them. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const KEYS: readonly string[] = ['db', 'startAt', 'clock', 'plugins', 'configs', 'services', 'schema'];

function checked(options: TestHostOptions): TestHostOptions {
  const given: unknown = options;
  if (typeof given !== 'object' || given === null) {
    throw new GlyphError('GC_BAD_ARGUMENT', `createTestHost() takes an object of options, not ${String(given)}`);
  }
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key));
  if (unknown === undefined) return options;
  throw new GlyphError('GC_BAD_ARGUMENT', `createTestHost(): there is no option '${unknown}'`, {
    hint: `There are ${KEYS.join(', ')}.`,
  });
}

function named(plugin: BuiltinName | AnyPlugin): AnyPlugin {
  if (typeof plugin !== 'string') return plugin;
  if (Object.hasOwn(BUILTINS, plugin)) return BUILTINS[plugin];
  throw new GlyphError('GC_BAD_ARGUMENT', `createTestHost(): there is no built-in plugin '${plugin as string}'`, {
    hint: `There are ${Object.keys(BUILTINS).join(', ')}; pass the definition of any other.`,
  });
}
