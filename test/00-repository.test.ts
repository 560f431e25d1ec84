/** The repository's own promises: one Node version everywhere, a lock file without addresses, layers that hold. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GlyphError } from '../kernel/errors.ts';
import { assertNodeVersion, REQUIRED_NODE } from '../kernel/node-version.ts';
import { forbidden } from '../scripts/layers-rule.ts';
import { missingFiles, unexpectedFiles } from '../scripts/package-contents.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Runs a program of the repository on this Node, which pretends to be `version`. */
function runAs(version: string, ...args: readonly string[]) {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  return spawnSync(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, ...args], {
    cwd: root,
    encoding: 'utf8',
  });
}

describe('the Node version', () => {
  test('an older one is refused with a code, both versions and a way out', () => {
    for (const version of ['20.20.2', '22.17.1', '18.0.0', '']) {
      const attempt = () => assertNodeVersion(version);
      expect(attempt).toThrow(GlyphError);
      expect(attempt).toThrow(expect.objectContaining({ code: 'GC_NODE_VERSION' }));
      expect(attempt).toThrow(`needs Node.js 22.18 or newer; this is Node.js ${version}.`);
    }
  });

  test('the required one and newer ones pass', () => {
    for (const version of ['22.18.0', '22.19.3', '23.0.0', '24.21.0', '100.0.0']) {
      expect(() => assertNodeVersion(version)).not.toThrow();
    }
  });

  test('package.json, the launcher and the kernel ask for the same one', () => {
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    expect(engines.node).toBe(`>=${REQUIRED_NODE.join('.')}`);
    expect(read('bin/glyphcase.js')).toContain(`var required = [${REQUIRED_NODE.join(', ')}];`);
  });

  test('the launcher turns an older one away before it loads anything', () => {
    const { status, stdout, stderr } = runAs('20.20.2', 'bin/glyphcase.js', '--help');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('GlyphCase needs Node.js 22.18 or newer; this is Node.js 20.20.2.');
    expect(stderr).toContain('npm start');
  });

  test('npm scripts say what to do when the pinned one is missing', () => {
    const { status, stderr } = runAs('20.20.2', 'scripts/require-node.cjs');
    expect(status).toBe(1);
    expect(stderr).toContain('npm rebuild node --ignore-scripts=false');
    expect(runAs('22.18.0', 'scripts/require-node.cjs').status).toBe(0);
  });
});

describe('the lock file', () => {
  test('names no registry, so that any mirror serves it, and has a checksum for everything', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Record<string, unknown>> };
    const dependencies = Object.entries(packages).filter(([path]) => path !== '');
    expect(dependencies.length).toBeGreaterThan(20);
    expect(dependencies.filter(([, entry]) => 'resolved' in entry).map(([path]) => path)).toEqual([]);
    expect(dependencies.filter(([, entry]) => !('integrity' in entry)).map(([path]) => path)).toEqual([]);
  });
});

describe('the layers', () => {
  test.each([
    ['kernel/bus.ts', 'sdk/plugin.ts'],
    ['kernel/bus.ts', 'plugins/capsule/index.ts'],
    ['kernel/bus.ts', 'test/helper.ts'],
    ['plugins/live/index.ts', 'plugins/capsule/index.ts'],
    ['plugins/live/diff/rows.ts', 'plugins/capsule/log.ts'],
    ['plugins/live/index.ts', 'plugins/live-other/index.ts'],
    ['plugins/live/index.ts', 'kernel/errors.ts'],
    ['plugins/live/index.ts', 'sdk/index.ts'],
    ['plugins/live/index.ts', 'sdk/cli/main.ts'],
    ['sdk/testing.ts', 'test/helper.ts'],
  ])('%s may not import %s', (file, target) => {
    expect(forbidden(file, target)).toMatch(/import/);
  });

  test.each([
    ['kernel/bus.ts', 'kernel/errors.ts'],
    ['plugins/live/index.ts', 'sdk/plugin.ts'],
    ['plugins/live/diff/rows.ts', 'plugins/live/types.ts'],
    ['sdk/index.ts', 'plugins/live/index.ts'],
    ['test/10-kernel.test.ts', 'kernel/bus.ts'],
  ])('%s may import %s', (file, target) => {
    expect(forbidden(file, target)).toBeUndefined();
  });
});

describe('the package', () => {
  test('refuses tests, benchmarks, sources, databases and anything it does not know', () => {
    const refused = [
      'test/00-repository.test.ts',
      'bench/run.ts',
      'kernel/errors.ts',
      'dist/kernel/errors.ts',
      'dist/kernel/errors.js.map',
      'dist/plugins/lua/test/a.lua',
      'skills/order-totals/demo.db',
      'skills/.DS_Store',
      'notes.txt',
    ];
    const fine = ['package.json', 'dist/kernel/errors.js', 'dist/kernel/errors.d.ts', 'skills/order-totals/main.lua'];
    expect(unexpectedFiles([...refused, ...fine])).toEqual(refused);
  });

  test('names what is missing', () => {
    expect(missingFiles(['LICENSE', 'dist/sdk/index.js'])).toEqual(
      expect.arrayContaining([
        'README.md',
        'dist/sdk/index.d.ts',
        'dist/plugins/lua/prelude.js',
        'skills/*/manifest.json',
      ]),
    );
    expect(missingFiles(['LICENSE'])).not.toContain('LICENSE');
  });
});

test('what test files share registers no hooks when it is imported: in a process that many share, only the first would have them', () => {
  const shared = readdirSync(join(root, 'test')).filter((name) => /(?<!\.test)\.ts$/.test(name));
  expect(shared.length).toBeGreaterThan(20);
  expect(shared.filter((name) => /^(before|after|around)(Each|All)\(/m.test(read(`test/${name}`)))).toEqual([]);
});
