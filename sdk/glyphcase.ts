/**
 * `GlyphCase`: the host API. A thin front: every member checks its arguments and hands on to the kernel or to a service.
 *
 * Invariant: whatever the constructor starts, `close()` ends; afterwards no handle is left.
 */
import type BetterSqlite3 from 'better-sqlite3';
import { GlyphError } from '../kernel/errors.ts';
import { createKernel } from '../kernel/kernel.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { silentLogger } from '../kernel/logger.ts';
import type { Params, Row, SqlValue, Transaction } from '../kernel/database/types.ts';
import type { Disposer } from '../kernel/plugins/types.ts';
import type { Key } from '../kernel/database/rows.ts';
import type { ActionHandler } from '../plugins/actions/index.ts';
import type {
  EventHandler,
  PruneReport,
  RepairReport,
  SubscribeOptions,
  Subscription,
  Watcher,
} from '../plugins/capsule/types.ts';
import type { QueryWatcher } from '../plugins/live/types.ts';
import { createPluginFiles, loadPlugins } from './builtin.ts';
import { readConfig } from './config.ts';
import type { GlyphCaseConfig, GlyphCaseOptions } from './config.ts';
import { installPlaceOf, pluginsOf, skillsOf } from './managers.ts';
import type { PluginsManager, SkillsManager } from './manager-types.ts';
import type { ColumnDef, SchemaDefinition, TableDef } from './schema.ts';
import { Schemas } from './schemas.ts';
import { HostServices } from './host-services.ts';
import { whenReady } from './ready.ts';
import { rememberKernel } from './kernel-of.ts';
import { isStatement, queryParams } from './queries.ts';
import type { QueryText } from './queries.ts';
import { Statements } from './statements.ts';
import type { ExecuteResult, StatementsOptions } from './statements.ts';
import { statsOf } from './stats.ts';
import type { StartReport, Stats, SyncResult } from './types.ts';
import { VERSION } from './version.ts';

type Data = Readonly<Record<string, unknown>>;
type TableOptions = boolean | NonNullable<TableDef['capsule']>;

/**
 * A SQLite file that is active: whatever writes to it wakes whoever watches.
 *
 * @example
 * ```ts
 * await using db = new GlyphCase('app.db');
 * db.subscribe(db.watch('users', 'status = ?', ['active']), (events) => console.log(events));
 * await db.insert('users', { name: 'Alice', status: 'active' });
 * ```
 */
export class GlyphCase implements AsyncDisposable {
  /** Resolves once every plugin and skill has started, or said why not. @throws GC_CLOSED; GC_PLUGIN_FAILED: `onFailure: 'abort'` */
  readonly ready: Promise<StartReport>;
  readonly plugins: PluginsManager;
  readonly skills: SkillsManager;
  readonly #kernel: Kernel;
  readonly #services: HostServices;
  readonly #files: ReturnType<typeof createPluginFiles>;
  readonly #statements: Statements;
  readonly #schemas: Schemas;
  #closing = false;

  /**
   * @throws GC_BAD_ARGUMENT, GC_BAD_OPTION, GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_READ_ONLY, GC_LOCKED, GC_NEWER_SCHEMA
   */
  constructor(filename: string, options?: GlyphCaseOptions);
  constructor(config: GlyphCaseConfig);
  constructor(first: string | GlyphCaseConfig, second?: GlyphCaseOptions) {
    const started = performance.now();
    const config = readConfig(first, second);
    const logger = config.logger ?? silentLogger;
    const { filename, busyTimeout, pluginLimits: limits, clock } = config;
    this.#kernel = createKernel({ filename, version: VERSION, logger, busyTimeout, limits, ...(clock && { clock }) });
    rememberKernel(this, this.#kernel);
    const { db, hooks, plugins } = this.#kernel;
    const { enabled: watching } = config.capsule;
    this.#services = new HostServices(this.#kernel, { watching, isClosing: () => this.#closing });
    const onSlow: StatementsOptions['onSlow'] = (slow) => this.#kernel.bus.emit('statement:slow', slow);
    this.#statements = new Statements({ db, hooks, logger, slowMs: config.slowQueryMs, onSlow });
    this.#schemas = new Schemas(this.#kernel, () => (watching ? this.#services.capsule : undefined));
    this.#files = createPluginFiles(this.#kernel, config);
    this.plugins = pluginsOf(plugins, this.#files, this.#services);
    this.skills = skillsOf(() => this.#services.get('skills'), {
      ...installPlaceOf(config),
      connection: () => db.sqlite,
    });
    try {
      loadPlugins(plugins, config);
      if (config.schema !== undefined) this.#schemas.applyNow(config.schema);
      hooks.boot.call();
    } catch (error) {
      void this.#kernel.close();
      throw error;
    }
    const end = { isClosing: () => this.#closing, close: () => this.close() };
    this.ready = whenReady(this.#kernel, { started, skills: watching, files: this.#files, ...end });
  }

  /** The raw better-sqlite3 handle, for reading and for those who know. Writes through it are seen too. */
  get sqlite(): BetterSqlite3.Database {
    return this.#kernel.db.sqlite;
  }

  /** Path of the database file. */
  get filename(): string {
    return this.#kernel.db.filename;
  }

  /**
   * Rows of a SELECT as plain objects. Integers are exact (bigint beyond ±(2^53−1)); columns declared JSON come back parsed.
   * @throws GC_WRITE_IN_QUERY, GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN, GC_BAD_VALUE
   * @example
   * ```ts
   * const users = await db.query('SELECT * FROM users WHERE status = ?', ['active']);
   * ```
   */
  async query<T = Row>(sql: string, params?: Params): Promise<T[]> {
    return (await this.#statements.query(sql, params)) as T[];
  }

  /** The first row, or undefined. @throws as {@link query} */
  async queryOne<T = Row>(sql: string, params?: Params): Promise<T | undefined> {
    return (await this.query<T>(sql, params))[0];
  }

  /** The first column of the first row, or undefined. @throws as {@link query} */
  async queryScalar<T = SqlValue>(sql: string, params?: Params): Promise<T | undefined> {
    const row = await this.queryOne(sql, params);
    return row === undefined ? undefined : (Object.values(row)[0] as T);
  }

  /**
   * Any statement, or a script without parameters, in one transaction.
   * @throws GC_SQL, GC_CONSTRAINT, GC_LOCKED, GC_DISK_FULL, GC_TRANSACTION (BEGIN and its kin), GC_BAD_VALUE
   */
  execute(sql: string, params?: Params): Promise<ExecuteResult> {
    return this.#statements.execute(sql, params);
  }

  /**
   * Inserts a row; resolves to its primary key (an array for a composite one, the rowid when none is declared).
   * @throws GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN, GC_BAD_VALUE, GC_CONSTRAINT, GC_REFUSED (by a hook), GC_LOCKED
   */
  async insert(table: string, data: Data): Promise<Key> {
    const { db, hooks } = this.#kernel;
    const oneStatement = !hooks.beforeInsert.used && !hooks.validateInsert.used;
    return await db.exclusive(() => db.rows.insert(table, data), { oneStatement });
  }

  /** Inserts rows in one transaction; resolves to their primary keys. @throws as {@link insert}; then no row is inserted */
  async insertMany(table: string, rows: readonly Data[]): Promise<Key[]> {
    const { db } = this.#kernel;
    return await db.exclusive(() => db.rows.insertMany(table, rows));
  }

  /** Updates the row with this key; resolves to 1, or 0 when there is none. @throws as {@link insert} */
  async update(table: string, id: unknown, data: Data): Promise<number> {
    const { db, hooks } = this.#kernel;
    const oneStatement = !hooks.beforeUpdate.used && !hooks.validateUpdate.used;
    return await db.exclusive(() => db.rows.update(table, id, data), { oneStatement });
  }

  /** Updates the rows for which `where` holds; resolves to their number. @throws as {@link insert} */
  async updateWhere(table: string, where: string, params: Params, data: Data): Promise<number> {
    const { db } = this.#kernel;
    return await db.exclusive(() => db.rows.updateWhere(table, where, params, data));
  }

  /** Deletes the row with this key; resolves to 1, or 0 when there is none. */
  async delete(table: string, id: unknown): Promise<number> {
    const { db, hooks } = this.#kernel;
    return await db.exclusive(() => db.rows.delete(table, id), { oneStatement: !hooks.beforeDelete.used });
  }

  /** Deletes the rows for which `where` holds; resolves to their number. */
  async deleteWhere(table: string, where: string, params: Params = []): Promise<number> {
    const { db } = this.#kernel;
    return await db.exclusive(() => db.rows.deleteWhere(table, where, params));
  }

  /**
   * Runs `fn`, synchronous or not, in a transaction: it commits, or rolls back and rethrows. Nested calls are savepoints.
   * Subscribers see one batch.
   * @throws GC_LOCKED, and whatever `fn` throws
   */
  transaction<T>(fn: (transaction: Transaction) => T | Promise<T>): Promise<T> {
    if (typeof fn !== 'function') {
      return Promise.reject(new GlyphError('GC_BAD_ARGUMENT', 'transaction() takes a function'));
    }
    return this.#kernel.db.transaction(fn);
  }

  /** Creates a table, or adds the columns it lacks. With `watch` its changes are logged whoever runs. */
  async createTable(name: string, columns: readonly ColumnDef[], options: TableOptions = false): Promise<void> {
    const capsule = typeof options === 'boolean' ? { watch: options } : options;
    await this.#schemas.apply({ tables: [{ name, columns, capsule }] });
  }

  /** Creates what of a schema is missing. @throws GC_BAD_ARGUMENT, GC_SQL */
  async defineSchema(schema: SchemaDefinition): Promise<void> {
    await this.#schemas.apply(schema);
  }

  /**
   * Watches a table, a table with a filter (`"status = ?"`; a leading WHERE is accepted), or the result of a SELECT, whose
   * parameters may also be the second argument.
   * @throws GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN, GC_SQL, GC_NOT_WATCHABLE, GC_BAD_FILTER, GC_WRITE_IN_QUERY, GC_LOCKED
   * @example
   * ```ts
   * const open = db.watch('SELECT user_id, count(*) AS tasks FROM tasks WHERE done = ? GROUP BY user_id', [false]);
   * db.subscribe(open, (events) => render(open.rows()), { initial: true });
   * ```
   */
  watch(query: QueryText, params?: Params, more?: Params): QueryWatcher;
  watch(tableOrQuery: string, filter?: string | Params, params?: Params): Watcher;
  watch(tableOrQuery: string, filter?: string | Params, params?: Params): Watcher {
    const { capsule } = this.#services;
    if (isStatement(tableOrQuery)) return this.#services.live.watch(tableOrQuery, queryParams(filter, params));
    if (filter !== undefined && typeof filter !== 'string') {
      throw new GlyphError('GC_BAD_ARGUMENT', 'watch(): the filter must be a text such as "status = ?"');
    }
    return capsule.watch(tableOrQuery, filter, params);
  }

  /**
   * Calls `handler` with the changes of a watcher, in commit order, whole transactions at a time. An async handler is
   * awaited before its next call; it holds up nobody else. With a `name` the subscription is durable.
   * @throws GC_NO_SUCH_WATCHER, GC_BAD_ARGUMENT, GC_BAD_OPTION
   */
  subscribe<T = Row>(watcher: Watcher | string, handler: EventHandler<T>, options?: SubscribeOptions): Subscription {
    return this.#services.ownerOf(watcher).subscribe(watcher, handler as EventHandler, options);
  }

  /** Ends a subscription, and forgets its cursor if it is durable (`close()` keeps it). Idempotent. */
  unsubscribe(subscription: Subscription | string): void {
    this.#services.ownerOf(subscription).unsubscribe(subscription);
  }

  /** Ends a watcher and its subscriptions. Idempotent. */
  unwatch(watcher: Watcher | string): void {
    this.#services.ownerOf(watcher).unwatch(watcher);
  }

  /** Tells everybody who listens to the action. @returns how many there are. */
  dispatch(action: string, payload?: unknown): number {
    return this.#services.get('actions').dispatch(action, payload);
  }

  /** Listens to an action; the pattern may end in `*`. Call what it returns to stop. */
  onAction(pattern: string, handler: ActionHandler): Disposer {
    return this.#services.get('actions').on(pattern, handler);
  }

  /** Asks whoever listens to the action, and awaits the answer. @throws GC_NO_SUCH_FUNCTION when nobody does */
  request<T = unknown>(action: string, payload?: unknown): Promise<T> {
    return this.#services.get('actions').request(action, payload) as Promise<T>;
  }

  /** Answers an HTTP request by the plugins' routes, so that any server can mount them: 404 when none fits. @throws GC_CLOSED */
  handle(request: Request): Promise<Response> {
    return this.#kernel.plugins.handle(request);
  }

  /** Makes a synchronous function callable from every skill that lists it under `permissions.functions`. */
  registerLuaFunction(name: string, fn: (...args: never[]) => unknown): Disposer {
    return this.#services.get('skills').registerFunction(name, fn as (...args: unknown[]) => unknown);
  }

  /** Runs a Lua script in the host's own sandboxed state; resolves to its result. @throws GC_LUA, GC_LUA_SYNTAX, GC_LUA_TIME, GC_LUA_MEMORY */
  executeLuaScript<T = unknown>(source: string, options?: { readonly name?: string }): Promise<T> {
    return this.#services.get('skills').execute(source, options) as Promise<T>;
  }

  /** Calls a global function that a script of {@link executeLuaScript} defined. @throws GC_NO_SUCH_FUNCTION, GC_LUA */
  callLuaFunction<T = unknown>(name: string, ...args: readonly unknown[]): Promise<T> {
    return this.#services.get('skills').callFunction(name, ...args) as Promise<T>;
  }

  /** Puts a watched table's triggers right. @returns what it changed. */
  recreateTriggersForTable(table: string): RepairReport {
    return this.#services.capsule.recreateTriggers(table);
  }

  /** Resolves when everything committed so far has been handled. @throws GC_TRANSACTION inside a transaction */
  flush(): Promise<void> {
    return this.#services.get('batching').flush();
  }

  /** Removes old changes from the log now, as happens at every start and daily. */
  prune(): PruneReport {
    return this.#services.capsule.prune();
  }

  stats(): Stats {
    const { capsule, live } = this.#services;
    return statsOf({ capsule: capsule.stats(), live: live.stats(), slowQueries: this.#statements.slow });
  }

  /** @throws GC_NOT_SUPPORTED while no sync plugin is loaded */
  syncToCloud(_endpoint?: string): Promise<SyncResult> {
    return noSync();
  }

  /** @throws GC_NOT_SUPPORTED while no sync plugin is loaded */
  pullFromCloud(_endpoint?: string): Promise<SyncResult> {
    return noSync();
  }

  /** Stops skills and plugins, keeps durable cursors, closes the file. Idempotent. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#files.close();
    await this.#kernel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const noSync = (): Promise<never> =>
  Promise.reject(new GlyphError('GC_NOT_SUPPORTED', 'Sync needs the plugin "sync", which is not loaded'));
