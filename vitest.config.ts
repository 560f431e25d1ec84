import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// .ci/run reads the result as JSON; a person gets the usual output in both cases.
const report = process.env['GLYPHCASE_TEST_REPORT'];

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Outside plugins import the package by its name; dist/ is not built when tests run.
  resolve: {
    alias: [
      { find: /^glyphcase$/, replacement: source('sdk/index.ts') },
      { find: /^glyphcase\/sdk$/, replacement: source('sdk/plugin.ts') },
      { find: /^glyphcase\/testing$/, replacement: source('sdk/testing/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'examples/plugins/*/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: 'forks',
    // Many tests start programs of their own beside them.
    maxWorkers: availableParallelism(),
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
