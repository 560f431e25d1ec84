/** What is measured of plugins, the same way for all who can do it. Times are medians or best rounds, as each says. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { quantile } from '../phases.mjs';

const WARM_UP = 10;
const SAVES = 40;
const PLUGINS = 20;
/** Longer than any peer, or the second look of GlyphCase, takes after a save. */
const BETWEEN_SAVES = 150;
const CYCLES_MS = 1_500;
const ROUND_MS = 200;

/** By name: what is measured of an adapter, given an empty folder. */
export const CELLS = {
  /** A service's function that adds a number, called by another plugin; an event to five listeners. In ns, the best of five rounds. */
  async calls(adapter) {
    if (adapter.calls === undefined) return {};
    let sum = 0;
    const { through, kept, emit, isolates } = await adapter.calls((value) => (sum += value));
    return {
      ...(through && { throughNs: bestOf(through) }),
      ...(kept && { keptNs: bestOf(kept) }),
      ...(emit && { emitNs: bestOf(emit) }),
      ...(isolates && { isolates: isolates() }),
    };
  },

  /** A plugin with one service and one listener, loaded and taken away again. In µs, the median. */
  async cycle(adapter) {
    if (adapter.cycle === undefined) return {};
    const cycle = await adapter.cycle();
    const times = [];
    for (const begun = performance.now(); performance.now() - begun < CYCLES_MS;) {
      const started = performance.now();
      await cycle();
      times.push(performance.now() - started);
    }
    return { cycleUs: quantile(times.slice(times.length >> 2)) * 1000, cycles: times.length };
  },

  /** From before a file is written to the new version's `activate`, with the file event and without any waiting on purpose. In ms, the median. */
  async save(adapter, folder) {
    if (adapter.follow === undefined) return {};
    writePlugin(adapter, folder, 'saved', '1.0.0');
    let active = () => undefined;
    globalThis.benchActive = (version) => active(version);
    await adapter.follow(folder);
    await pause(300);
    const times = [];
    for (let index = 1; index <= WARM_UP + SAVES; index += 1) {
      const version = `1.0.${index}`;
      const { promise, resolve, reject } = Promise.withResolvers();
      active = (now) => now === version && resolve(performance.now());
      const late = setTimeout(() => reject(new Error(`version ${version} did not become active`)), 10_000);
      const started = performance.now();
      writeDependency(folder, version);
      times.push((await promise) - started);
      clearTimeout(late);
      await pause(BETWEEN_SAVES);
    }
    return { saveMs: quantile(times.slice(WARM_UP)), saveMinMs: Math.min(...times.slice(WARM_UP)) };
  },

  /** Twenty plugins of two TypeScript files in a process that has loaded nothing of the kind, to the last `activate`. In ms. */
  cold: (adapter, folder) => coldStart(adapter, folder, PLUGINS),
  /** The same without plugins: what it takes to make the host. */
  bare: (adapter, folder) => coldStart(adapter, folder, 0),
};

async function coldStart(adapter, folder, count) {
  if (adapter.load === undefined) return {};
  const folders = Array.from({ length: count }, (_each, index) => join(folder, 'plugins', `plugin-${index}`));
  folders.forEach((each, index) => writePlugin(adapter, each, `plugin-${index}`, '1.0.0'));
  let active = 0;
  globalThis.benchActive = () => (active += 1);
  const started = performance.now();
  await adapter.load(folders);
  const ms = performance.now() - started;
  if (active !== count) throw new Error(`${active} of ${count} plugins are active`);
  return { ms };
}

/** What most peers load: a plugin of two files. The version is in the one that it imports, which is the one that is saved. */
const entry = (name) => `import { version, total } from './dep.ts';
interface Options { readonly table?: string }
interface Context { on(name: string, fn: (value: number) => void): void }
const options: Options = {};
export default { name: '${name}', version, options, activate(ctx: Context): void {
  let count = 0;
  ctx.on('bench:tick', (value: number) => { count = total([count, value]); });
  globalThis.benchActive(version);
} };
`;

function writePlugin(adapter, folder, name, version) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'index.ts'), (adapter.entry ?? entry)(name));
  writeDependency(folder, version);
}

function writeDependency(folder, version) {
  writeFileSync(
    join(folder, 'dep.ts'),
    `export const version: string = '${version}';
export function total(values: readonly number[]): number { return values.reduce((sum, value) => sum + value, 0); }
`,
  );
}

/** In ns. The best of five rounds, because what else runs can only slow a round down. */
function bestOf(fn) {
  let times = 100;
  const round = () => {
    const started = performance.now();
    for (let index = 0; index < times; index += 1) fn(index);
    return performance.now() - started;
  };
  while (round() < ROUND_MS) times *= 2;
  return (Math.min(...Array.from({ length: 5 }, round)) * 1e6) / times;
}
