/**
 * docs/skills.md, "A skill, step by step", as a newcomer takes it: the blocks are written and run one after the other in an
 * empty folder, and print what the document says.
 */
import { expect, test } from 'vitest';
import { stepsOf, walk } from './92-tour-support.ts';

test('the steps of the document lead where it says', async () => {
  const steps = stepsOf('docs/skills.md');
  await walk(steps, /big-orders +0\.1\.0 +active/);
  expect(steps.map(({ command }) => command.split(' ')[0])).toEqual(
    expect.arrayContaining(['file', 'run', 'fails', 'start']),
  );
}, 90_000);
