/**
 * Change capture and delivery: what it costs a write, how fast a backlog drains, how soon a handler hears.
 *
 * Ratios compare with the same work on the same handle while nobody watches, in the same run.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { GlyphCase } from '../sdk/index.ts';
import type { ChangeEvent } from '../sdk/index.ts';
import { median, residentKiB, time, withFolder } from './measure.ts';

const TABLE = 'CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, title TEXT)';
const ROWS = 10_000;

export async function run(): Promise<Record<string, number>> {
  return { ...(await capture()), ...(await drain()), ...(await inProcess()), ...(await outside()) };
}

/** INSERT, UPDATE and DELETE of 10,000 rows in one transaction each, by raw prepared statements; watched and unwatched in turns. */
async function capture(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const db = new GlyphCase(join(folder, 'a.db'));
    await db.execute(TABLE);
    const { sqlite } = db;
    const round = (): { insert: number; update: number; delete: number } => {
      const insert = sqlite.prepare('INSERT INTO tasks(user_id, status, title) VALUES (?, ?, ?)');
      const update = sqlite.prepare('UPDATE tasks SET title = ? WHERE id = ?');
      const remove = sqlite.prepare('DELETE FROM tasks WHERE id = ?');
      const each = (fn: (id: number) => unknown): number => {
        // Whether a checkpoint happens to fall into a transaction is chance; so it happens between them.
        sqlite.pragma('wal_checkpoint(TRUNCATE)');
        return time(() =>
          sqlite.transaction(() => {
            for (let id = 1; id <= ROWS; id += 1) fn(id);
          })(),
        );
      };
      return {
        // The table is empty, so SQLite gives the rows the ids 1 to 10,000.
        insert: each((id) => insert.run(id % 1000, 'active', `Task number ${id}`)),
        update: each((id) => update.run(`Changed ${id}`, id)),
        delete: each((id) => remove.run(id)),
      };
    };
    round();
    const ratios: Record<'insert' | 'update' | 'delete', number[]> = { insert: [], update: [], delete: [] };
    for (let index = 0; index < 9; index += 1) {
      const plain = round();
      const watcher = db.watch('tasks');
      const watched = round();
      db.unwatch(watcher);
      await db.flush();
      for (const key of ['insert', 'update', 'delete'] as const) ratios[key].push(plain[key] / watched[key]);
    }
    await db.close();
    return {
      insertRatio: median(ratios.insert),
      updateRatio: median(ratios.update),
      deleteRatio: median(ratios.delete),
    };
  });
}

/** A million changes wait; one subscriber takes them all. */
async function drain(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const total = 1_000_000;
    const db = new GlyphCase(join(folder, 'a.db'), { capsule: { batchInterval: 0, batchSize: 1000 } });
    await db.execute(TABLE);
    const watcher = db.watch('tasks');
    const start = db.stats().end;
    const insert = db.sqlite.prepare('INSERT INTO tasks(user_id, status, title) VALUES (?, ?, ?)');
    for (let part = 0; part < 1000; part += 1) {
      db.sqlite.transaction(() => {
        for (let index = 0; index < total / 1000; index += 1) insert.run(index, 'active', `Task ${part} ${index}`);
      })();
    }
    await db.flush();
    const before = residentKiB();
    let peak = before;
    let seen = 0;
    const started = performance.now();
    await new Promise<void>((resolve) => {
      db.subscribe(
        watcher,
        (events) => {
          seen += events.length;
          if (seen % 50_000 === 0) peak = Math.max(peak, residentKiB());
          if (seen === total) resolve();
        },
        { from: start },
      );
    });
    const seconds = (performance.now() - started) / 1000;
    await db.close();
    return { drainPerSecond: total / seconds, drainGrowthMB: (peak - before) / 1024 };
  });
}

/** One `insert` until the handler has it: alone, and among 10,000 filtered watchers. */
async function inProcess(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const db = new GlyphCase(join(folder, 'a.db'), { capsule: { batchInterval: 0 } });
    await db.execute(TABLE);
    let arrived = (): void => undefined;
    const measure = async (): Promise<{ p50: number; p95: number }> => {
      const times: number[] = [];
      for (let index = 0; index < 3000; index += 1) {
        const started = performance.now();
        const seen = new Promise<number>((resolve) => (arrived = () => resolve(performance.now() - started)));
        void db.insert('tasks', { user_id: 1, status: 'active', title: 'x' });
        times.push(await seen);
      }
      const sorted = times.slice(500).sort((a, b) => a - b);
      return {
        p50: sorted[sorted.length >> 1] ?? Number.NaN,
        p95: sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN,
      };
    };
    db.subscribe(db.watch('tasks', 'user_id = ?', [1]), () => arrived());
    const one = await measure();
    const setUp = time(() => {
      for (let user = 2; user <= 10_000; user += 1) {
        db.subscribe(db.watch('tasks', 'user_id = ?', [user]), () => {
          throw new Error('the wrong watcher was called');
        });
      }
    });
    await db.flush();
    const many = await measure();
    await db.close();
    return {
      inProcessP50Ms: one.p50,
      inProcessP95Ms: one.p95,
      filtered10000P50Ms: many.p50,
      filtered10000Ratio: many.p50 / one.p50,
      setUp10000Ms: setUp,
    };
  });
}

const WRITER = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
for i in range(int(sys.argv[2])):
    db.execute("INSERT INTO tasks(user_id, title) VALUES (?, 'outside')", (i,))
    print(i, time.time_ns(), flush=True)
    time.sleep(float(sys.argv[3]))
`;

/** Commits of a Python process: when each was committed, by its own clock, against when the handler had it. */
async function outside(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const file = join(folder, 'a.db');
    const db = new GlyphCase(file, { capsule: { batchInterval: 0 } });
    await db.execute(TABLE);
    const arrived = new Map<number, number>();
    db.subscribe(db.watch('tasks'), (events: ChangeEvent[]) => {
      const now = performance.timeOrigin + performance.now();
      for (const event of events) arrived.set(Number(event.newData?.['user_id']), now);
    });
    const paced = await write(file, 500, 0.004);
    await db.flush();
    const times = [...paced].map(([id, at]) => (arrived.get(id) ?? Number.NaN) - at).sort((a, b) => a - b);
    arrived.clear();
    const burst = await write(file, 10_000, 0);
    await db.flush();
    const missed = [...burst.keys()].filter((id) => !arrived.has(id)).length;
    await db.close();
    return { outsideP50Ms: median(times), outsideP95Ms: times[Math.floor(times.length * 0.95)] ?? Number.NaN, missed };
  });
}

/** Commit times, Unix ms, by row. */
async function write(file: string, count: number, pause: number): Promise<Map<number, number>> {
  const child = spawn('python3', ['-c', WRITER, file, String(count), String(pause)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const committed = new Map<number, number>();
  for await (const line of createInterface({ input: child.stdout })) {
    const [id, at] = line.split(' ');
    committed.set(Number(id), Number(BigInt(at ?? '0') / 1000n) / 1000);
  }
  return committed;
}

if (process.argv[1] === import.meta.filename) console.log(await run());
