/** GlyphCase in a bundle: made by esbuild and by vite, run beside its native module, and two copies of it in one process. */
import { copyFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { describe, expect, test } from 'vitest';
import { layPrograms, resolved, runProgram } from './92-docs-support.ts';
import { tempDir, tempFile } from './support.ts';

/** Everything that is no JavaScript is used: SQLite, the schema of manifests, Lua's WebAssembly and prelude, bcrypt. */
const APP = `
import { GlyphCase } from 'glyphcase';

async function main() {
  await using db = new GlyphCase(':memory:', { capsule: { batchInterval: 0 } });
  await db.execute('CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)');
  const tasks = db.watch('SELECT count(*) AS n FROM tasks');
  db.subscribe(tasks, () => console.log(tasks.rows()));
  await db.insert('tasks', { title: 'write' });
  await db.flush();
  console.log(await db.executeLuaScript('return #crypto.bcrypt("secret", 4) .. _VERSION'));
}
void main();
`;
const SAID = '[ { n: 1 } ]\n60Lua 5.4\n';

/** A folder with the program and the packages it needs. */
function lay(): string {
  const folder = realpathSync(tempDir());
  layPrograms('docs/embedding.md', folder);
  writeFileSync(join(folder, 'app.ts'), resolved(APP));
  return folder;
}

const run = async (folder: string, file: string): Promise<unknown> => await runProgram(join(folder, file), folder);
const FINE = { code: 0, stdout: SAID, stderr: '' };

describe('a bundle', () => {
  test('by esbuild, as an ES module, with the program of the documents', async () => {
    const folder = lay();
    const built = await runProgram(join(folder, 'bundle.ts'), folder, 15_000, ['app.ts']);
    expect(built).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await run(folder, 'dist/app.mjs')).toEqual(FINE);
  });

  test('by esbuild, as CommonJS', async () => {
    const folder = lay();
    const { warnings } = await esbuild({
      entryPoints: [join(folder, 'app.ts')],
      outfile: join(folder, 'app.cjs'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node22',
      external: ['better-sqlite3'],
      define: { 'import.meta.url': 'moduleUrl', 'import.meta.filename': '__filename' },
      banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
      logLevel: 'silent',
    });
    expect(warnings.map(({ text }) => text)).toEqual([]);
    expect(await run(folder, 'app.cjs')).toEqual(FINE);
  });

  test('by vite for SSR, everything inside', async () => {
    const folder = lay();
    await vite({
      configFile: false,
      root: folder,
      logLevel: 'silent',
      ssr: { noExternal: true, external: ['better-sqlite3'] },
      build: { ssr: 'app.ts', target: 'node22', minify: true },
    });
    expect(await run(folder, 'dist/app.js')).toEqual(FINE);
  });
});

test('two copies of the package work side by side in one process, on one file too', async () => {
  const folder = lay();
  const copies = ['one', 'other'].map((name) => join(folder, `${name}.mjs`));
  await esbuild({
    entryPoints: [join(import.meta.dirname, '../sdk/index.ts')],
    outfile: copies[0] ?? '',
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['better-sqlite3'],
    banner: { js: "import { createRequire as from } from 'node:module'; const require = from(import.meta.url);" },
    logLevel: 'silent',
  });
  copyFileSync(copies[0] ?? '', copies[1] ?? '');
  const program = join(import.meta.dirname, '96-embedding', 'copies.ts');
  const { code, stdout, stderr } = await runProgram(program, folder, 15_000, [...copies, tempFile()]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    seen: [
      ['write', 'read'],
      ['write', 'read', 'rest'],
    ],
    lua: [42, 42],
    areTwo: true,
    refusedBy: [true, false],
  });
});
