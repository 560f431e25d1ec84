/** The tables of the specification's sections 7.1, 7.2, 7.3 and 7.5, measured here and printed beside its figures. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GlyphCase } from '../sdk/index.ts';
import { median, timeAsync, withFolder } from './measure.ts';

const USERS = 10_000;

export async function run(): Promise<Record<string, number>> {
  return { ...(await queries()), ...memory(), ...(await sizes()), ...(await latencies()) };
}

/** 7.1: one operation, 1,000 and 10,000 of them, through the host API on a watched table. */
async function queries(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const db = new GlyphCase(join(folder, 'a.db'));
    await db.execute('CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, status TEXT)');
    db.watch('users');
    let next = 0;
    const user = (): Record<string, unknown> => {
      next += 1;
      return { email: `user${next}@example.com`, name: `User ${next}`, status: 'active' };
    };
    await db.insertMany('users', Array.from({ length: USERS }, user));
    const result: Record<string, number> = {};
    const many = (count: number, fn: (index: number) => Promise<unknown>): Promise<unknown> =>
      db.transaction(async () => {
        for (let index = 0; index < count; index += 1) await fn(index);
      });
    const operations: Record<string, (index: number) => Promise<unknown>> = {
      select: (index) => db.query('SELECT * FROM users WHERE email = ?', [`user${(index % USERS) + 1}@example.com`]),
      update: (index) => db.update('users', (index % USERS) + 1, { name: `Name ${index} ${performance.now()}` }),
      insert: () => db.insert('users', user()),
      delete: (index) => db.delete('users', USERS + 1 + index + deleted),
    };
    let deleted = 0;
    for (const [name, operation] of Object.entries(operations)) {
      const single: number[] = [];
      for (let index = 0; index < 50; index += 1) single.push(await timeAsync(() => operation(index)));
      if (name === 'delete') deleted += 50;
      result[`${name}1Ms`] = median(single);
      result[`${name}1000Ms`] = await timeAsync(() => many(1000, operation));
      if (name === 'delete') deleted += 1000;
      result[`${name}10000Ms`] = await timeAsync(() => many(name === 'delete' ? 8950 : 10_000, operation));
    }
    // Full scans of a table of 10,000 rows: the specification's 12 s for 10,000 of them.
    const scan = (): Promise<unknown> => db.query("SELECT count(*) FROM users WHERE name LIKE '%9999%'");
    const scans: number[] = [];
    for (let index = 0; index < 20; index += 1) scans.push(await timeAsync(scan));
    result['scan1Ms'] = median(scans);
    result['scan1000Ms'] = await timeAsync(() => many(1000, scan));
    await db.close();
    return result;
  });
}

/** 7.2: resident memory of a fresh process, MB above plain Node. */
function memory(): Record<string, number> {
  const index = fileURLToPath(new URL('../sdk/index.ts', import.meta.url));
  const measure = (body: string): number => {
    const program = `${body}\nglobalThis.gc?.(); console.log(process.memoryUsage().rss / 1e6);`;
    const runs = [1, 2, 3, 4, 5].map(() => {
      const child = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
        encoding: 'utf8',
        timeout: 20_000,
      });
      return Number(child.stdout.trim());
    });
    return median(runs);
  };
  // What importing the sources leaves behind is no part of what an open database takes.
  const load = `import { GlyphCase } from ${JSON.stringify(index)}; globalThis.gc?.();`;
  const open = `${load} const db = new GlyphCase(':memory:'); await db.ready; await db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, v)');`;
  const node = measure('');
  const code = measure(load);
  const host = measure(open);
  const watching = measure(
    `${open} for (let i = 0; i < 100; i += 1) db.subscribe(db.watch('t', 'v = ?', [i]), () => {}); await db.insert('t', { v: 1 }); await db.flush();`,
  );
  const lua = measure(`${open} await db.executeLuaScript('return 1');`);
  return {
    codeMB: code - node,
    engineMB: host - code,
    watchers100MB: watching - host,
    luaMB: lua - host,
  };
}

/** 7.3: bytes in the file per 1,000 rows of simple text fields, without and with their changes in the log. */
async function sizes(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const size = async (name: string, watched: boolean): Promise<number> => {
      const file = join(folder, name);
      const db = new GlyphCase(file);
      await db.execute('CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT, name TEXT, status TEXT)');
      if (watched) db.watch('users');
      await db.execute('PRAGMA wal_checkpoint(TRUNCATE)');
      const before = statSync(file).size;
      await db.insertMany(
        'users',
        Array.from({ length: 10_000 }, (_, i) => ({
          email: `user${i}@example.com`,
          name: `User ${i}`,
          status: 'active',
        })),
      );
      await db.flush();
      await db.execute('PRAGMA wal_checkpoint(TRUNCATE)');
      const after = statSync(file).size;
      await db.close();
      return (after - before) / 10;
    };
    const plain = await size('plain.db', false);
    const logged = await size('logged.db', true);
    return { rowBytesPer1000: plain, logBytesPer1000: logged - plain };
  });
}

/** 7.5: one write until its handler, by number of watchers, batchInterval 0. */
async function latencies(): Promise<Record<string, number>> {
  const result: Record<string, number> = {};
  for (const count of [1, 20, 100, 1000]) {
    result[`latency${count}Ms`] = await withFolder(async (folder) => {
      const db = new GlyphCase(join(folder, 'a.db'), { capsule: { batchInterval: 0 } });
      await db.execute('CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, title TEXT)');
      let arrived = (): void => undefined;
      for (let index = 0; index < count; index += 1) {
        db.subscribe(db.watch('tasks', 'user_id = ?', [index]), () => arrived());
      }
      const times: number[] = [];
      for (let index = 0; index < 300; index += 1) {
        const started = performance.now();
        const seen = new Promise<number>((resolve) => (arrived = () => resolve(performance.now() - started)));
        void db.insert('tasks', { user_id: index % count, title: 'x' });
        times.push(await seen);
      }
      await db.close();
      return median(times.slice(50));
    });
  }
  return result;
}

if (process.argv[1] === import.meta.filename) console.log(await run());
