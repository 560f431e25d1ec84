/**
 * A host under constant writes, with one of everything that can be told of them, whose plugins are reloaded meanwhile.
 *
 * `Load.phase(plugin, reloads)` writes from inside (host API, raw handle, transactions, Lua), from another process, and
 * dispatches actions, until the plugin has been reloaded so often; then it compares what each listener was told with what the
 * log, or the writer, says it should have been. No vitest in here: the long run uses it too.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { GlyphCase } from '../sdk/index.ts';
import type { ChangeEvent } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import type { PluginDefinition } from '../sdk/plugin.ts';
import { OutsideWriter } from './94-reload-outside.ts';

/** What became of the events of one phase. */
export interface Outcome {
  readonly plugin: string;
  readonly reloads: number;
  /** Changes in the log. */
  readonly changes: number;
  /** What all listeners together should have been told. */
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
  readonly disordered: number;
  /** From a commit of the host until its subscriber was told, in ms; and of a whole `reload()`. */
  readonly longestDelay: number;
  readonly longestReload: number;
  /** What went wrong, in sentences. */
  readonly complaints: readonly string[];
}

interface Listener {
  readonly name: string;
  readonly got: number[];
  readonly expected: (from: number) => Promise<readonly number[]> | readonly number[];
}

interface QueryListener {
  readonly sql: string;
  readonly told: Map<string, number>;
  readonly rows: () => readonly unknown[];
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, kind TEXT, n INTEGER, hooked INTEGER, by TEXT);
  CREATE TABLE IF NOT EXISTS mirror (at INTEGER, twice INTEGER);
  CREATE TABLE IF NOT EXISTS watched (at INTEGER);
  CREATE TABLE IF NOT EXISTS counted (n INTEGER);
  CREATE TABLE IF NOT EXISTS pings (n INTEGER, cached INTEGER);
  CREATE TABLE IF NOT EXISTS answers (n INTEGER, status INTEGER);
  CREATE TABLE IF NOT EXISTS ticks (job TEXT);
  CREATE TABLE IF NOT EXISTS rewatched (at INTEGER);
  CREATE TABLE IF NOT EXISTS added (many INTEGER);
  CREATE TABLE IF NOT EXISTS repinged (n INTEGER)`;

const MIRROR = `
  function on_data_changed(name, operation, row, event)
    glyphcase.insert("mirror", { at = event.seq, twice = host_double(event.seq) })
  end
  function before_insert(name, data) data.hooked = 1 return data end`;

const LISTENER = `
  local seen = 0
  function on_activate()
    glyphcase.watch("items", function(events)
      for _, event in ipairs(events) do glyphcase.insert("watched", { at = event.seq }) end
    end)
    glyphcase.watch("SELECT count(*) AS n FROM items", function(events)
      glyphcase.insert("counted", { n = events[#events].new_data.n })
    end)
    glyphcase.on("ping:*", function(n)
      seen = seen + 1
      cache.set("seen", (cache.get("seen") or 0) + 1)
      glyphcase.insert("pings", { n = n, cached = cache.get("seen") - seen })
      if n % 8 == 0 then
        http.request({ url = glyphcase.config.url .. "?" .. n }, function(answer)
          glyphcase.insert("answers", { n = n, status = answer.status })
        end)
      end
    end)
    scheduler.every("1s", function() glyphcase.insert("ticks", { job = crypto.uuid() and "plain" }) end)
    scheduler.every("1s", function() glyphcase.insert("ticks", { job = "named" }) end, { name = "named" })
  end`;

/** Holds nothing that a new Lua state would lack, so it can be reloaded itself. */
const RELOADED = `
  function on_activate()
    glyphcase.watch("items", function(events)
      for _, event in ipairs(events) do glyphcase.insert("rewatched", { at = event.seq }) end
    end)
    glyphcase.watch("SELECT id, n FROM items", function(events)
      local many = 0
      for _, event in ipairs(events) do
        if event.new_data then many = many + event.new_data.n end
        if event.old_data then many = many - event.old_data.n end
      end
      glyphcase.insert("added", { many = many })
    end)
    glyphcase.on("ping:*", function(n) glyphcase.insert("repinged", { n = n }) end)
  end
  function on_deactivate() glyphcase.unwatch_all() end`;

const QUERIES = [
  'SELECT kind, count(*) AS many, sum(n) AS total FROM items GROUP BY kind',
  "SELECT id, kind, n FROM items WHERE kind = 'a' ORDER BY n DESC, id LIMIT 25",
  "SELECT count(*) AS many FROM items WHERE by = 'outside'",
];

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** In place of a plugin's name: nothing is reloaded, to compare with; or not a plugin but a skill. */
export const NOTHING = '(nothing)';
export const A_SKILL = '(a skill)';

export interface LoadOptions {
  /** A folder of its own. */
  readonly dir: string;
  /** @defaultValue that of a host */
  readonly batchInterval?: number;
}

export class Load {
  readonly db: GlyphCase;
  readonly #server: Server;
  readonly #outside: OutsideWriter;
  readonly #listeners: Listener[] = [];
  readonly #queries: QueryListener[] = [];
  readonly #complaints: string[] = [];
  /** When the changes of the raw handle were committed, by their `n`. */
  readonly #committed = new Map<number, number>();
  readonly #dispatched: number[] = [];
  #longestDelay = 0;
  #n = 0;
  #writing = false;
  #calls = 0;
  readonly #called: number[] = [];

  static async open({ dir, batchInterval }: LoadOptions): Promise<Load> {
    const server = createServer((_request, response) => setTimeout(() => response.end('yes'), 5));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const skills = join(dir, 'skills');
    const tables = ['mirror', 'watched', 'counted', 'pings', 'answers', 'ticks', 'rewatched', 'added', 'repinged'];
    const all = { database: { read: ['items'], write: tables } };
    writeSkill(skills, 'mirror', MIRROR, {
      watches: ['items'],
      permissions: { ...all, functions: ['host_double'], hooks: ['items'] },
    });
    const config = { type: 'object', properties: { url: { type: 'string', default: `http://${origin}/` } } };
    const permissions = { ...all, actions: { listen: ['ping:*'] }, network: [origin], schedule: true };
    writeSkill(skills, 'listener', LISTENER, { permissions, config });
    writeSkill(skills, 'reloaded', RELOADED, { permissions: { ...all, actions: { listen: ['ping:*'] } } });
    const told: number[] = [];
    const db = new GlyphCase(join(dir, 'load.db'), {
      skills: { dir: skills, watch: false },
      ...(batchInterval === undefined ? {} : { capsule: { batchInterval } }),
    });
    const load = new Load(db, server, new OutsideWriter(join(dir, 'load.db')));
    await db.execute(SCHEMA);
    db.registerLuaFunction('host_double', (at: number) => at * 2);
    await db.ready;
    await db.executeLuaScript('calls = 0 function bump() calls = calls + 1 return calls end');
    for (const { id, state, reasons } of db.skills.list())
      if (state !== 'active') throw new Error(`the skill ${id} is ${state}: ${reasons.join(' ')}`);
    load.#listen();
    db.plugins.load(watching(told));
    load.#listeners.push({
      name: 'ctx.watch of another plugin',
      got: told,
      expected: (from) => load.#logged('items', from),
    });
    return load;
  }

  private constructor(db: GlyphCase, server: Server, outside: OutsideWriter) {
    this.db = db;
    this.#server = server;
    this.#outside = outside;
  }

  /** Writes while the plugin is reloaded `reloads` times, as `definition` if there is one, and tells what became of it. */
  async phase(plugin: string, reloads: number, definition?: PluginDefinition): Promise<Outcome> {
    const { db } = this;
    await this.#settle();
    this.#forget();
    const from = this.#end();
    const epoch = await db.queryScalar('SELECT epoch FROM _capsule_lease');
    const begun = performance.now();
    this.#writing = true;
    await this.#outside.start();
    const writers = [this.#host(), this.#raw(), this.#transactions(), this.#useTheApi(), this.#dispatch(), this.#lua()];
    let longestReload = 0;
    for (let reload = 0; reload < reloads; reload += 1) {
      // Now in the midst of everything, now with time for what was under way to go on.
      await (reload % 3 === 0 ? pause(1 + (reload % 7)) : turn());
      const at = performance.now();
      await this.#reload(plugin, definition).catch((error: unknown) => this.#complain(`reload: ${String(error)}`));
      longestReload = Math.max(longestReload, performance.now() - at);
    }
    await pause(20);
    this.#writing = false;
    await Promise.all(writers);
    await this.#outside.stop();
    await this.#settle();
    const seconds = (performance.now() - begun) / 1000;
    if ((await db.queryScalar('SELECT epoch FROM _capsule_lease')) !== epoch) this.#complain('the lease changed hands');
    const figures = { lost: 0, doubled: 0, disordered: 0, events: 0 };
    for (const listener of this.#listeners) await this.#compare(listener, from, figures);
    for (const query of this.#queries) await this.#compareQuery(query);
    await this.#checkTables(seconds);
    const changes = this.#end() - from;
    const complaints = [...this.#complaints];
    return { plugin, reloads, changes, ...figures, longestDelay: this.#longestDelay, longestReload, complaints };
  }

  async close(): Promise<void> {
    this.#writing = false;
    await this.#outside.end();
    await this.db.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #reload(plugin: string, definition: PluginDefinition | undefined): Promise<void> {
    if (plugin === A_SKILL) await this.db.skills.reload('reloaded');
    else if (plugin !== NOTHING) await this.db.plugins.reload(plugin, definition);
  }

  // What listens.

  #listen(): void {
    const { db } = this;
    const all = db.watch('items');
    this.#table('every change', all, undefined);
    const some = db.watch('items', 'kind = ? AND n % 2 = 0', ['a']);
    this.#table('a filter', some, undefined);
    this.#table('a filter of its own', db.watch('items'), undefined, {
      filter: (event) => event.operation !== 'UPDATE',
    });
    this.#table('a slow handler', all, () => pause(3));
    this.#table('a debounced handler', db.watch('items'), undefined, { debounce: 15 });
    this.#table('a durable one', all, undefined, { name: 'durable' });
    this.#table('a durable slow one', some, () => pause(2), { name: 'durable and slow' });
    this.#acknowledging();
    for (const sql of QUERIES) this.#query(sql, {}, undefined);
    this.#query(QUERIES[0] as string, {}, () => pause(4));
    this.#query(QUERIES[1] as string, { debounce: 10 }, undefined);
    const told: number[] = [];
    db.onAction('ping:*', (n) => void told.push(n as number));
    this.#listeners.push({ name: 'onAction', got: told, expected: () => this.#dispatched });
    this.#listeners.push({ name: 'callLuaFunction', got: this.#called, expected: () => this.#countedCalls() });
    this.#tableOf('on_data_changed', 'mirror', 'at', (from) => this.#logged('items', from));
    this.#tableOf('glyphcase.watch', 'watched', 'at', (from) => this.#logged('items', from));
    this.#tableOf('glyphcase.on', 'pings', 'n', () => this.#dispatched);
    this.#tableOf('glyphcase.watch of a reloaded skill', 'rewatched', 'at', (from) => this.#logged('items', from));
    this.#tableOf('glyphcase.on of a reloaded skill', 'repinged', 'n', () => this.#dispatched);
    this.#tableOf('http.request', 'answers', 'n', () => this.#dispatched.filter((n) => n % 8 === 0));
  }

  #table(
    name: string,
    watcher: ReturnType<GlyphCase['watch']>,
    work: (() => Promise<void>) | undefined,
    options: {
      readonly name?: string;
      readonly debounce?: number;
      readonly filter?: (event: ChangeEvent) => boolean;
    } = {},
  ): void {
    const got: number[] = [];
    const handler = (events: ChangeEvent[]): unknown => {
      for (const event of events) this.#tell(got, event);
      return work?.();
    };
    const subscription = this.db.subscribe(watcher, handler, options);
    const { filter } = options;
    this.#listeners.push({
      name,
      got,
      expected: async (from) => {
        if (subscription.cursor < this.#end()) this.#complain(`${name}: its cursor stayed at ${subscription.cursor}`);
        return await this.#fresh(watcher, from, filter);
      },
    });
  }

  /** What it is told and its cursor commit together. */
  #acknowledging(): void {
    const { db } = this;
    const got: number[] = [];
    const watcher = db.watch('items', "by <> 'raw'");
    db.subscribe(
      watcher,
      async (events, batch) => {
        await db.transaction(() => batch.acknowledge());
        for (const { seq } of events) got.push(seq);
      },
      { name: 'acknowledging' },
    );
    this.#listeners.push({ name: 'one that acknowledges', got, expected: (from) => this.#fresh(watcher, from) });
  }

  #query(sql: string, options: { readonly debounce?: number }, work: (() => Promise<void>) | undefined): void {
    const watcher = this.db.watch(sql);
    const told = new Map<string, number>();
    const add = (row: unknown, by: number): void => {
      const code = JSON.stringify(row);
      const count = (told.get(code) ?? 0) + by;
      if (count < 0) this.#complain(`${sql}: told that a row left which was not there`);
      if (count === 0) told.delete(code);
      else told.set(code, count);
    };
    const handler = (events: ChangeEvent[]): unknown => {
      for (const { oldData } of events) if (oldData !== undefined) add(oldData, -1);
      for (const { newData } of events) if (newData !== undefined) add(newData, 1);
      return work?.();
    };
    this.db.subscribe(watcher, handler, { initial: true, ...options });
    this.#queries.push({ sql, told, rows: () => watcher.rows?.() ?? [] });
  }

  #tableOf(name: string, table: string, column: string, expected: Listener['expected']): void {
    const rows = this.db.sqlite.prepare(`SELECT ${column} FROM ${table} ORDER BY rowid`).pluck();
    const got: number[] = [];
    const read = async (from: number): Promise<readonly number[]> => {
      got.push(...(rows.all() as number[]));
      return await expected(from);
    };
    this.#listeners.push({ name, got, expected: read });
  }

  #tell(got: number[], { seq, newData }: ChangeEvent): void {
    got.push(seq);
    const committed = this.#committed.get((newData as { n?: number } | undefined)?.n ?? -1);
    if (committed !== undefined && got === this.#listeners[0]?.got)
      this.#longestDelay = Math.max(this.#longestDelay, performance.now() - committed);
  }

  // Who writes.

  async #host(): Promise<void> {
    const ids: unknown[] = [];
    await this.#while(async () => {
      const n = this.#next();
      ids.push(await this.db.insert('items', { kind: 'abc'[n % 3], n, by: 'host' }));
      if (n % 3 === 0) await this.db.update('items', ids[ids.length >> 1], { kind: 'abc'[n % 2] });
      if (n % 5 === 0) await this.db.delete('items', ids.shift());
    });
  }

  async #raw(): Promise<void> {
    const { sqlite } = this.db;
    const insert = sqlite.prepare("INSERT INTO items(kind, n, by, hooked) VALUES ('a', ?, 'raw', 0)");
    await this.#while(async () => {
      if (!sqlite.inTransaction) {
        const n = this.#next();
        insert.run(n);
        // It is committed now, and nobody has been told yet; before, it may have waited for others who write.
        this.#committed.set(n, performance.now());
      }
      await turn();
    });
  }

  async #transactions(): Promise<void> {
    const { db } = this;
    await this.#while(async () => {
      await db.transaction(async () => {
        await db.insertMany(
          'items',
          [1, 2].map(() => ({ kind: 'a', n: this.#next(), by: 'transaction' })),
        );
        await pause(1);
        await db.updateWhere('items', 'by = ? AND n > ?', ['transaction', this.#n - 20], { kind: 'b' });
      });
      await pause(4);
    });
  }

  async #dispatch(): Promise<void> {
    await this.#while(async () => {
      const n = this.#dispatched.length;
      this.#dispatched.push(n);
      this.db.dispatch(`ping:${n % 3}`, n);
      await pause(2);
    });
  }

  async #lua(): Promise<void> {
    await this.#while(async () => {
      this.#called.push(await this.db.callLuaFunction<number>('bump'));
      this.#calls += 1;
      await pause(3);
    });
  }

  /** What a host may call at any moment. */
  async #useTheApi(): Promise<void> {
    const { db } = this;
    await this.#while(async () => {
      db.unwatch(db.watch('items', 'n < 0'));
      const query = db.watch('SELECT max(n) AS n FROM items');
      const subscription = db.subscribe(query, () => undefined);
      db.stats();
      db.skills.list();
      db.unsubscribe(subscription);
      db.unwatch(query);
      await turn();
    });
  }

  async #while(work: () => Promise<void>): Promise<void> {
    while (this.#writing) {
      try {
        await work();
      } catch (error) {
        this.#complain(String(error));
      }
      await turn();
    }
  }

  #next(): number {
    this.#n += 1;
    return this.#n;
  }

  // What is compared.

  async #compare(
    { name, got, expected }: Listener,
    from: number,
    figures: { lost: number; doubled: number; disordered: number; events: number },
  ): Promise<void> {
    const wanted = await expected(from);
    const told = new Set(got);
    const lost = wanted.filter((one) => !told.has(one)).length;
    const doubled = got.length - told.size;
    const strangers = told.size - (wanted.length - lost);
    // Answers of a server come in any order.
    const disordered =
      name === 'http.request' ? 0 : got.filter((one, at) => at > 0 && one < (got[at - 1] as number)).length;
    figures.events += wanted.length;
    figures.lost += lost;
    figures.doubled += doubled;
    figures.disordered += disordered;
    if (lost + doubled + disordered + strangers > 0)
      this.#complain(
        `${name}: of ${wanted.length} lost ${lost}, doubled ${doubled}, out of order ${disordered}, unknown ${strangers}`,
      );
  }

  async #compareQuery({ sql, told, rows }: QueryListener): Promise<void> {
    const count = (all: readonly unknown[]): string => JSON.stringify(all.map((row) => JSON.stringify(row)).sort());
    const now = count(await this.db.query(sql));
    if (count(rows()) !== now) this.#complain(`${sql}: rows() is not what the query gives`);
    const known = [...told].flatMap(([row, many]) => Array.from({ length: many }, () => JSON.parse(row) as unknown));
    if (count(known) !== now) this.#complain(`${sql}: what its subscriber was told does not add up to the result`);
  }

  async #checkTables(seconds: number): Promise<void> {
    const { db } = this;
    const scalar = (sql: string): Promise<number> => db.queryScalar<number>(sql) as Promise<number>;
    const last = await scalar('SELECT n FROM counted ORDER BY rowid DESC LIMIT 1');
    if (last !== (await scalar('SELECT count(*) FROM items'))) this.#complain('glyphcase.watch(SELECT) is behind');
    if ((await scalar('SELECT sum(many) FROM added')) !== (await scalar('SELECT sum(n) FROM items')))
      this.#complain('glyphcase.watch(SELECT) of a reloaded skill does not add up to the result');
    const unhooked = await scalar("SELECT count(*) FROM items WHERE by IN ('host', 'transaction') AND hooked IS NOT 1");
    if (unhooked > 0) this.#complain(`before_insert did not see ${unhooked} rows`);
    if ((await scalar('SELECT count(*) FROM mirror WHERE twice IS NOT at * 2')) > 0)
      this.#complain('host_double was wrong');
    if ((await scalar('SELECT count(DISTINCT cached) FROM pings')) > 1) this.#complain('the cache lost what was in it');
    for (const job of ['plain', 'named']) {
      const runs = await scalar(`SELECT count(*) FROM ticks WHERE job = '${job}'`);
      if (Math.abs(runs - seconds) > 2) this.#complain(`the ${job} job ran ${runs} times in ${seconds.toFixed(1)} s`);
    }
  }

  /** What a subscription that begins now, at an earlier place, is told. */
  async #fresh(
    watcher: { readonly tableOrQuery: string; readonly id: string },
    from: number,
    filter?: (event: ChangeEvent) => boolean,
  ): Promise<readonly number[]> {
    const seqs: number[] = [];
    const handler = (events: ChangeEvent[]): void => void seqs.push(...events.map(({ seq }) => seq));
    const subscription = this.db.subscribe(watcher.id, handler, { from, ...(filter === undefined ? {} : { filter }) });
    await this.db.flush();
    this.db.unsubscribe(subscription);
    return seqs;
  }

  #logged(table: string, from: number): readonly number[] {
    const sql = `SELECT seq FROM _capsule_log WHERE seq > ? AND op <= 3 AND table_id IN (SELECT id FROM _capsule_tables WHERE name = ?) ORDER BY seq`;
    return this.db.sqlite.prepare(sql).pluck().all(from, table) as number[];
  }

  #countedCalls(): readonly number[] {
    const first = this.#called[0] ?? 1;
    return Array.from({ length: this.#calls }, (_, at) => first + at);
  }

  async #settle(): Promise<void> {
    const answers = this.db.sqlite.prepare('SELECT count(*) FROM answers').pluck();
    const asked = (): number => this.#dispatched.filter((n) => n % 8 === 0).length;
    for (let round = 0; round < 300; round += 1) {
      await this.db.flush();
      await pause(10);
      if (round > 2 && (answers.get() as number) >= asked()) break;
    }
    await this.db.flush();
  }

  #forget(): void {
    for (const { got } of this.#listeners) got.length = 0;
    this.#committed.clear();
    [this.#dispatched.length, this.#complaints.length] = [0, 0];
    [this.#longestDelay, this.#calls] = [0, 0];
    const tables = ['mirror', 'watched', 'pings', 'answers', 'ticks', 'rewatched', 'repinged'];
    this.db.sqlite.exec(tables.map((table) => `DELETE FROM ${table}`).join('; '));
  }

  #end(): number {
    return this.db.sqlite.prepare('SELECT ifnull(max(seq), 0) FROM _capsule_log').pluck().get() as number;
  }

  #complain(sentence: string): void {
    if (!this.#complaints.includes(sentence)) this.#complaints.push(sentence);
  }
}

/** A plugin of somebody else's, which is stopped and started with those it stands on. */
const watching = (told: number[]): PluginDefinition =>
  definePlugin({
    name: 'watching',
    version: '1.0.0',
    requires: { capsule: '^1.0.0', live: '^1.0.0' },
    activate(ctx) {
      ctx.watch('items', (events) => void told.push(...events.map(({ seq }) => seq)));
    },
  });

function writeSkill(dir: string, id: string, main: string, manifest: Readonly<Record<string, unknown>>): void {
  mkdirSync(join(dir, id), { recursive: true });
  writeFileSync(join(dir, id, 'main.lua'), main);
  writeFileSync(join(dir, id, 'manifest.json'), JSON.stringify({ id, version: '1.0.0', ...manifest }));
}
