/**
 * `npm run check:package`: packs the package, installs it in an empty folder as a stranger would, and uses it there.
 *
 * Invariant: every step is reported with its own line; a step that needs a failed one is called skipped, never passed.
 * Exit code 1 unless all passed. `--keep` leaves the folder for a look inside.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
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

step('types of a TypeScript consumer', [withReact], () => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const common = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node', '--skipLibCheck', 'false'];
  run(process.execPath, [tsc, ...common, '--module', 'nodenext', 'consumer.ts', 'react.ts'], consumer);
  run(
    process.execPath,
    [tsc, ...common, '--module', 'esnext', '--moduleResolution', 'bundler', 'consumer.ts', 'react.ts'],
    consumer,
  );
  return 'nodenext and bundler';
});

if (process.argv.includes('--keep')) console.log(`\nkept: ${work}`);
else rmSync(work, { recursive: true, force: true });

const passed = [...outcomes.values()].filter(Boolean).length;
const failed = outcomes.size - passed;
console.log(`\npackage: ${passed} steps passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
