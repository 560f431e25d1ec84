/**
 * Live queries: how soon after a write the handler is called, what many of them cost, and what does not wake them.
 *
 * Times run from before the call that writes to the start of the callback that has the change. What is written is a prepared
 * statement on the raw handle, as it is for the others; the same by `execute()` is shown once. Beside each stands a naive
 * live query on better-sqlite3 with the same rows in the same run; other databases are in bench/peers/.
 */
import type { ChangeEvent, GlyphCase } from '../sdk/index.ts';
import { Arrival, p95, sample, shuffled, withDatabase, withNaive } from './live-measure.ts';
import { median, timeAsync } from './measure.ts';
import {
  activeTask,
  ADD,
  BY_USER,
  FILTER,
  JOIN,
  otherTask,
  RENAME,
  task,
  taskOf,
  TASKS,
  USERS,
} from './live-workload.ts';
import type { Task } from './live-workload.ts';

const BULK = 10_000;

export async function run(): Promise<Record<string, number>> {
  return {
    ...(await filter()),
    ...(await joins()),
    ...(await parameters()),
    ...(await bulk()),
    spurious: await spurious(),
  };
}

const values = (events: readonly ChangeEvent[], column: string): unknown[] =>
  events.map((event) => event.newData?.[column]);

/** The title of one row of 10,000 in the result is updated. */
async function filter(): Promise<Record<string, number>> {
  const ours = await withDatabase(async (db) => {
    const arrival = new Arrival();
    db.subscribe(db.watch(FILTER), (events) => arrival.see(values(events, 'title')));
    const rename = db.sqlite.prepare(RENAME);
    const prepared = await sample((step) =>
      arrival.after(() => rename.run(`renamed ${step}`, activeTask(step)), `renamed ${step}`),
    );
    const executed = await sample((step) =>
      arrival.after(() => db.execute(RENAME, [`again ${step}`, activeTask(step)]), `again ${step}`),
    );
    return { prepared, executed };
  });
  const naive = await withNaive(async (other) => {
    const arrival = new Arrival();
    const rename = other.db.prepare(RENAME);
    other.watch(FILTER, [], (rows) => arrival.see(rows.map((row) => row['title'])));
    return await sample((step) =>
      arrival.after(() => {
        rename.run(`renamed ${step}`, activeTask(step));
        other.touch();
      }, `renamed ${step}`),
    );
  });
  return {
    filterP50Ms: median(ours.prepared),
    filterP95Ms: p95(ours.prepared),
    filterExecuteP50Ms: median(ours.executed),
    filterNaiveP50Ms: median(naive),
    filterNaiveRatio: median(naive) / median(ours.prepared),
    filterSamples: ours.prepared.length,
  };
}

/**
 * A task is added: one group of 1,000 counts one more. What it costs may grow with the table in two ways: more groups of 100
 * tasks each, or as many groups of more tasks.
 */
async function joins(): Promise<Record<string, number>> {
  const times = await joined(TASKS, USERS);
  const naive = median(await joinedNaively());
  const fewGroups = median(await joined(TASKS / 10, USERS / 10));
  const manyGroups = median(await joined(TASKS * 10, USERS * 10));
  const smallGroups = median(await joined(TASKS / 10, USERS));
  const largeGroups = median(await joined(TASKS * 10, USERS));
  return {
    joinP50Ms: median(times),
    joinP95Ms: p95(times),
    joinNaiveP50Ms: naive,
    joinNaiveRatio: naive / median(times),
    joinSamples: times.length,
    joinFewGroupsP50Ms: fewGroups,
    joinManyGroupsP50Ms: manyGroups,
    joinGrowth: manyGroups / fewGroups,
    joinSmallGroupsP50Ms: smallGroups,
    joinLargeGroupsP50Ms: largeGroups,
    joinGroupGrowth: largeGroups / smallGroups,
  };
}

/** What the steps write, and by what they are recognised: the group's number of tasks. */
function additions(tasks: number, users: number): (step: number) => { row: readonly unknown[]; count: string } {
  return (step) => {
    const row = task(tasks + 1 + step, users);
    return { row, count: `${row[1]}: ${tasks / users + 1 + Math.floor(step / users)}` };
  };
}

const counted = (row: Readonly<Record<string, unknown>> | undefined): string =>
  `${Number(row?.['id'])}: ${Number(row?.['n'])}`;

async function joined(tasks: number, users: number): Promise<number[]> {
  return await withDatabase(
    async (db) => {
      const arrival = new Arrival();
      const addition = additions(tasks, users);
      db.subscribe(db.watch(JOIN), (events) => arrival.see(events.map((event) => counted(event.newData))));
      const add = db.sqlite.prepare(ADD);
      return await sample((step) => {
        const { row, count } = addition(step);
        return arrival.after(() => add.run(...row), count);
      });
    },
    tasks,
    users,
  );
}

async function joinedNaively(): Promise<number[]> {
  return await withNaive(async (other) => {
    const arrival = new Arrival();
    const addition = additions(TASKS, USERS);
    const add = other.db.prepare(ADD);
    other.watch(JOIN, [], (rows) => arrival.see(rows.map(counted)));
    return await sample((step) => {
      const { row, count } = addition(step);
      return arrival.after(() => {
        add.run(...row);
        other.touch();
      }, count);
    });
  });
}

/** Many queries of one text, each with its own parameter; the title of one task is updated, so one of them is called. */
async function parameters(): Promise<Record<string, number>> {
  const thousand = await withDatabase((db) => many(db, 1000));
  const tenThousand = await withDatabase((db) => many(db, 10_000));
  const naive = await withNaive(async (other) => {
    const arrival = new Arrival();
    const rename = other.db.prepare(RENAME);
    for (const user of shuffled(1000))
      other.watch(BY_USER, [user], (rows) => arrival.see(rows.map((row) => row['title'])));
    return await sample((step) =>
      arrival.after(() => {
        rename.run(`renamed ${step}`, taskOf((step % USERS) + 1, step));
        other.touch();
      }, `renamed ${step}`),
    );
  });
  return {
    setUp10000QueriesMs: tenThousand.setUp,
    parameters1000P50Ms: median(thousand.times),
    parameters10000P50Ms: median(tenThousand.times),
    parameters10000P95Ms: p95(tenThousand.times),
    parameters1000NaiveP50Ms: median(naive),
    parameters1000NaiveRatio: median(naive) / median(thousand.times),
    parameters10000Samples: tenThousand.times.length,
  };
}

async function many(db: GlyphCase, count: number): Promise<{ setUp: number; times: number[] }> {
  const arrival = new Arrival();
  const setUp = await timeAsync(async () => {
    for (const user of shuffled(count)) {
      db.subscribe(db.watch(BY_USER, [user]), (events) => arrival.see(values(events, 'title')));
    }
    await db.flush();
  });
  const rename = db.sqlite.prepare(RENAME);
  const times = await sample((step) => {
    const id = taskOf(((step * 31) % USERS) + 1, step);
    return arrival.after(() => rename.run(`renamed ${step}`, id), `renamed ${step}`);
  });
  return { setUp, times };
}

/** 10,000 rows in one transaction, until the handler of the filter has the tenth of them that it is to have. */
async function bulk(): Promise<Record<string, number>> {
  const ours = await withDatabase(async (db) => {
    let left = 0;
    let arrived = (): void => undefined;
    db.subscribe(db.watch(FILTER), (events) => {
      left -= events.length;
      if (left === 0) arrived();
    });
    const until = async (write: () => unknown): Promise<number> => {
      left = BULK / 10;
      const seen = new Promise<void>((resolve) => (arrived = resolve));
      const started = performance.now();
      const written = write();
      await seen;
      const ended = performance.now();
      await written;
      return ended - started;
    };
    const add = db.sqlite.prepare(ADD);
    const addAll = db.sqlite.transaction((tasks: readonly Task[]) => {
      for (const one of tasks) add.run(...one);
    });
    return {
      prepared: await rate(TASKS + 1, (tasks) => until(() => addAll(tasks))),
      insertMany: await rate(2 * TASKS + 1, (tasks) => {
        const rows = tasks.map(([id, user_id, status, title]) => ({ id, user_id, status, title }));
        return until(() => db.insertMany('tasks', rows));
      }),
    };
  });
  const naive = await withNaive(async (other) => {
    let arrived = (): void => undefined;
    other.watch(FILTER, [], () => arrived());
    const add = other.db.prepare(ADD);
    const addAll = other.db.transaction((tasks: readonly Task[]) => {
      for (const one of tasks) add.run(...one);
    });
    return await rate(TASKS + 1, async (tasks) => {
      const seen = new Promise<void>((resolve) => (arrived = resolve));
      const started = performance.now();
      addAll(tasks);
      other.touch();
      await seen;
      return performance.now() - started;
    });
  });
  return { bulkPerSecond: ours.prepared, bulkInsertManyPerSecond: ours.insertMany, bulkNaivePerSecond: naive };
}

/** Rows a second: the median of seven rounds after two. */
async function rate(from: number, write: (tasks: readonly Task[]) => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    times.push(await write(Array.from({ length: BULK }, (_, index) => task(from + round * BULK + index))));
  }
  return (BULK / median(times.slice(2))) * 1000;
}

/** How often handlers are called by writes that change nothing in their results. */
async function spurious(): Promise<number> {
  return await withDatabase(async (db) => {
    let calls = 0;
    const count = (): void => void (calls += 1);
    const write = async (sql: string, params: readonly unknown[]): Promise<void> => {
      await db.execute(sql, params);
      await db.flush();
    };
    const filtered = db.watch(FILTER);
    db.subscribe(filtered, count);
    db.subscribe(db.watch("SELECT id, user_id FROM tasks WHERE status = 'active'"), count);
    db.subscribe(db.watch(JOIN), count);
    db.subscribe(db.watch(BY_USER, [USERS + 1]), count);
    for (let step = 0; step < 20; step += 1) {
      await write(RENAME, [`outside ${step}`, otherTask(step)]);
      await write('UPDATE tasks SET title = title WHERE id = ?', [activeTask(step)]);
    }
    // Of the others, none reads the title of an active task.
    db.unwatch(filtered);
    for (let step = 0; step < 20; step += 1) await write(RENAME, [`unread ${step}`, activeTask(step)]);
    return calls;
  });
}

if (process.argv[1] === import.meta.filename) console.log(await run());
