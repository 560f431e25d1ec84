/** Loading one plugin from a file or folder: where it begins, what it is given, what is said when it is wrong. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadPluginFile } from '../sdk/plugin-files/load.ts';
import type { Bundler, PluginFile } from '../sdk/plugin-files/load.ts';
import { GlyphError } from '../sdk/plugin.ts';
import * as sdk from '../sdk/plugin.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import { thrownBy } from './support.ts';

const BUNDLERS: readonly Bundler[] = ['esbuild', 'node'];

/** Calls activate with a context that only collects what the plugin says. */
async function said({ definition }: PluginFile): Promise<unknown> {
  const words: unknown[] = [];
  await definition.activate({ emit: (_channel: string, word: unknown) => words.push(word) } as never);
  return words.length === 1 ? words[0] : words;
}

describe.each(BUNDLERS)('with %s', (bundler) => {
  const load = (path: string): Promise<PluginFile> => loadPluginFile(path, { bundler });

  test.each<[string, Record<string, string | object>, string, string]>([
    ['nowhere.ts', {}, 'nowhere.ts: there is no such file or folder', 'Correct the path'],
    ['a.txt', { 'a.txt': '' }, 'a.txt: this is no plugin file', '.ts, .mts, .js'],
    ['a.d.ts', { 'a.d.ts': '' }, 'a.d.ts: this is no plugin file', '.ts, .mts, .js'],
    ['empty', { 'empty/readme.md': '' }, 'empty: the folder holds no plugin', 'index.ts'],
    [
      'p',
      { 'p/package.json': { main: 'dist/a.js' } },
      'p/package.json: it names dist/a.js as the entry',
      'Build the plugin',
    ],
    ['p', { 'p/package.json': '{ "main": ' }, 'p/package.json: ', 'Correct the JSON'],
    ['a.mjs', { 'a.mjs': 'export const x = 1;' }, 'a.mjs: it has no default export', 'export default definePlugin('],
    ['a.mjs', { 'a.mjs': 'export const metrics = { activate() {} };' }, "only one named 'metrics'", 'export default'],
    ['a.mjs', { 'a.mjs': 'export default 7;' }, 'a.mjs: ', 'docs/plugins.md'],
    [
      'a.mjs',
      { 'a.mjs': "export default { nam: 'x', version: '1', activate() {} };" },
      '`nam` should be `name`',
      'docs/plugins.md',
    ],
    [
      'a.mjs',
      { 'a.mjs': '\n\nthrow new Error("at once");' },
      'a.mjs:3:7: it throws as it is loaded: at once',
      'activate(ctx)',
    ],
  ])('%s: %o is refused', async (path, files, message, hint) => {
    const folder = folderWith(files);
    const error = await thrownBy(() => load(folder.at(path)));
    expect(error).toBeInstanceOf(GlyphError);
    expect(error).toMatchObject({ code: 'GC_BAD_PLUGIN' });
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test('a syntax error has its file and line, also one in a file that is imported', async () => {
    const folder = folderWith({
      'index.ts': "import { x } from './inner/dep.ts';\nexport default x;",
      'inner/dep.ts': 'export const x = 1;\nexport const y = ;',
    });
    const { message } = await thrownBy(() => load(folder.dir));
    expect(message).toContain(bundler === 'esbuild' ? 'inner/dep.ts:2:18: Unexpected ";"' : 'inner/dep.ts:2: ');
  });

  test('an import that leads nowhere is named with the file that wants it', async () => {
    const folder = folderWith({
      'near.mjs': "import { x } from './missing.mjs';\nexport default x;",
      'far.mjs': "import x from '@no/such-package/inner';\nexport default x;",
    });
    const near = await thrownBy(() => load(folder.at('near.mjs')));
    expect(near.message).toMatch(/near\.mjs.*missing\.mjs/);
    const far = await thrownBy(() => load(folder.at('far.mjs')));
    expect(far.message).toMatch(/far\.mjs.*@no\/such-package/);
    if (bundler === 'esbuild') expect(far.hint).toBe('Install it beside the plugin: npm install @no/such-package');
  });

  test('every file gets the host’s own copy of the SDK, however it asks', async () => {
    const folder = folderWith({
      'index.mjs': `
        import { definePlugin, GlyphError } from 'glyphcase/sdk';
        import { other } from './other.mjs';
        export default definePlugin({ name: 'a', version: '1.0.0', activate(ctx) {
          ctx.emit('say', GlyphError); ctx.emit('say', other);
        } });`,
      'other.mjs': "import { GlyphError } from 'glyphcase/sdk';\nexport const other = GlyphError;",
      'old.cjs': `
        const { GlyphError, definePlugin } = require('glyphcase/sdk');
        module.exports = definePlugin({ name: 'old', version: '1.0.0', activate(ctx) { ctx.emit('say', GlyphError); } });`,
    });
    expect(await said(await load(folder.dir))).toEqual([GlyphError, GlyphError]);
    expect(await said(await load(folder.at('old.cjs')))).toBe(GlyphError);
  });

  test('TypeScript and its own files are read anew each time, and are its inputs', async () => {
    const folder = folderWith({
      'a.ts': source('a', '1.0.0', "ctx.emit('say', word)").replace(
        'import',
        "import { word } from './_word.ts';\nimport",
      ),
      '_word.ts': "export const word: string = 'one';",
    });
    const first = await load(folder.at('a.ts'));
    expect(first.definition).toMatchObject({ name: 'a', version: '1.0.0' });
    expect([...first.inputs].sort()).toEqual([folder.at('_word.ts'), folder.at('a.ts')]);
    folder.write({ '_word.ts': "export const word: string = 'two';" });
    const second = await load(folder.at('a.ts'));
    expect([await said(first), await said(second)]).toEqual(['one', 'two']);
    expect(second.hash).not.toBe(first.hash);
    expect((await load(folder.at('a.ts'))).hash).toBe(second.hash);
  });

  test('CommonJS and its own files are read anew each time', async () => {
    const folder = folderWith({
      'index.cjs': `
        const { word } = require('./word');
        module.exports = { name: 'a', version: '1.0.0', activate: (ctx) => void ctx.emit('say', word + require('node:path').sep) };`,
      'word.js': "exports.word = 'one';",
    });
    expect(await said(await load(folder.dir))).toBe('one/');
    folder.write({ 'word.js': "exports.word = 'two';" });
    const again = await load(folder.dir);
    expect(await said(again)).toBe('two/');
    expect([...again.inputs].sort()).toEqual([folder.at('index.cjs'), folder.at('word.js')]);
  });

  test('a CommonJS file imports from where it lies', async () => {
    const folder = folderWith({
      'a b/it.cjs': `module.exports = { name: 'a', version: '1.0.0', async activate(ctx) {
          ctx.emit('say', [__dirname, (await import('./word.mjs')).word]);
        } };`,
      'a b/word.mjs': "export const word = 'near';",
    });
    expect(await said(await load(folder.at('a b/it.cjs')))).toEqual([folder.at('a b'), 'near']);
    folder.write({ 'a b/it.cjs': 'module.exports = {\n  name: ,\n};' });
    const { message } = await thrownBy(() => load(folder.at('a b/it.cjs')));
    expect(message).toContain(`${folder.at('a b/it.cjs')}:2${bundler === 'esbuild' ? ':9' : ''}: Unexpected`);
  });

  test.each([
    { exports: './lib/it.mjs' },
    { exports: { '.': { types: './it.d.ts', import: './lib/it.mjs', default: './nowhere.js' }, './x': './x.js' } },
    { exports: { types: './it.d.ts', default: './lib/it.mjs' } },
    { main: 'lib/it.mjs' },
  ])('the entry of a folder is what its package.json says: %j', async (manifest) => {
    const folder = folderWith({
      'package.json': manifest,
      'index.js': 'throw new Error("not this one");',
      'lib/it.mjs': "export default { name: 'it', version: '1.0.0', activate() {} };",
    });
    expect((await load(folder.dir)).definition.name).toBe('it');
  });

  test('a package of the application is the application’s own instance', async () => {
    const folder = folderWith({
      'node_modules/shared/package.json': { main: 'index.js' },
      'node_modules/shared/index.js': 'module.exports = { token: {} };',
      'plugins/a.mjs': `
        import shared from 'shared';
        export default { name: 'a', version: '1.0.0', activate: (ctx) => void ctx.emit('say', shared.token) };`,
    });
    const { token } = createRequire(folder.at('app.js'))('shared') as { token: object };
    expect(await said(await load(folder.at('plugins/a.mjs')))).toBe(token);
    expect(await said(await load(folder.at('plugins/a.mjs')))).toBe(token);
  });
});

describe('with esbuild', () => {
  test('an edit that changes no code has the same hash', async () => {
    const folder = folderWith({ 'a.ts': source('a') });
    const { hash, bundler } = await loadPluginFile(folder.at('a.ts'));
    expect(bundler).toBe('esbuild');
    folder.write({ 'a.ts': source('a').replace('readonly limit', '/** Of something. */ readonly limit') });
    expect((await loadPluginFile(folder.at('a.ts'))).hash).toBe(hash);
    folder.write({ 'a.ts': source('a', '1.0.1') });
    expect((await loadPluginFile(folder.at('a.ts'))).hash).not.toBe(hash);
  });

  test('packages in the plugin’s own node_modules are part of it, and see the host’s SDK too', async () => {
    const folder = folderWith({
      'index.ts': "import { helper } from 'helper';\nexport default helper;",
      'node_modules/helper/package.json': { exports: './index.mjs' },
      'node_modules/helper/index.mjs': `
        import { GlyphError } from 'glyphcase/sdk';
        export const helper = { name: 'a', version: '1.0.0', activate(ctx) { ctx.emit('say', GlyphError); } };`,
    });
    const file = await loadPluginFile(folder.dir);
    expect(await said(file)).toBe(GlyphError);
    expect(file.inputs).toEqual([folder.at('index.ts')]);
  });

  test('every file knows where it is, and import() finds the host’s SDK', async () => {
    const folder = folderWith({
      'index.ts': `
        import { place } from './inner/place.ts';
        export default { name: 'a', version: '1.0.0', async activate(ctx: any) {
          const { sep } = await import('node:path');
          ctx.emit('say', place.concat([import.meta.filename, sep, (await import('glyphcase/sdk')).GlyphError]));
        } };`,
      'inner/place.ts': 'export const place: unknown[] = [__dirname, import.meta.url];',
    });
    expect(await said(await loadPluginFile(folder.dir))).toEqual([
      folder.at('inner'),
      pathToFileURL(folder.at('inner/place.ts')).href,
      folder.at('index.ts'),
      '/',
      sdk.GlyphError,
    ]);
  });

  test.each(['activate', 'deactivate', 'snapshot'] as const)(
    '%s fails with the lines of the sources',
    async (phase) => {
      const folder = folderWith({
        'index.ts': `import { fail } from './fail.ts';
        interface Unused { readonly a: 1 }
        export default { name: 'a', version: '1.0.0', activate() {}, ${phase}() {
          fail();
        } };`,
        'fail.ts':
          'export function fail(): never {\n  type Unused = 1;\n\n  throw new Error("here", { cause: new Error("there") });\n}',
      });
      const { definition } = await loadPluginFile(folder.dir);
      const error = await thrownBy(() => definition[phase]?.({} as never));
      expect(error.stack).toContain(`${folder.at('fail.ts')}:4:9`);
      expect(error.stack).toContain(`${folder.at('index.ts')}:4:11`);
      expect((error.cause as Error).stack).toContain(`${folder.at('fail.ts')}:4:36`);
      expect(error.stack).not.toContain('.bundle');
    },
  );

  test('TypeScript that is more than types', async () => {
    const folder = folderWith({
      'a.ts': `enum Level { Low = 3 }
        export default { name: 'a', version: '1.0.0', activate: (ctx: any) => void ctx.emit('say', Level.Low) };`,
    });
    expect(await said(await loadPluginFile(folder.at('a.ts')))).toBe(3);
    const error = await thrownBy(() => loadPluginFile(folder.at('a.ts'), { bundler: 'node' }));
    expect(error.message).toContain('a.ts:1: ');
    expect(error.hint).toContain('npm install esbuild');
  });

  test('await at the top is refused, and where it belongs is said', async () => {
    const folder = folderWith({ 'a.ts': 'const x = await 1;\nexport default x;' });
    const error = await thrownBy(() => loadPluginFile(folder.at('a.ts')));
    expect(error.message).toContain('a.ts:1:11: Top-level await');
    expect(error.hint).toContain('activate(ctx)');
  });
});
