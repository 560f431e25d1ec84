/** Folders that are followed: nothing that happens in them after that is missed, wherever they have been meanwhile. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { PathHints } from '../sdk/path-hints.ts';
import { fakeClock } from './10-kernel-support.ts';
import { afterTest, tempDir, until } from './support.ts';

function following() {
  const clock = fakeClock();
  const told: string[] = [];
  const began: string[] = [];
  const failures: unknown[] = [];
  const hints = new PathHints({
    clock,
    ignored: (path) => basename(path).startsWith('.'),
    hint: (path) => void told.push(path),
    began: (folder) => void began.push(folder),
    failed: (error) => void failures.push(error),
  });
  afterTest(() => hints.close());
  const hinted = (path: string): Promise<void> => until(() => told.includes(path), 5_000);
  return { hints, clock, told, began, failures, hinted };
}

test('what happens as soon as a folder is followed is hinted at, also when another one is followed already', async () => {
  const { hints, hinted, told } = following();
  const [one, two] = [tempDir(), tempDir()];
  writeFileSync(join(one, 'old'), '');
  expect(hints.follow([one])).toBe(true);
  expect(hints.follow([one])).toBe(false);
  writeFileSync(join(one, 'old'), 'new');
  await hinted(join(one, 'old'));
  expect(hints.follow([one, two])).toBe(true);
  writeFileSync(join(two, '.hidden'), '');
  writeFileSync(join(two, 'new'), '');
  await hinted(join(two, 'new'));
  expect(told).not.toContain(join(two, '.hidden'));
});

test('a folder that is not there is looked for, and what came with it is to be looked at', async () => {
  const { hints, clock, began, hinted } = following();
  const folder = join(tempDir(), 'later', 'deep');
  hints.follow([folder]);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'first'), '');
  expect(began).toEqual([]);
  await clock.advance(500);
  await until(() => began.length > 0);
  expect(began).toEqual([folder]);
  writeFileSync(join(folder, 'second'), '');
  await hinted(join(folder, 'second'));
});

test('a folder that is deleted and made anew is followed again', async () => {
  const { hints, clock, began, hinted } = following();
  const folder = join(tempDir(), 'folder');
  mkdirSync(folder);
  hints.follow([folder]);
  rmSync(folder, { recursive: true });
  await hinted(folder);
  mkdirSync(folder);
  await clock.advance(500);
  await until(() => began.length === 1);
  writeFileSync(join(folder, 'file'), '');
  await hinted(join(folder, 'file'));
});

test('a folder that is put in the place of another is the one that is followed', async () => {
  const { hints, began, hinted } = following();
  const parent = tempDir();
  const folder = join(parent, 'folder');
  mkdirSync(folder);
  mkdirSync(join(parent, 'other', 'inner'), { recursive: true });
  hints.follow([folder]);
  renameSync(folder, join(parent, 'away'));
  renameSync(join(parent, 'other'), folder);
  await until(() => began.length === 1);
  writeFileSync(join(folder, 'inner', 'file'), '');
  await hinted(join(folder, 'inner', 'file'));
});

test('folders in it are followed as they come, go, and come again, to any that can matter', async () => {
  const { hints, hinted, told } = following();
  const folder = tempDir();
  mkdirSync(join(folder, 'a', 'b'), { recursive: true });
  mkdirSync(join(folder, '.git'));
  hints.follow([folder]);
  writeFileSync(join(folder, 'a', 'b', 'one'), '');
  await hinted(join(folder, 'a', 'b', 'one'));
  renameSync(join(folder, 'a'), join(folder, 'c'));
  await hinted(join(folder, 'c'));
  writeFileSync(join(folder, 'c', 'b', 'two'), '');
  await hinted(join(folder, 'c', 'b', 'two'));
  rmSync(join(folder, 'c'), { recursive: true });
  mkdirSync(join(folder, 'c', 'd'), { recursive: true });
  await until(() => told.filter((path) => path === join(folder, 'c')).length >= 2);
  writeFileSync(join(folder, 'c', 'd', 'three'), '');
  writeFileSync(join(folder, '.git', 'HEAD'), '');
  await hinted(join(folder, 'c', 'd', 'three'));
  expect(told.filter((path) => path.includes('.git'))).toEqual([]);
});

test('a folder within another one that is followed, too, is listened to once', async () => {
  const { hints, hinted, told } = following();
  const folder = tempDir();
  const inner = join(folder, 'inner');
  mkdirSync(inner);
  hints.follow([inner]);
  hints.follow([folder]);
  mkdirSync(join(inner, 'new'));
  await hinted(join(inner, 'new'));
  writeFileSync(join(folder, 'last'), '');
  await hinted(join(folder, 'last'));
  expect(told.filter((path) => path === join(inner, 'new'))).toHaveLength(1);
});

test('a file in the place of a folder is none, until there is one', async () => {
  const { hints, clock, began } = following();
  const folder = join(tempDir(), 'folder');
  writeFileSync(folder, '');
  hints.follow([folder]);
  await clock.advance(2_000);
  expect(began).toEqual([]);
  rmSync(folder);
  mkdirSync(folder);
  await clock.advance(500);
  await until(() => began.length === 1);
});

test('nothing is hinted at or looked for after closing', async () => {
  const { hints, clock, began, told } = following();
  const [there, missing] = [tempDir(), join(tempDir(), 'missing')];
  hints.follow([there, missing]);
  hints.close();
  mkdirSync(missing);
  writeFileSync(join(there, 'file'), '');
  await clock.advance(5_000);
  expect(hints.follow([tempDir()])).toBe(false);
  hints.close();
  expect([began, told]).toEqual([[], []]);
});
