/**
 * Who takes part, by the name that `--peers` takes: which adapter, with which options, and what a reader of the tables has to
 * know of it.
 */

/**
 * @typedef {object} Peer
 * @property {string} label
 * @property {string} adapter A file of adapters/.
 * @property {Record<string, string>} [options] Handed to the adapter's `open`.
 * @property {'file' | 'memory'} keeps Where the data is: a file on disk in WAL mode, or the memory of the process only.
 * @property {string} [package] Whose version is shown.
 * @property {string} [joinNote] How its join differs from the SQL that was asked for.
 * @property {string} [note]
 */

const UNTHROTTLED = 'With throttleMs 0; its default is 30.';
const COUNTED_APART =
  'With a correlated COUNT: its tables are views over JSON, where the LEFT JOIN takes half a minute a run.';

/** @type {Record<string, Peer>} */
export const PEERS = {
  glyphcase: { label: 'GlyphCase', adapter: 'glyphcase', keeps: 'file' },
  naive: {
    label: 'naive re-run on better-sqlite3',
    adapter: 'naive',
    keeps: 'file',
    package: 'better-sqlite3',
    note: 'As most programs write it by hand: after a write, every query on the table runs again. Nothing is logged, and what other processes write is not seen.',
  },
  zqlite: {
    label: 'Zero zqlite',
    adapter: 'zqlite',
    keeps: 'file',
    package: '@rocicorp/zero',
    joinNote: 'It has no COUNT and no GROUP BY: each user with all tasks, counted in JavaScript.',
    note: 'By deep imports, there is no public API. Writes go through its own `push`; what raw SQL writes is not seen.',
  },
  'powersync-watch': {
    label: 'PowerSync watch',
    adapter: 'powersync',
    options: { mode: 'watch' },
    keeps: 'file',
    package: '@powersync/node',
    joinNote: COUNTED_APART,
    note: UNTHROTTLED,
  },
  'powersync-diff': {
    label: 'PowerSync differentialWatch',
    adapter: 'powersync',
    options: { mode: 'diff' },
    keeps: 'file',
    package: '@powersync/node',
    joinNote: COUNTED_APART,
    note: UNTHROTTLED,
  },
  'powersync-track': {
    label: 'PowerSync trackTableDiff',
    adapter: 'powersync',
    options: { mode: 'track' },
    keeps: 'file',
    package: '@powersync/node',
    note: UNTHROTTLED,
  },
  tanstack: { label: 'TanStack DB', adapter: 'tanstack', keeps: 'memory', package: '@tanstack/db' },
  tinybase: {
    label: 'TinyBase queries',
    adapter: 'tinybase',
    keeps: 'memory',
    package: 'tinybase',
    joinNote: 'It joins from the tasks to their users, so a user without tasks would be absent.',
  },
  rxdb: { label: 'RxDB', adapter: 'rxdb', keeps: 'memory', package: 'rxdb' },
  'pglite-query': {
    label: 'PGlite live.query',
    adapter: 'pglite',
    options: { mode: 'query' },
    keeps: 'memory',
    package: '@electric-sql/pglite',
  },
  'pglite-incremental': {
    label: 'PGlite live.incrementalQuery',
    adapter: 'pglite',
    options: { mode: 'incremental' },
    keeps: 'memory',
    package: '@electric-sql/pglite',
  },
  'pglite-changes': {
    label: 'PGlite live.changes',
    adapter: 'pglite',
    options: { mode: 'changes' },
    keeps: 'memory',
    package: '@electric-sql/pglite',
  },
  signaldb: { label: 'SignalDB', adapter: 'signaldb', keeps: 'memory', package: '@signaldb/core' },
};
