import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// .ci/run reads the result as JSON; a person gets the usual output in both cases.
const report = process.env['GLYPHCASE_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: 'forks',
    // Many tests wait for other processes, so one more than there are cores keeps them busy.
    maxWorkers: availableParallelism() + 1,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
