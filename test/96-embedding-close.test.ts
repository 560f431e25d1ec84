/** `close()`, whatever is going on: during the start, twice, while writing, while a handler runs; and calls after it. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import type { GlyphCaseOptions } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import { afterTest, sqlite3, tempDir, tempFile } from './support.ts';
import { writeSkill } from './96-embedding/use.ts';

const TABLE = 'CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT)';

/** A host with the table; closed after the test in any case. */
async function open(file = tempFile(), options: GlyphCaseOptions = {}): Promise<GlyphCase> {
  const db = new GlyphCase(file, { capsule: { batchInterval: 0 }, ...options });
  afterTest(() => db.close());
  await db.execute(TABLE);
  return db;
}

/** Rejections that nobody handled while the test ran; the process would have ended by them. */
function unhandled(): unknown[] {
  const found: unknown[] = [];
  const note = (error: unknown): void => void found.push(error);
  process.on('unhandledRejection', note);
  afterTest(() => process.off('unhandledRejection', note));
  return found;
}

/** The files that SQLite has beside a database while a connection is open. */
const openFiles = (file: string): readonly string[] =>
  readdirSync(join(file, '..')).filter((name) => /-(wal|shm|journal)$/.test(name));

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
const CLOSED = { code: 'GC_CLOSED' };

describe('during the start', () => {
  const slow = definePlugin({ name: 'slow', version: '1.0.0', activate: () => new Promise<void>(() => undefined) });

  const kinds: Readonly<Record<string, () => GlyphCaseOptions>> = {
    'nothing asynchronous': () => ({}),
    'a plugin that never ends its start': () => ({ plugins: [slow] }),
    skills: () => ({ skills: { dir: writeSkill(tempDir()) } }),
    'skills that nobody watches': () => ({ skills: { dir: writeSkill(tempDir()), watch: false } }),
    'a plain database': () => ({ capsule: { enabled: false } }),
  };

  test.each(Object.keys(kinds))('%s: it closes, and ready is refused', async (kind) => {
    const missed = unhandled();
    const file = tempFile();
    const options = kinds[kind]?.() ?? {};
    for (const wait of [0, 1, 3]) {
      const db = new GlyphCase(file, options);
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      // What is over by then is over; what is not is refused.
      const ready = db.ready.then(
        () => 'ready',
        (error: unknown) => error,
      );
      await db.close();
      if (wait === 0) expect(await ready).toMatchObject(CLOSED);
      else expect(await ready).toSatisfy((got) => got === 'ready' || (got as typeof CLOSED).code === 'GC_CLOSED');
    }
    await turn();
    expect(missed).toEqual([]);
    expect(openFiles(file)).toEqual([]);
  });

  test('a start that nobody waits for is refused in silence', async () => {
    const missed = unhandled();
    await new GlyphCase(':memory:', { plugins: [slow] }).close();
    await turn();
    expect(missed).toEqual([]);
  });

  test('a constructor that throws leaves no file open', async () => {
    const file = tempFile();
    writeFileSync(file, 'this is no database, and long enough to be read as one '.repeat(20));
    expect(() => new GlyphCase(file)).toThrow(expect.objectContaining({ code: 'GC_NOT_A_DATABASE' }));
    const broken = definePlugin({ name: 'Broken Name', version: '1', activate: () => undefined });
    const other = tempFile();
    expect(() => new GlyphCase(other, { plugins: [broken] })).toThrow(
      expect.objectContaining({ code: 'GC_BAD_PLUGIN' }),
    );
    await turn();
    expect(openFiles(other)).toEqual([]);
  });
});

describe('while something is going on', () => {
  test('twice and at once: both resolve', async () => {
    const db = await open();
    await Promise.all([db.close(), db.close(), db[Symbol.asyncDispose]()]);
    await db.close();
    expect(db.sqlite.open).toBe(false);
  });

  test('writes that wait are done first', async () => {
    const file = tempFile();
    const db = await open(file);
    const keys = Array.from({ length: 100 }, (_, index) => db.insert('tasks', { title: `task ${index}` }));
    await db.close();
    expect(await Promise.all(keys)).toHaveLength(100);
    expect(sqlite3(file, 'SELECT count(*) FROM tasks').trim()).toBe('100');
  });

  test('a transaction that is open is waited for', async () => {
    const file = tempFile();
    const db = await open(file);
    const gate = Promise.withResolvers<void>();
    const writing = db.transaction(async () => {
      await db.insert('tasks', { title: 'write' });
      await gate.promise;
      await db.insert('tasks', { title: 'read' });
    });
    let isClosed = false;
    const closing = db.close().then(() => (isClosed = true));
    await turn();
    expect(isClosed).toBe(false);
    gate.resolve();
    await Promise.all([writing, closing]);
    expect(sqlite3(file, 'SELECT count(*) FROM tasks').trim()).toBe('2');
  });

  test('a transaction that does not end is given up after 2 s, and its next call says so', async () => {
    const entries: string[] = [];
    const note = (message: string): void => void entries.push(message);
    const file = tempFile();
    const db = await open(file, { logger: { debug: note, info: note, warn: note, error: note } });
    db.subscribe(db.watch('tasks'), () => undefined);
    const gate = Promise.withResolvers<void>();
    const writing = db.transaction(async () => {
      await db.insert('tasks', { title: 'write' });
      await gate.promise;
      await db.insert('tasks', { title: 'read' });
    });
    const waiting = db.insert('tasks', { title: 'rest' });
    const refused = Promise.all([
      expect(writing).rejects.toMatchObject(CLOSED),
      expect(waiting).rejects.toMatchObject(CLOSED),
    ]);
    const started = performance.now();
    await db.close();
    expect(performance.now() - started).toBeGreaterThan(1900);
    gate.resolve();
    await refused;
    expect(sqlite3(file, 'SELECT count(*) FROM tasks').trim()).toBe('0');
    // Said once, and not by every statement that comes after.
    expect(entries.filter((entry) => /Bookkeeping/.test(entry))).toEqual([]);
    // What it had to leave behind, the next host clears away.
    const next = await open(file);
    expect(next.stats().watchedTables).toEqual([]);
  });

  test('inside a transaction of its own: that one is refused', async () => {
    const file = tempFile();
    const db = await open(file);
    const writing = db.transaction(async () => {
      await db.insert('tasks', { title: 'write' });
      await db.close();
    });
    await expect(writing).rejects.toMatchObject(CLOSED);
    expect(sqlite3(file, 'SELECT count(*) FROM tasks').trim()).toBe('0');
  });

  test('a handler that runs is not waited for; its next call is refused, and a durable one gets its batch again', async () => {
    const missed = unhandled();
    const file = tempFile();
    const db = await open(file);
    const [begun, gate, over] = [0, 1, 2].map(() => Promise.withResolvers<unknown>());
    const handler = async (): Promise<void> => {
      begun?.resolve(undefined);
      await gate?.promise;
      over?.resolve(await db.query('SELECT 1').catch((error: unknown) => error));
    };
    db.subscribe(db.watch('tasks'), handler, { name: 'mailer' });
    await db.insert('tasks', { title: 'write' });
    await begun?.promise;
    await db.close();
    gate?.resolve(undefined);
    expect(await over?.promise).toMatchObject(CLOSED);
    await turn();
    expect(missed).toEqual([]);

    const next = await open(file);
    const titles: unknown[] = [];
    next.subscribe(
      next.watch('tasks'),
      (events) => void titles.push(...events.map(({ newData }) => newData?.['title'])),
      {
        name: 'mailer',
      },
    );
    await next.flush();
    expect(titles).toEqual(['write']);
  });

  test('a handler may close the database it is called by', async () => {
    const db = await open();
    const closed = Promise.withResolvers<void>();
    db.subscribe(db.watch('tasks'), async () => {
      await db.close();
      closed.resolve();
    });
    await db.insert('tasks', { title: 'write' });
    await closed.promise;
    expect(db.sqlite.open).toBe(false);
  });

  test('changes that are not delivered yet reach a durable subscription at the next start', async () => {
    const file = tempFile();
    const db = await open(file, { capsule: { batchInterval: 60_000 } });
    const seen: number[] = [];
    db.subscribe(db.watch('tasks'), (events) => void seen.push(events.length), { name: 'mailer' });
    await db.insert('tasks', { title: 'write' });
    await db.close();
    expect(seen).toEqual([]);
    const next = await open(file);
    next.subscribe(next.watch('tasks'), (events) => void seen.push(events.length), { name: 'mailer' });
    await next.flush();
    expect(seen).toEqual([1]);
  });

  test('its folder of skills may go at once', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'data'));
    const db = await open(join(folder, 'data', 'app.db'), { skills: { dir: writeSkill(folder) } });
    await db.ready;
    await db.close();
    rmSync(join(folder, 'skills'), { recursive: true });
    rmSync(join(folder, 'data'), { recursive: true });
    await turn();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('afterwards', () => {
  const plugin = definePlugin({ name: 'late', version: '1.0.0', activate: () => undefined });
  const calls: Readonly<Record<string, (db: GlyphCase) => unknown>> = {
    query: (db) => db.query('SELECT 1'),
    queryOne: (db) => db.queryOne('SELECT 1'),
    queryScalar: (db) => db.queryScalar('SELECT 1'),
    execute: (db) => db.execute('DELETE FROM tasks'),
    'execute VACUUM': (db) => db.execute('VACUUM'),
    insert: (db) => db.insert('tasks', {}),
    insertMany: (db) => db.insertMany('tasks', [{}]),
    update: (db) => db.update('tasks', 1, { title: 'x' }),
    updateWhere: (db) => db.updateWhere('tasks', '1', [], { title: 'x' }),
    delete: (db) => db.delete('tasks', 1),
    deleteWhere: (db) => db.deleteWhere('tasks', '1'),
    transaction: (db) => db.transaction(() => 1),
    createTable: (db) => db.createTable('more', [{ name: 'id', type: 'INTEGER' }]),
    defineSchema: (db) => db.defineSchema({ tables: [] }),
    watch: (db) => db.watch('tasks'),
    'watch of a query': (db) => db.watch('SELECT * FROM tasks'),
    subscribe: (db) => db.subscribe('any', () => undefined),
    dispatch: (db) => db.dispatch('note'),
    onAction: (db) => db.onAction('note', () => undefined),
    request: (db) => db.request('note'),
    registerLuaFunction: (db) => db.registerLuaFunction('f', () => 1),
    executeLuaScript: (db) => db.executeLuaScript('return 1'),
    callLuaFunction: (db) => db.callLuaFunction('f'),
    recreateTriggersForTable: (db) => db.recreateTriggersForTable('tasks'),
    handle: (db) => db.handle(new Request('http://localhost/')),
    flush: (db) => db.flush(),
    prune: (db) => db.prune(),
    stats: (db) => db.stats(),
    'plugins.load': (db) => db.plugins.load(plugin),
    'plugins.reload': (db) => db.plugins.reload('live'),
    'skills.list': (db) => db.skills.list(),
    'skills.call': (db) => db.skills.call('counter', 'count'),
    'skills.load': (db) => db.skills.load('.'),
    'skills.install': (db) => db.skills.install('.', { dir: '.' }),
  };

  test.each(Object.keys(calls))('%s is refused with GC_CLOSED', async (name) => {
    const db = await open(':memory:');
    await db.close();
    await expect((async () => await calls[name]?.(db))()).rejects.toMatchObject({ name: 'GlyphError', ...CLOSED });
  });

  test('what is left over can be disposed, and says that it has ended', async () => {
    const db = await open();
    const watcher = db.watch('tasks');
    const subscription = db.subscribe(watcher, () => undefined);
    const query = db.watch('SELECT * FROM tasks');
    const stop = db.onAction('note', () => undefined);
    await db.close();
    expect(() => query.rows()).toThrow(expect.objectContaining({ code: 'GC_NO_SUCH_WATCHER' }));
    subscription[Symbol.dispose]();
    watcher[Symbol.dispose]();
    query[Symbol.dispose]();
    stop();
    expect(db.filename).toMatch(/app\.db$/);
    expect(db.plugins.list().length).toBeGreaterThan(5);
  });
});
