/**
 * The phases of the comparison. Each gets an open, filled peer and returns its figures; times are milliseconds.
 *
 * Invariant: a phase does the same to every peer, and its figures say how many samples they rest on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Listener } from './listener.mjs';
import { activeId, BULK, idOfUser, shuffled, task, tasks, TASKS, todoId, USERS } from './workload.mjs';

/** @typedef {import('./adapters/types.d.ts').Adapter} Adapter */

const SAMPLES = 750;
/** So many, because it takes thousands of writes until V8 has compiled what they run. */
const WARM_UP = 2500;
const OUTSIDE = 20;
/** A peer that is slow is judged by fewer samples: ms for all of them. */
const SAMPLING_LIMIT = Number(process.env.SAMPLING_LIMIT ?? 4000);
/** Watchers that are not set up by then are not waited for, ms. */
const SET_UP_LIMIT = Number(process.env.SET_UP_LIMIT ?? 60_000);

export const PHASES = ['point', 'filter', 'join', 'bulk', 'scale:1', 'scale:100', 'scale:1000', 'scale:10000'];

/** @param {number[]} values */
export const quantile = (values, part = 0.5) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

/**
 * @param {string} phase
 * @param {Adapter} peer
 * @returns {Promise<Record<string, number | string>>}
 */
export async function runPhase(phase, peer) {
  const [name, count] = phase.split(':');
  if (name === 'point') return await point(peer);
  if (name === 'filter') return await filter(peer);
  if (name === 'join') return peer.watchJoin === undefined ? { cannot: peer.noJoin } : await join(peer);
  if (name === 'bulk') return await bulk(peer);
  if (name === 'scale' && Number(count) > 0) return await scale(peer, Number(count));
  throw new Error(`There is no phase ${phase}; there are ${PHASES.join(', ')}`);
}

/** After the warm-up, until there are enough or time is up; when time is, half of what there is counts as warm-up. */
async function sample(once) {
  const results = [];
  const started = performance.now();
  while (results.length < WARM_UP + SAMPLES) {
    results.push(await once(results.length));
    if (performance.now() - started > SAMPLING_LIMIT && results.length >= 3) break;
  }
  return results.slice(Math.min(WARM_UP, results.length >> 1));
}

const figures = (samples) => ({
  p50: quantile(samples.map((one) => one.callback)),
  p95: quantile(
    samples.map((one) => one.callback),
    0.95,
  ),
  writeP50: quantile(samples.map((one) => one.written)),
  samples: samples.length,
});

/** Milliseconds that `fn` takes. */
async function timed(fn) {
  const started = performance.now();
  await fn();
  return performance.now() - started;
}

/** One row updated by its key while nobody watches: the write alone. */
async function point(peer) {
  const times = await sample((step) => timed(() => peer.updateTitle(activeId(step), `point ${step}`)));
  return { writeP50: quantile(times), writeP95: quantile(times, 0.95), samples: times.length };
}

/** A title in a result of 10,000 rows; then writes outside of it, which nobody should hear of; then a row that enters and leaves. */
async function filter(peer) {
  const listener = new Listener();
  const setUp = await timed(() => peer.watchFilter(listener.callback));
  await listener.silence();
  const samples = await sample((step) => {
    const id = activeId(step);
    const title = `filter ${step}`;
    return listener.after(
      (view) => view.row(id)?.title === title,
      () => peer.updateTitle(id, title),
    );
  });
  await listener.silence();
  const before = listener.calls;
  for (let step = 0; step < OUTSIDE; step += 1) {
    await peer.updateTitle(todoId(step), `outside ${step}`);
    await sleep(40);
  }
  await listener.silence();
  const spurious = listener.calls - before;
  const id = todoId(3);
  await listener.after(
    (view) => view.row(id)?.status === 'active',
    () => peer.updateStatus(id, 'active'),
  );
  await listener.after(
    (view) => view.row(id) === undefined,
    () => peer.updateStatus(id, 'todo'),
  );
  return { ...figures(samples), setUp, spurious };
}

/** A task is inserted: one of 1,000 groups counts one more. */
async function join(peer) {
  const listener = new Listener();
  const setUp = await timed(() => peer.watchJoin(listener.callback));
  await listener.silence();
  const samples = await sample((step) => {
    const added = task(TASKS + 1 + step);
    const count = TASKS / USERS + 1 + Math.floor(step / USERS);
    return listener.after(
      (view) => view.row(added.user_id)?.n === count,
      () => peer.insertTask(added),
    );
  });
  return { ...figures(samples), setUp };
}

/** 10,000 rows in one transaction: alone, and until the filter's watcher has the 1,000 of them that are active. */
async function bulk(peer) {
  let next = TASKS + 1;
  const rows = () => tasks((next += BULK) - BULK, BULK);
  const perSecond = (times) => (BULK / quantile(times)) * 1000;
  const alone = [];
  for (let round = 0; round < 5; round += 1) {
    const given = rows();
    alone.push(await timed(() => peer.bulkInsert(given)));
  }
  const listener = new Listener();
  await peer.watchFilter(listener.callback);
  await listener.silence();
  const watched = [];
  let calls = 0;
  for (let round = 0; round < 5; round += 1) {
    const given = rows();
    const size = (next - 1) / 10;
    const before = listener.calls;
    watched.push(
      (
        await listener.after(
          (view) => view.size === size,
          () => peer.bulkInsert(given),
        )
      ).callback,
    );
    await listener.silence();
    calls = listener.calls - before;
  }
  return { unwatchedPerSecond: perSecond(alone), watchedPerSecond: perSecond(watched), callbacksPerBulk: calls };
}

/** So many queries for one user's tasks each, and one title updated: one of them should hear of it. */
async function scale(peer, count) {
  const listener = new Listener();
  const watched = [];
  globalThis.gc?.();
  const before = memory();
  const setUp = await timed(async () => {
    const started = performance.now();
    for (const user of shuffled(count)) {
      await peer.watchUser(user, listener.callback);
      watched.push(user);
      if (performance.now() - started > SET_UP_LIMIT) break;
    }
    await peer.settled?.();
  });
  await listener.silence();
  globalThis.gc?.();
  const kibPerWatcher = (memory() - before) / 1024 / watched.length;
  const users = watched.filter((user) => user <= USERS);
  let writes = 0;
  listener.calls = 0;
  const samples = await sample((step) => {
    const id = idOfUser(users[(step * 31) % users.length], step);
    const title = `scale ${step}`;
    writes += 1;
    return listener.after(
      (view) => view.row(id)?.title === title,
      () => peer.updateTitle(id, title),
    );
  });
  await listener.silence();
  return {
    ...figures(samples),
    setUp,
    watchers: watched.length,
    kibPerWatcher,
    callbacksPerWrite: listener.calls / writes,
  };
}

const memory = () => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
