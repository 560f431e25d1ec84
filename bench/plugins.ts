/** Plugins: calls and events through the host, loading and unloading, and reloading TypeScript files as they are saved. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GlyphCase } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import type { PluginContext } from '../sdk/plugin.ts';
import { median, timeAsync, withFolder } from './measure.ts';

const RELOADS = 200;
const PLUGINS = 20;

export async function run(): Promise<Record<string, number>> {
  return {
    ...(await calls()),
    ...(await loads()),
    ...(await saves()),
    ...(await heap()),
    ...(await coldStarts()),
  };
}

/** A call of a service, and an event to five listeners each of which is isolated, in ns. */
async function calls(): Promise<Record<string, number>> {
  await using db = new GlyphCase(':memory:');
  let sum = 0;
  let user: PluginContext | undefined;
  const add = (value: number): number => (sum += value);
  db.plugins.load(
    definePlugin({
      name: 'adder',
      version: '1.0.0',
      provides: { adder: '1.0.0' },
      activate: (ctx) => ctx.provide('adder', { add }),
    }),
  );
  db.plugins.load(
    definePlugin({
      name: 'user',
      version: '1.0.0',
      requires: { adder: '^1.0.0' },
      activate(ctx) {
        user = ctx;
        for (let index = 0; index < 5; index += 1) ctx.on('bench:tick', (value: number) => void add(value + index));
      },
    }),
  );
  if (user === undefined) throw new Error('the plugin was not started');
  const ctx = user;
  const adder = ctx.use<{ add(value: number): number }>('adder');
  return {
    serviceCallNs: nanoseconds(5_000_000, (index) => void adder.add(index)),
    emitNs: nanoseconds(1_000_000, (index) => void ctx.emit('bench:tick', index)),
  };
}

/** The best of five rounds, because what else runs can only slow a round down. */
function nanoseconds(times: number, fn: (index: number) => void): number {
  const rounds = Array.from({ length: 5 }, () => {
    const started = performance.now();
    for (let index = 0; index < times; index += 1) fn(index);
    return ((performance.now() - started) * 1e6) / times;
  });
  return Math.min(...rounds);
}

/** Loading and unloading a plugin with ten listeners and a timer, in µs. */
async function loads(): Promise<Record<string, number>> {
  await using db = new GlyphCase(':memory:');
  const busy = definePlugin({
    name: 'busy',
    version: '1.0.0',
    activate(ctx) {
      for (let index = 0; index < 10; index += 1) ctx.on(`bench:${index}`, () => undefined);
      ctx.every('1h', () => undefined);
    },
  });
  const times: number[] = [];
  for (let index = 0; index < 500; index += 1) {
    times.push(
      await timeAsync(async () => {
        db.plugins.load(busy);
        await db.plugins.unload('busy');
      }),
    );
  }
  return { loadDisposeUs: median(times) * 1000 };
}

/** A plugin of two files; the version is in the one that it imports. */
function writePlugin(dir: string, name: string, version: string): void {
  writeFileSync(
    join(dir, 'index.ts'),
    `import { definePlugin } from 'glyphcase/sdk';
import { version, total } from './dep.ts';
interface Options { readonly table?: string }
export default definePlugin<Options>({ name: '${name}', version, activate(ctx) {
  let count = 0;
  ctx.on('bench:tick', (value: number) => { count = total([count, value]); });
} });
`,
  );
  writeFileSync(
    join(dir, 'dep.ts'),
    `export const version: string = '${version}';
export function total(values: readonly number[]): number { return values.reduce((sum, value) => sum + value, 0); }
`,
  );
}

/** From a write of a file that the plugin imports until the new version is active, file event and all, in ms. */
async function saves(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    writePlugin(folder, 'saved', '1.0.0');
    let activated: (() => void) | undefined;
    const observer = definePlugin({
      name: 'observer',
      version: '1.0.0',
      activate(ctx) {
        ctx.on('plugin:state', (change: { readonly id: string; readonly to: string }) => {
          if (change.id === 'saved' && change.to === 'active') activated?.();
        });
      },
    });
    await using db = new GlyphCase(':memory:', { plugins: [observer, { path: folder, debounce: 0 }] });
    await db.ready;
    await pause(300);
    const saved: number[] = [];
    for (let index = 1; index <= 60; index += 1) {
      const version = `1.0.${index}`;
      const { promise, resolve } = Promise.withResolvers<void>();
      activated = resolve;
      const late = setTimeout(resolve, 5000);
      const started = performance.now();
      writePlugin(folder, 'saved', version);
      await promise;
      if (index > 10) saved.push(performance.now() - started);
      clearTimeout(late);
      if (db.plugins.get('saved')?.version !== version) throw new Error(`version ${version} did not become active`);
      // An editor's saves are further apart than file events that are taken for one, and than the second look at the files.
      await pause(120);
    }
    return { savedToActiveMs: median(saved) };
  });
}

/** What a reload of a file leaves on the heap, in KiB, and how long it takes. */
async function heap(): Promise<Record<string, number>> {
  const { fileReloadMs } = await reloads();
  // Without V8's compilers: the machine code of what has become hot, 0.5 to 1 KiB a reload until a thousand of them, is no
  // trace of a reload.
  const { heapPerReloadKiB } = apart(
    `const { reloads } = await import(${JSON.stringify(import.meta.url)}); console.log(JSON.stringify(await reloads()));`,
    ['--expose-gc', '--no-opt', '--no-maglev', '--no-sparkplug'],
  ) as Awaited<ReturnType<typeof reloads>>;
  return { heapPerReloadKiB, fileReloadMs };
}

/** {@link RELOADS} reloads of a folder of two files. */
export async function reloads(): Promise<{ readonly heapPerReloadKiB: number; readonly fileReloadMs: number }> {
  return await withFolder(async (folder) => {
    writePlugin(folder, 'heavy', '1.0.0');
    await using db = new GlyphCase(':memory:');
    await db.plugins.load({ path: folder, watch: false });
    let patch = 0;
    const reload = async (): Promise<number> => {
      writePlugin(folder, 'heavy', `1.0.${++patch}`);
      return await timeAsync(() => db.plugins.reload('heavy'));
    };
    for (let index = 0; index < 100; index += 1) await reload();
    const before = await usedKiB();
    const times: number[] = [];
    for (let index = 0; index < RELOADS; index += 1) times.push(await reload());
    return { heapPerReloadKiB: ((await usedKiB()) - before) / RELOADS, fileReloadMs: median(times) };
  });
}

/** Twenty TypeScript plugins in a fresh process: from `new GlyphCase` to ready, and the same without them, in ms. */
async function coldStarts(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    for (let index = 0; index < PLUGINS; index += 1) {
      const dir = join(folder, 'plugins', `plugin-${index}`);
      mkdirSync(dir, { recursive: true });
      writePlugin(dir, `plugin-${index}`, '1.0.0');
    }
    const cold = (plugins: string): number =>
      median(Array.from({ length: 5 }, () => coldStart(plugins === '' ? '' : `{ dir: ${JSON.stringify(plugins)} }`)));
    const bare = cold('');
    const withPlugins = cold(join(folder, 'plugins'));
    return { coldPlugins20Ms: withPlugins - bare, coldHostMs: bare };
  });
}

function coldStart(plugins: string): number {
  const index = fileURLToPath(new URL('../sdk/index.ts', import.meta.url));
  const program = `
    const { GlyphCase } = await import(${JSON.stringify(index)});
    const started = performance.now();
    const db = new GlyphCase(':memory:', { plugins: [${plugins}] });
    const report = await db.ready;
    const ms = performance.now() - started;
    const active = report.plugins.filter(({ state, file }) => state === 'active' && file !== undefined).length;
    if (active !== ${plugins === '' ? 0 : PLUGINS}) throw new Error(active + ' plugins are active');
    await db.close();
    console.log(ms);`;
  return apart(program) as number;
}

/** What a program in a process of its own prints, as JSON. */
function apart(program: string, flags: readonly string[] = []): unknown {
  const child = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The heap, in KiB, when everything that can be freed has been. */
async function usedKiB(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await pause(20);
  }
  return process.memoryUsage().heapUsed / 1024;
}

if (process.argv[1] === import.meta.filename) console.log(await run());
