/** docs/plugins.md, "Your first plugin", as a newcomer takes it: every block is written, compiled and run, and prints what it says. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolved, typeErrors } from './92-docs-support.ts';
import { edited, stepsOf, walk } from './92-tour-support.ts';
import { tempDir } from './support.ts';

const steps = stepsOf('docs/plugins.md');

describe('an edit of a file', () => {
  test('is refused when the lines are not there, or twice', () => {
    expect(() => edited('a\nb\n', '-c\n+d')).toThrow('not once in the file: c');
    expect(() => edited('a\na\n', '-a\n+d')).toThrow('not once in the file: a');
    expect(() => edited('a\n', '+d')).toThrow('not once in the file');
  });

  test('replaces them', () => {
    expect(edited('a\nb\nc\n', '-b\n+d\n+e')).toBe('a\nd\ne\nc\n');
  });
});

test('the programs of the document compile', () => {
  const folder = realpathSync(tempDir());
  const written = steps.flatMap(({ command, text }) => {
    const [, path] = /^file (\S+)$/.exec(command) ?? [];
    if (path === undefined) return [];
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${resolved(text)}\n`);
    return [join(folder, path)];
  });
  const files = written.filter((path) => path.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(1);
  expect(typeErrors(files)).toEqual([]);
}, 60_000);

test('the steps of the document lead where it says', async () => {
  await walk(steps, /vat +1\.0\.0 +active/);
  expect(steps.map(({ command }) => command.split(' ')[0])).toEqual(
    expect.arrayContaining(['file', 'run', 'start', 'edit', 'prints']),
  );
}, 90_000);
