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
    // Many tests start programs of their own beside them.
    maxWorkers: availableParallelism(),
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
