/**
 * What crossing between the host and Lua costs, against wasmoon's own JavaScript layer and a plain JavaScript function.
 *
 * Times are microseconds (the median of several rounds) unless the name says otherwise. Run: `node bench/lua.ts`.
 */
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { LuaFactory } from 'wasmoon';
import { createLuaService } from '../plugins/lua/index.ts';
import type { LuaState } from '../plugins/lua/types.ts';

const ROUNDS = 9;
const LIMITS = { timeMs: 1000, memoryBytes: 64 * 1024 * 1024 };
const COLUMNS = Array.from({ length: 10 }, (_, index) => `column_${index}`);
const ROWS = Array.from({ length: 100 }, (_, row) =>
  Object.fromEntries(
    COLUMNS.map((name, column) => [name, column % 2 === 0 ? row * column : `value ${row} of ${column}`]),
  ),
);
const SCRIPT = `
  function add(a, b, c) return a + b + c end
  function take(rows) return #rows end
  function read(rows)
    local total = 0
    for i = 1, #rows do local row = rows[i] for name, value in pairs(row) do if value ~= nil then total = total + 1 end end end
    return total
  end
  function calls(n) local sum = 0 for i = 1, n do sum = sum + host(i, 2, "abc") end return sum end
  function fetch() local rows = fetch_rows() return #rows end
  function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
  function loop(n) local x = 0.0 for i = 1, n do x = x + i * 0.5 end return x end
`;

/** Median time of one call of `fn`, in microseconds. */
function measure(times: number, fn: () => unknown): number {
  for (let index = 0; index < Math.min(times, 500); index++) fn();
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    for (let index = 0; index < times; index++) fn();
    rounds.push(((performance.now() - begin) * 1000) / times);
  }
  rounds.sort((a, b) => a - b);
  return rounds[ROUNDS >> 1]!;
}

/** Lets V8 finish optimising what was just warmed up. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));

async function ours(): Promise<Record<string, number>> {
  const begin = performance.now();
  const lua = createLuaService(LIMITS, () => Date.now());
  const make = (): LuaState =>
    lua.createState({
      name: 'bench',
      functions: { host: (a, b) => (a as number) + (b as number), fetch_rows: () => ROWS },
    });
  const state = make();
  const firstStateMs = performance.now() - begin;
  state.load(SCRIPT, 'bench.lua');
  for (let index = 0; index < 300; index++) {
    state.call('add', 1, 2, 3);
    state.call('read', ROWS);
    state.call('calls', 10);
    state.call('fib', 10);
  }
  await settle();
  const guarded = measure(20_000, () => state.guard(() => state.call('add', 1, 2, 3)));
  const many = <T>(fn: () => T): T => state.guard(fn);
  const batch: Record<string, number> = {
    call: many(() => measure(2_000, () => state.call('add', 1, 2, 3))),
    rowsIn: measure(100, () => state.call('take', ROWS)),
    rowsInAndRead: measure(100, () => state.call('read', ROWS)),
    rowsFromHostFunction: measure(100, () => state.call('fetch')),
    hostCall: measure(50, () => state.call('calls', 1000)) / 1000,
    fib20: measure(10, () => state.call('fib', 20)),
    loop100k: measure(10, () => state.call('loop', 100_000)),
    guardedCall: guarded,
    firstStateMs,
  };
  const before = process.memoryUsage.rss();
  const create = performance.now();
  const states = Array.from({ length: 100 }, make);
  batch['createStateMs'] = (performance.now() - create) / 100;
  for (const each of states) each.load(SCRIPT, 'bench.lua');
  batch['stateRssKiB'] = (process.memoryUsage.rss() - before) / 1024 / 100;
  lua.closeAll();
  return batch;
}

async function stock(): Promise<Record<string, number>> {
  const engine = await new LuaFactory().createEngine({ enableProxy: false });
  engine.global.set('host', (a: number, b: number) => a + b);
  engine.global.set('fetch_rows', () => ROWS);
  engine.doStringSync(SCRIPT);
  const get = (name: string): ((...args: unknown[]) => unknown) =>
    engine.global.get(name) as (...args: unknown[]) => unknown;
  const [add, take, read, calls, fetch, fib, loop] = ['add', 'take', 'read', 'calls', 'fetch', 'fib', 'loop'].map(get);
  for (let index = 0; index < 300; index++) {
    add!(1, 2, 3);
    fib!(10);
  }
  await settle();
  const times = {
    call: measure(2_000, () => add!(1, 2, 3)),
    rowsIn: measure(20, () => take!(ROWS)),
    rowsInAndRead: measure(20, () => read!(ROWS)),
    rowsFromHostFunction: measure(20, () => fetch!()),
    hostCall: measure(10, () => calls!(1000)) / 1000,
    fib20: measure(10, () => fib!(20)),
    loop100k: measure(10, () => loop!(100_000)),
  };
  engine.global.close();
  return times;
}

/** Runs everything; resolves to the figures by name. */
export async function run(): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const [name, value] of Object.entries(await ours())) figures[`lua.${name}`] = value;
  for (const [name, value] of Object.entries(await stock())) figures[`wasmoon.${name}`] = value;
  const add = (a: number, b: number, c: number): number => a + b + c;
  let sum = 0;
  figures['javascript.call'] = measure(100_000, () => (sum += add(1, 2, 3)));
  for (const name of ['call', 'rowsIn', 'rowsInAndRead', 'rowsFromHostFunction', 'hostCall', 'fib20', 'loop100k']) {
    figures[`ratio.${name}`] = figures[`wasmoon.${name}`]! / figures[`lua.${name}`]!;
  }
  for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(32)} ${value.toFixed(3)}`);
  return figures;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await run()));
}
