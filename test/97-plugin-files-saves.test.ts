/** How editors save, with no quiet time to wait for: half a file first, several files one after the other, a file put in place. */
import { appendFileSync, renameSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import type { Folder } from './97-plugin-files-support.ts';
import { afterTest, memoryLogger, until } from './support.ts';

/** A plugin whose version comes from one file and whose word from another. */
const entry = source('a', '1.0.0', "ctx.provide('word', version + ' ' + word)", "provides: { word: '1.0.0' },").replace(
  'import',
  "import { version } from './_version.ts';\nimport { word } from './_word.ts';\nimport",
);
const version = (value: number): string => `export const version: string = '${value}';\n`;
const word = (value: number): string => `export const word: string = '${value}';\n`;

const WAYS: Readonly<Record<string, (folder: Folder, round: number, gap: number) => Promise<void>>> = {
  async 'a file in two halves'(folder, round, gap) {
    const text = version(round);
    folder.write({ '_word.ts': word(round), '_version.ts': text.slice(0, text.length >> 1) });
    await pause(gap);
    appendFileSync(folder.at('_version.ts'), text.slice(text.length >> 1));
  },
  async 'two files, one after the other'(folder, round, gap) {
    folder.write({ '_word.ts': word(round) });
    await pause(gap);
    folder.write({ '_version.ts': version(round) });
  },
  async 'a file emptied and written'(folder, round, gap) {
    folder.write({ '_version.ts': '' });
    await pause(gap);
    folder.write({ '_version.ts': version(round), '_word.ts': word(round) });
  },
  async 'files put in place of others'(folder, round, gap) {
    folder.write({ '_version.ts.tmp': version(round), '_word.ts.tmp': word(round) });
    renameSync(folder.at('_word.ts.tmp'), folder.at('_word.ts'));
    await pause(gap);
    renameSync(folder.at('_version.ts.tmp'), folder.at('_version.ts'));
  },
};

test.each(Object.entries(WAYS))('%s: what runs in the end is what is on disk', async (_way, save) => {
  const folder = folderWith({ 'index.ts': entry, '_version.ts': version(0), '_word.ts': word(0) });
  const db = new GlyphCase(':memory:', { logger: memoryLogger(), plugins: [{ path: folder.dir, debounce: 0 }] });
  afterTest(() => db.close());
  await db.ready;
  for (const [index, gap] of [0, 1, 3, 10, 30, 55, 90].entries()) {
    const round = index + 1;
    await save(folder, round, gap);
    // Well before the slow rescan would find it.
    await until(() => db.plugins.use<string>('word') === `${round} ${round}`, 15_000);
  }
  expect(db.plugins.get('a')).toMatchObject({ state: 'active', reasons: [] });
});
