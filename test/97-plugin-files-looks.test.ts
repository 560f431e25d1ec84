/** When plugin files are looked at: after a quiet time, not put off for ever, and never twice for one reason. */
import { expect, test } from 'vitest';
import { Operations } from '../kernel/operations.ts';
import { Looks } from '../sdk/plugin-files/looks.ts';
import { fakeClock, memoryLogger, settle } from './support.ts';

function looking(look: () => Promise<void> = () => Promise.resolve()) {
  const [clock, logger, operations] = [fakeClock(), memoryLogger(), new Operations()];
  const begun = clock.now();
  const at: number[] = [];
  const looks = new Looks({
    clock,
    logger,
    operations,
    look: () => {
      at.push(clock.now() - begun);
      return look();
    },
  });
  return { clock, logger, operations, looks, at };
}

test('a look waits until it has been quiet', async () => {
  const { looks, clock, at } = looking();
  looks.whenQuiet(100);
  await clock.advance(70);
  looks.whenQuiet(100);
  await clock.advance(99);
  expect(at).toEqual([]);
  await clock.advance(1);
  expect(at).toEqual([170]);
});

test('what never rests is looked at all the same; after that, quiet is waited for again', async () => {
  const { looks, clock, at } = looking();
  for (let ms = 0; ms < 1000; ms += 50) {
    looks.whenQuiet(100);
    await clock.advance(50);
  }
  expect(at).toEqual([1000]);
  looks.whenQuiet(100);
  await clock.advance(99);
  expect(at).toEqual([1000]);
  await clock.advance(1);
  expect(at).toEqual([1000, 1100]);
});

test('what is asked for before a look has begun is part of it; a failure is told, and stops nothing', async () => {
  const { looks, operations, logger, at } = looking(() => Promise.reject(new Error('the disk is gone')));
  const busy = Promise.withResolvers<void>();
  void operations.add(() => busy.promise);
  looks.now();
  looks.now();
  busy.resolve();
  await settle();
  looks.now();
  await settle();
  expect(at).toHaveLength(2);
  expect(logger.lines.map(({ message }) => message)).toEqual(
    Array(2).fill("Looking at the plugins' files failed: the disk is gone"),
  );
});

test('nothing is looked at after the end', async () => {
  const { looks, clock, at } = looking();
  looks.whenQuiet(100);
  looks.close();
  await clock.advance(1000);
  expect(at).toEqual([]);
});
