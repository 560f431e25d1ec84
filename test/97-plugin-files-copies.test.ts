/** Two copies of GlyphCase in one process, as two versions of it in node_modules are: each gives plugins its own modules. */
import { execFileSync } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderWith } from './97-plugin-files-support.ts';

const root = join(import.meta.dirname, '..');

/** Loads the same files by both copies and says whose SDK each plugin was given. */
const PROGRAM = `
  const copies = await Promise.all(['one', 'two'].map(async (name) => {
    const { loadPluginFile } = await import(\`./\${name}/sdk/plugin-files/load.ts\`);
    const { GlyphError } = await import(\`./\${name}/sdk/plugin.ts\`);
    return { name, loadPluginFile, GlyphError };
  }));
  const [one, two] = copies;
  const whose = async ({ loadPluginFile }, file) => {
    const { definition } = await loadPluginFile(file, { bundler: 'node' });
    const { GlyphError } = definition.activate();
    return copies.find((copy) => copy.GlyphError === GlyphError)?.name;
  };
  const globals = () => Reflect.ownKeys(globalThis).length;
  const before = globals();
  const said = {
    sameFile: [await whose(one, 'a.mjs'), await whose(two, 'a.mjs'), await whose(one, 'a.mjs')],
    otherFile: [await whose(two, 'b.mjs'), await whose(one, 'b.mjs')],
    atOnce: await Promise.all([whose(one, 'slow.mjs'), whose(two, 'a.mjs'), whose(two, 'slow.mjs'), whose(one, 'a.mjs')]),
    globals: globals() - before,
  };
  console.log(JSON.stringify(said));`;

const asking = `
  import { GlyphError } from 'glyphcase/sdk';
  export default { name: 'a', version: '1.0.0', activate: () => ({ GlyphError }) };`;

test('two copies of the package give plugins each its own SDK, one after the other and at once', () => {
  const folder = folderWith({
    'a.mjs': asking,
    'b.mjs': asking,
    // It asks for the SDK when the other copy has long been done.
    'slow.mjs': `
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { GlyphError } = await import('glyphcase/sdk');
      export default { name: 'a', version: '1.0.0', activate: () => ({ GlyphError }) };`,
  });
  for (const name of ['one', 'two']) {
    for (const part of ['kernel', 'plugins', 'sdk', 'package.json']) {
      cpSync(join(root, part), folder.at(`${name}/${part}`), { recursive: true });
    }
  }
  symlinkSync(join(root, 'node_modules'), folder.at('node_modules'));
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    cwd: folder.dir,
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect(JSON.parse(output)).toEqual({
    sameFile: ['one', 'two', 'one'],
    otherFile: ['two', 'one'],
    atOnce: ['one', 'two', 'two', 'one'],
    globals: 0,
  });
});
