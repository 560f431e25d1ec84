/**
 * `npm run build`: compiles kernel/, plugins/ and sdk/ into dist/ and puts their other files beside the output, with
 * declarations for CommonJS.
 *
 * Invariant: dist/ is made anew each time, so it never holds the output of a file that is gone.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { writeRequireTypes } from './require-types.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

/** Compiled by tsc, or meant for people who read the sources. */
const notAssets = new Set(['.ts', '.tsx', '.md']);

rmSync(dist, { recursive: true, force: true });

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (status !== 0) {
  console.error('\nbuild: TypeScript found the errors above, so dist/ was not made.');
  process.exit(1);
}

const files = globSync('{kernel,plugins,sdk}/**/*', { cwd: root, withFileTypes: true }).filter((entry) =>
  entry.isFile(),
);
const assets = files
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => !notAssets.has(extname(path)))
  .map((path) => path.slice(root.length + 1));
for (const asset of assets) {
  const target = join(dist, asset);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(root, asset), target);
}

const requirable = writeRequireTypes(root);

const compiled = globSync('**/*.js', { cwd: dist }).length;
console.log(`build: ${compiled} modules and ${assets.length} other files in dist/, ${requirable} entries`);
