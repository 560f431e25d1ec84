/**
 * `npm run check:package`: packs the package, installs it in an empty folder as a stranger would, and uses it there.
 *
 * Invariant: every step is reported with its own line; a step that needs a failed one is called skipped, never passed.
 * Exit code 1 unless all passed. `--keep` leaves the folder for a look inside.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { programsOf } from '../test/92-docs-support.ts';
import { unexpectedFiles, missingFiles } from './package-contents.ts';

const root = join(import.meta.dirname, '..');
const work = realpathSync(mkdtempSync(join(tmpdir(), 'glyphcase-package-')));
const consumer = join(work, 'consumer');

/** The Node that runs this script comes first, so the consumer is not at the mercy of the machine's. */
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
};
// npm run hands its settings on to every npm below it; the consumer is a project of its own.
for (const name of Object.keys(env)) {
  if (/^npm_(package|lifecycle|config_local_prefix)/.test(name)) Reflect.deleteProperty(env, name);
}

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, {
      cwd,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 240_000,
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const noise = /^(npm warn .*| +at .*|node:internal.*)\n/gm;
    const said = `${stdout}${stderr}`.replaceAll(noise, '').trim();
    throw new Error(`${[command, ...args].join(' ')}\n${said || String(error)}`, { cause: error });
  }
}

const node = (...args: readonly string[]): string => run(process.execPath, args, consumer);

function expectOutput(actual: string, wanted: string): void {
  if (actual.trim() !== wanted)
    throw new Error(`printed ${JSON.stringify(actual.trim())}, expected ${JSON.stringify(wanted)}`);
}

/** Name → whether it passed; only steps that ran. */
const outcomes = new Map<string, boolean>();

function step(name: string, needs: readonly string[], body: () => string | undefined): void {
  const lacking = needs.find((need) => outcomes.get(need) !== true);
  if (lacking !== undefined) {
    console.log(`skip  ${name}: needs "${lacking}"`);
    return;
  }
  const start = performance.now();
  const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  try {
    const note = body();
    outcomes.set(name, true);
    console.log(`ok    ${name} (${note === undefined ? '' : `${note}, `}${seconds()})`);
  } catch (error) {
    outcomes.set(name, false);
    const message = error instanceof Error ? error.message : String(error);
    console.log(`FAIL  ${name} (${seconds()})\n${message.replaceAll(/^/gm, '      ')}`);
  }
}

let tarball = '';
let files: readonly string[] = [];

step('pack', [], () => {
  run('npm', ['pack', '--pack-destination', work], root);
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, string>;
  tarball = join(work, `${name ?? ''}-${version ?? ''}.tgz`);
  files = run('tar', ['-tzf', tarball], work)
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''));
  return `${files.length} files, ${Math.ceil(readFileSync(tarball).length / 1024)} KiB`;
});

step('nothing unexpected in it', ['pack'], () => {
  const unexpected = unexpectedFiles(files);
  if (unexpected.length > 0) throw new Error(`These do not belong in the package:\n  ${unexpected.join('\n  ')}`);
  return undefined;
});

step('nothing missing from it', ['pack'], () => {
  const missing = missingFiles(files);
  if (missing.length > 0) throw new Error(`These should be in the package:\n  ${missing.join('\n  ')}`);
  return undefined;
});

step('install in an empty folder', ['pack'], () => {
  mkdirSync(consumer);
  cpSync(join(import.meta.dirname, 'package-consumer'), consumer, { recursive: true });
  writeFileSync(
    join(consumer, 'package.json'),
    '{ "name": "consumer", "version": "1.0.0", "private": true, "type": "module" }\n',
  );
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], consumer);
  return undefined;
});

const installed = 'install in an empty folder';

step("import 'glyphcase': a write wakes a subscriber", [installed], () => {
  expectOutput(node('host.mjs'), 'INSERT tasks write the docs');
  return undefined;
});

step("import 'glyphcase/sdk': loads no database", [installed], () => {
  expectOutput(node('plugin.mjs'), 'greeter, no database loaded');
  return undefined;
});

step("import 'glyphcase/channel': needs no React", [installed], () => {
  expectOutput(node('channel.mjs'), '3, no database loaded');
  return undefined;
});

/** What only those install who use the hooks. */
const withReact = 'React beside it';
step(withReact, [installed], () => {
  for (const name of ['react', '@types/react', 'csstype'])
    cpSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), { recursive: true });
  return undefined;
});

step("import 'glyphcase/react': hooks, and no database of their own", [withReact], () => {
  expectOutput(node('react.mjs'), 'function, GlyphCaseProvider, write, no database loaded');
  return undefined;
});

step("require('glyphcase') from CommonJS", [installed], () => {
  expectOutput(node('host.cjs'), '1 row');
  return undefined;
});

step('require() and import give the same modules', [withReact], () => {
  const entries = 'glyphcase glyphcase/sdk glyphcase/channel glyphcase/testing glyphcase/react';
  expectOutput(node('same.cjs'), entries);
  return undefined;
});

step('an older Node.js gets a message, not a crash', [installed], () => {
  // The version is pretended, so this tests the order of the checks; that is what keeps better-sqlite3 from loading.
  const said = node('--import', './old-node.mjs', 'too-old.mjs');
  expectOutput(said, 'GC_NODE_VERSION, no database loaded');
  return undefined;
});

step('npx glyphcase --help', [installed], () => {
  const help = run('npx', ['--no-install', 'glyphcase', '--help'], consumer);
  if (!/start/.test(help)) throw new Error(`the help does not mention the start command:\n${help}`);
  return undefined;
});

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const strict = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node', '--skipLibCheck', 'false'];

step('types of a TypeScript consumer', [withReact], () => {
  const sources = ['consumer.ts', 'plugins.ts', 'react.ts'];
  node(tsc, ...strict, '--module', 'nodenext', ...sources);
  node(tsc, ...strict, '--module', 'esnext', '--moduleResolution', 'bundler', ...sources);
  return 'nodenext and bundler';
});

step('editors complete names of events, services and options', [installed], () => {
  const typescript = join(root, 'node_modules', 'typescript', 'lib', 'typescript.js');
  expectOutput(node('completion.mjs', typescript), '7 places');
  return undefined;
});

step('a new plugin: its tests, its types, its check', [installed], () => {
  const plugin = join(consumer, 'plugins', 'slow-log');
  run('npx', ['--no-install', 'glyphcase', 'plugin', 'new', 'slow-log'], consumer);
  run('npm', ['test'], plugin);
  node(tsc, '-p', plugin);
  const said = run('npx', ['--no-install', 'glyphcase', 'plugin', 'check', 'plugins/slow-log'], consumer);
  if (!/^13 ok, 2 skipped/m.test(said)) throw new Error(said);
  return undefined;
});

step('types of a CommonJS consumer', [withReact], () => {
  copyFileSync(join(consumer, 'plugins.ts'), join(consumer, 'plugins.cts'));
  for (const module of ['node16', 'nodenext', 'commonjs'])
    node(tsc, ...strict, '--module', module, 'common.cts', 'plugins.cts');
  return 'node16, nodenext and commonjs';
});

/** The host programs of docs/embedding.md, as a reader writes them: nothing is replaced. */
const withPrograms = 'what the programs of docs/embedding.md need';
step(withPrograms, [installed], () => {
  for (const name of ['hono', '@hono/node-server', 'esbuild', '@esbuild'])
    cpSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), { recursive: true });
  const programs = programsOf('docs/embedding.md');
  for (const { file, source } of programs) {
    mkdirSync(dirname(join(consumer, file)), { recursive: true });
    writeFileSync(join(consumer, file), `${source}\n`);
  }
  return programs.map(({ file }) => file).join(', ');
});

step('the script imports lines and exits by itself', [withPrograms], () => {
  const said = execFileSync(process.execPath, ['import-tasks.ts', 'script.db'], {
    cwd: consumer,
    env,
    encoding: 'utf8',
    input: 'write\nread\n',
    timeout: 30_000,
  });
  expectOutput(said, '2 new, 2 in all');
  return undefined;
});

step('the host in a worker thread', [withPrograms], () => {
  const prints = programsOf('docs/embedding.md').find(({ file }) => file === 'split/main.ts')?.prints;
  expectOutput(node('split/main.ts'), prints ?? '');
  return undefined;
});

const service = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  const child = spawn(process.execPath, [process.argv[1]], { env: { ...process.env, PORT: '0', DB: ':memory:' } });
  child.stderr.pipe(process.stderr);
  const [url] = await once(child.stdout.setEncoding('utf8'), 'data');
  const answer = await fetch(url.trim() + '/tasks', { method: 'POST', body: '{"title":"write"}' });
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  console.log(answer.status, code);
`;

step('the HTTP service answers, and ends on SIGTERM', [withPrograms], () => {
  expectOutput(node('--input-type=module', '-e', service, 'service.ts'), '201 0');
  return undefined;
});

step('the same in a bundle', [withPrograms], () => {
  node('bundle.ts', 'service.ts', 'host.mjs');
  expectOutput(node('dist/host.mjs'), 'INSERT tasks write the docs');
  expectOutput(node('--input-type=module', '-e', service, 'dist/service.mjs'), '201 0');
  return undefined;
});

step('two copies of the package in one process', [installed], () => {
  const place = join('node_modules', 'glyphcase');
  const second = join(consumer, 'second', place);
  cpSync(join(consumer, place), second, { recursive: true });
  const entries = [join(consumer, place), second].map((folder) => join(folder, 'dist', 'sdk', 'index.js'));
  const said = JSON.parse(node(join(root, 'test/96-embedding/copies.ts'), ...entries, join(work, 'copies.db'))) as {
    readonly areTwo: boolean;
    readonly seen: readonly (readonly string[])[];
  };
  const seen = said.seen.map((titles) => titles.join(' '));
  expectOutput(`${String(said.areTwo)}: ${seen.join(', ')}`, 'true: write read, write read rest');
  return undefined;
});

if (process.argv.includes('--keep')) console.log(`\nkept: ${work}`);
else rmSync(work, { recursive: true, force: true });

const passed = [...outcomes.values()].filter(Boolean).length;
const failed = outcomes.size - passed;
console.log(`\npackage: ${passed} steps passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
