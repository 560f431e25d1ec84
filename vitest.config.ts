import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// Node.js keeps what it has compiled: workers, and the many programs that tests start, then start in half the time.
process.env['NODE_COMPILE_CACHE'] ??= source('node_modules/.cache/test-programs');

// .ci/run reads the result as JSON; a person gets the usual output in both cases.
const report = process.env['GLYPHCASE_TEST_REPORT'];

/**
 * Files that share a process, and with it what they import: a third of a second less for each. They must leave nothing behind,
 * register no hooks in the modules they share, and look at nothing that is the process's: memory, listeners, timers, streams.
 */
const together = [
  'test/{10,11,12,20,21,30,31,33,40,61,64,81,83}-*.test.ts',
  'test/34-retention.test.ts',
  'test/50-lua-{errors,escapes,service,stdlib,values}.test.ts',
  'test/60-skills-{api,extend,hooks,host-lua,lifecycle,manifest,migrations,peers,permissions,reactions}.test.ts',
  'test/62-scheduler{,-times}.test.ts',
  'test/63-{cache,http-hosts}.test.ts',
  'test/80-live-{complaints,delivery,lua,schema,spec,view}.test.ts',
  'test/80-live.test.ts',
];

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
    // What hangs fails; what is slow because the machine has other work to do does not.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    pool: 'forks',
    // Many tests wait: for programs they have started, for a second to pass. Meanwhile another one works.
    maxWorkers: availableParallelism() + 1,
    projects: [
      { extends: true, test: { name: 'together', include: together, isolate: false } },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['test/**/*.test.ts', 'examples/plugins/*/*.test.ts'],
          exclude: together,
        },
      },
    ],
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
