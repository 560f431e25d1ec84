/** Schema changes: see the tests' names. */
import { expect, test } from 'vitest';
import { openHost } from './support.ts';

test('a host opens', () => {
  expect(openHost().capsule.end).toBe(0);
});
