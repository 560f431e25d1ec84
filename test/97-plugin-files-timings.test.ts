/** What loading a plugin from its file took, and what a reload leaves behind. */
import { describe, expect, test } from 'vitest';
import { PluginFiles } from '../sdk/plugin-files/plugin-files.ts';
import { readPlugins } from '../sdk/plugin-files/options.ts';
import type { Bundler } from '../sdk/plugin-files/load.ts';
import { survey } from '../sdk/plugin-files/survey.ts';
import { garbageCollector, heldAfter } from '../sdk/testing/contract/garbage.ts';
import { testHost } from './10-kernel-support.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import { afterTest } from './support.ts';

/** Keeps Node busy while the module is evaluated. */
const busy = (ms: number): string =>
  `const until = performance.now() + ${ms}; while (performance.now() < until) { /* busy */ }\n`;

function filesOf(path: string, bundler: Bundler) {
  const { host, clock, logger } = testHost();
  const files = new PluginFiles({ host, clock, logger, bundler }, readPlugins([{ path, watch: false }]));
  afterTest(() => files.close());
  afterTest(() => host.close());
  return { host, files };
}

describe.each<Bundler>(['esbuild', 'node'])('with %s', (bundler) => {
  test('the report and the tree say how long loading and evaluating took, of the version that runs', async () => {
    const folder = folderWith({ 'a.ts': busy(40) + source('a') });
    const { host, files } = filesOf(folder.at('a.ts'), bundler);
    files.begin();
    await files.ready();
    const first = host.get('a');
    expect(first?.loadedInMs).toBeGreaterThan(0);
    expect(first?.evaluatedInMs).toBeGreaterThanOrEqual(40);
    expect(host.inspect().timings[0]?.children.map(({ label, ms }) => [label, ms])).toEqual([
      ['load', first?.loadedInMs],
      ['evaluate', first?.evaluatedInMs],
      ['activate', 0],
    ]);
    folder.write({ 'a.ts': source('a', '1.0.1') });
    const file = files.fileOf('a');
    if (file === undefined) throw new Error('a.ts was not loaded');
    await files.reload(file);
    expect(host.get('a')?.version).toBe('1.0.1');
    expect(host.get('a')?.evaluatedInMs).toBeLessThan(40);
  });
});

test('a reload that fails leaves the timings of the version that runs', async () => {
  const folder = folderWith({ 'a.ts': source('a') });
  const { host, files } = filesOf(folder.at('a.ts'), 'esbuild');
  files.begin();
  await files.ready();
  const { loadedInMs, evaluatedInMs } = host.get('a') ?? {};
  folder.write({ 'a.ts': source('a', '1.0.1', 'throw new Error("no")') });
  await expect(files.reload(files.fileOf('a') as never)).rejects.toThrow('no');
  expect(host.get('a')).toMatchObject({ version: '1.0.0', loadedInMs, evaluatedInMs });
});

test('a survey says them of plugins that are not started', async () => {
  const folder = folderWith({ 'a.ts': busy(20) + source('a'), 'broken.ts': 'export default {' });
  const [a, broken] = await survey([folder.at('a.ts'), folder.at('broken.ts')]);
  expect(a).toMatchObject({ name: 'a', state: 'ready' });
  expect(a?.loadedInMs).toBeGreaterThan(0);
  expect(a?.evaluatedInMs).toBeGreaterThanOrEqual(20);
  expect(broken).toMatchObject({ state: 'failed' });
  expect(broken).not.toHaveProperty('loadedInMs');
});

test('of versions that were replaced nothing is held', async () => {
  const collect = garbageCollector();
  if (collect === undefined) throw new Error('this Node.js has no gc()');
  const folder = folderWith({ 'a.ts': source('a') });
  const { files } = filesOf(folder.at('a.ts'), 'esbuild');
  files.begin();
  await files.ready();
  const file = files.fileOf('a');
  const refs: WeakRef<object>[] = [];
  for (let patch = 1; patch <= 10 && file !== undefined; patch++) {
    folder.write({ 'a.ts': source('a', `1.0.${patch}`, 'ctx.child("inner"); ctx.on("x", () => undefined);') });
    await files.reload(file);
    if (file.loaded !== undefined) refs.push(new WeakRef(file.loaded.definition));
  }
  expect(refs).toHaveLength(10);
  // The version that runs, and the one before it, which it is taken back to if it fails soon.
  expect(await heldAfter(collect, refs.slice(0, -2))).toBe(0);
  expect(refs.at(-1)?.deref()).toBeDefined();
});
