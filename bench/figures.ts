/** The figures that GlyphCase promises, and where each is measured. */

export interface Figure {
  readonly what: string;
  /** Key in the program's output. */
  readonly key: string;
  readonly unit: string;
  /** What it must reach; absent for a figure that is only shown beside its baseline. */
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly program: 'capsule' | 'host' | 'skills' | 'lua' | 'spec';
}

export const FIGURES: readonly Figure[] = [
  {
    program: 'capsule',
    key: 'insertRatio',
    what: 'INSERT of 10,000 rows on a watched table, of the unwatched speed',
    unit: '×',
    atLeast: 0.5,
  },
  {
    program: 'capsule',
    key: 'updateRatio',
    what: 'UPDATE of 10,000 rows, of the unwatched speed',
    unit: '×',
    atLeast: 0.45,
  },
  {
    program: 'capsule',
    key: 'deleteRatio',
    what: 'DELETE of 10,000 rows, of the unwatched speed',
    unit: '×',
    atLeast: 0.6,
  },
  {
    program: 'host',
    key: 'insertManyRatio',
    what: 'insertMany of 10,000 rows, of raw better-sqlite3 unwatched',
    unit: '×',
    atLeast: 0.35,
  },
  {
    program: 'capsule',
    key: 'drainPerSecond',
    what: 'draining 1,000,000 logged changes',
    unit: 'events/s',
    atLeast: 200_000,
  },
  { program: 'capsule', key: 'drainGrowthMB', what: 'memory growth while draining them', unit: 'MB', atMost: 50 },
  {
    program: 'capsule',
    key: 'inProcessP50Ms',
    what: 'one write to its handler, same process, p50',
    unit: 'ms',
    atMost: 0.1,
  },
  {
    program: 'capsule',
    key: 'outsideP50Ms',
    what: 'one write to its handler, from another process, p50',
    unit: 'ms',
    atMost: 2,
  },
  { program: 'capsule', key: 'missed', what: 'commits missed', unit: '', atMost: 0 },
  {
    program: 'capsule',
    key: 'filtered10000Ratio',
    what: 'the same with 10,000 filtered watchers, of the figure with one',
    unit: '×',
    atMost: 2,
  },
  {
    program: 'skills',
    key: 'skillUpdatesPerSecond',
    what: 'on_data_changed with one update a row',
    unit: 'events/s',
    atLeast: 20_000,
  },
  { program: 'skills', key: 'skillEventsPerSecond', what: 'on_data_changed without a write', unit: 'events/s' },
  {
    program: 'skills',
    key: 'handlerUpdatesPerSecond',
    what: 'the same updates by a durable JavaScript handler',
    unit: 'events/s',
  },
  { program: 'host', key: 'startMs', what: 'new GlyphCase to ready, no skills', unit: 'ms', atMost: 150 },
  {
    program: 'host',
    key: 'coldOpenMs',
    what: 'the same in a fresh process, modules imported',
    unit: 'ms',
    atMost: 150,
  },
  { program: 'host', key: 'coldImportMs', what: 'importing the sources in a fresh process', unit: 'ms' },
  { program: 'host', key: 'start100SkillsMs', what: 'new GlyphCase to ready, 100 skills', unit: 'ms', atMost: 1500 },
  { program: 'host', key: 'rssPerSkillKiB', what: 'resident memory a skill', unit: 'KiB', atMost: 500 },
  {
    program: 'host',
    key: 'exitsByItself',
    what: 'the process exits by itself after close() (1 = yes)',
    unit: '',
    atLeast: 1,
  },
  { program: 'spec', key: 'select1Ms', what: '7.1 SELECT (indexed), one', unit: 'ms', atMost: 0.5 },
  { program: 'spec', key: 'select1000Ms', what: '7.1 SELECT (indexed), 1,000', unit: 'ms', atMost: 50 },
  { program: 'spec', key: 'select10000Ms', what: '7.1 SELECT (indexed), 10,000', unit: 'ms', atMost: 400 },
  { program: 'spec', key: 'scan1Ms', what: '7.1 SELECT (full scan of 10,000 rows), one', unit: 'ms', atMost: 2 },
  {
    program: 'spec',
    key: 'scan1000Ms',
    what: '7.1 SELECT (full scan of 10,000 rows), 1,000',
    unit: 'ms',
    atMost: 1500,
  },
  { program: 'spec', key: 'insert1Ms', what: '7.1 INSERT, one', unit: 'ms', atMost: 1 },
  { program: 'spec', key: 'insert1000Ms', what: '7.1 INSERT, 1,000', unit: 'ms', atMost: 100 },
  { program: 'spec', key: 'insert10000Ms', what: '7.1 INSERT, 10,000', unit: 'ms', atMost: 800 },
  { program: 'spec', key: 'update1Ms', what: '7.1 UPDATE, one', unit: 'ms', atMost: 1.5 },
  { program: 'spec', key: 'update1000Ms', what: '7.1 UPDATE, 1,000', unit: 'ms', atMost: 150 },
  { program: 'spec', key: 'update10000Ms', what: '7.1 UPDATE, 10,000', unit: 'ms', atMost: 1200 },
  { program: 'spec', key: 'delete1Ms', what: '7.1 DELETE, one', unit: 'ms', atMost: 1 },
  { program: 'spec', key: 'delete1000Ms', what: '7.1 DELETE, 1,000', unit: 'ms', atMost: 100 },
  { program: 'spec', key: 'delete10000Ms', what: '7.1 DELETE, about 9,000', unit: 'ms', atMost: 800 },
  { program: 'spec', key: 'codeMB', what: '7.2 the code itself, above plain Node', unit: 'MB' },
  { program: 'spec', key: 'engineMB', what: '7.2 an open database', unit: 'MB', atMost: 7 },
  { program: 'spec', key: 'watchers100MB', what: '7.2 a hundred watchers', unit: 'MB', atMost: 5 },
  { program: 'spec', key: 'luaMB', what: '7.2 the first Lua state, its compiler included', unit: 'MB' },
  {
    program: 'spec',
    key: 'rowBytesPer1000',
    what: '7.3 file size per 1,000 rows of text',
    unit: 'bytes',
    atMost: 100_000,
  },
  { program: 'spec', key: 'logBytesPer1000', what: '7.3 log size per 1,000 changes', unit: 'bytes' },
  { program: 'spec', key: 'latency1Ms', what: '7.5 latency with 1 watcher', unit: 'ms', atMost: 1 },
  { program: 'spec', key: 'latency20Ms', what: '7.5 latency with 20 watchers', unit: 'ms', atMost: 5 },
  { program: 'spec', key: 'latency100Ms', what: '7.5 latency with 100 watchers', unit: 'ms', atMost: 20 },
  { program: 'spec', key: 'latency1000Ms', what: '7.5 latency with 1,000 watchers', unit: 'ms', atMost: 20 },
  { program: 'lua', key: 'lua.call', what: 'JavaScript → Lua, three scalars', unit: 'µs', atMost: 1 },
  { program: 'lua', key: 'lua.rowsIn', what: '100 rows × 10 columns into Lua', unit: 'µs', atMost: 200 },
  { program: 'lua', key: 'lua.guardedCall', what: 'a guarded call', unit: 'µs', atMost: 80 },
];
