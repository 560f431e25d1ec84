/** Building a plugin again and again with what esbuild still knows of it: the same comes out as when it is built for the first time. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bundle, KeptBundle } from '../sdk/plugin-files/bundle.ts';
import { holdEsbuild } from '../sdk/plugin-files/esbuild.ts';
import { findSource } from '../sdk/plugin-files/source.ts';
import { folderWith } from './97-plugin-files-support.ts';
import { afterTest, thrownBy } from './support.ts';

type Files = Readonly<Record<string, string | object>>;

function held() {
  const hold = holdEsbuild();
  if (hold === undefined) throw new Error('esbuild is not installed');
  afterTest(() => hold.release());
  return hold;
}

/** A plugin that is built both ways after every edit. */
function twice(files: Files) {
  const { esbuild } = held();
  const folder = folderWith(files);
  const kept = new KeptBundle();
  afterTest(() => kept.dispose());
  return {
    folder,
    /** What both say, once they say the same. */
    build: async () => {
      const source = findSource(folder.dir);
      const [again, anew] = [await kept.build(source, esbuild), await bundle(source, esbuild)];
      expect({ hash: again.hash, inputs: again.inputs }).toEqual({ hash: anew.hash, inputs: anew.inputs });
      const ran = (await again.run()) as { readonly default: unknown };
      return { said: ran.default, inputs: again.inputs, mapStack: again.mapStack };
    },
    fault: async () => {
      const source = findSource(folder.dir);
      const errors = await Promise.all([
        thrownBy(() => kept.build(source, esbuild)),
        thrownBy(() => bundle(source, esbuild)),
      ]);
      expect(errors[0].message).toBe(errors[1].message);
      return errors[0].message;
    },
  };
}

/** Ends the esbuild processes that this one has started. */
function killEsbuild(): void {
  const tasks = `/proc/${process.pid}/task`;
  const children = readdirSync(tasks).flatMap((task) => textOf(`${tasks}/${task}/children`).split(' '));
  const ours = children.filter((pid) => pid !== '' && textOf(`/proc/${pid}/comm`) === 'esbuild');
  expect(ours).not.toEqual([]);
  for (const pid of ours) process.kill(Number(pid), 'SIGKILL');
}

/** Empty when it is gone by now. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

const ENTRY = "import { word } from './word.ts';\nexport default word;";

describe('a plugin that is edited', () => {
  test('is built from what is on disk, each time', async () => {
    const { folder, build } = twice({ 'index.ts': ENTRY, 'word.ts': 'export const word = 1;' });
    expect((await build()).said).toBe(1);
    for (let round = 2; round < 8; round++) {
      folder.write({ 'word.ts': `export const word = ${round};` });
      expect((await build()).said).toBe(round);
    }
  });

  test('may import other files, and ones that were not there', async () => {
    const { folder, build, fault } = twice({ 'index.ts': ENTRY, 'word.ts': 'export const word = 1;' });
    await build();
    folder.write({ 'word.ts': "export { word } from './inner/word.ts';" });
    expect(await fault()).toContain('word.ts:1:22: Could not resolve "./inner/word.ts"');
    folder.write({ 'inner/word.ts': 'export const word: string = "deep";' });
    const { said, inputs } = await build();
    expect(said).toBe('deep');
    expect(inputs).toContain(folder.at('inner/word.ts'));
    folder.write({ 'node_modules/word/package.json': { main: 'a.js' }, 'node_modules/word/a.js': 'exports.word = 5;' });
    folder.write({ 'word.ts': "export { word } from 'word';" });
    expect((await build()).said).toBe(5);
  });

  test('may begin to ask where its files are, and stop', async () => {
    const { folder, build } = twice({ 'index.ts': ENTRY, 'word.ts': 'export const word = 1;' });
    await build();
    folder.write({ 'word.ts': 'export const word = [__dirname, import.meta.filename];' });
    expect((await build()).said).toEqual([folder.dir, folder.at('word.ts')]);
    folder.write({ 'word.ts': 'export const word = 2;' });
    expect((await build()).said).toBe(2);
  });

  test('may be broken, and mended', async () => {
    const { folder, build, fault } = twice({ 'index.ts': ENTRY, 'word.ts': 'export const word = 1;' });
    await build();
    folder.write({ 'word.ts': 'export const word = ;' });
    expect(await fault()).toContain('word.ts:1:21: Unexpected ";"');
    folder.write({ 'word.ts': 'export const word = 3;' });
    expect((await build()).said).toBe(3);
  });

  test('may get another entry', async () => {
    const { folder, build } = twice({ 'index.ts': ENTRY, 'word.ts': 'export const word = 1;' });
    await build();
    // Only now is something kept.
    await build();
    folder.write({ 'package.json': { main: 'other.ts' }, 'other.ts': 'export default "other";' });
    expect((await build()).said).toBe('other');
    folder.write({ 'other.ts': 'export default "again";' });
    expect((await build()).said).toBe('again');
  });

  test('keeps the lines of its sources in stack traces', async () => {
    const { folder, build } = twice({ 'index.ts': ENTRY, 'word.ts': 'export const word = 1;' });
    await build();
    folder.write({
      'word.ts': 'interface Unused { a: 1 }\n\nexport const word = (): never => {\n throw new Error("x"); };',
    });
    const { said, mapStack } = await build();
    const error = await thrownBy(said as () => never);
    mapStack(error);
    expect(error.stack).toContain(`${folder.at('word.ts')}:4:8`);
  });
});

test.each(['was stopped', 'was killed'])('after esbuild’s process %s, the next build starts another', async (how) => {
  const folder = folderWith({ 'index.ts': ENTRY, 'word.ts': 'export const word = 1;' });
  const kept = new KeptBundle();
  afterTest(() => kept.dispose());
  const source = findSource(folder.dir);
  const { esbuild } = held();
  await kept.build(source, esbuild);
  await kept.build(source, esbuild);
  if (how === 'was stopped') await esbuild.stop();
  else killEsbuild();
  folder.write({ 'word.ts': 'export const word = 2;' });
  const builds = await Promise.all([kept.build(source, esbuild), bundle(source, esbuild), bundle(source, esbuild)]);
  for (const build of builds) expect(await build.run()).toMatchObject({ default: 2 });
});
