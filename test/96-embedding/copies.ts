/**
 * Two copies of the package in one process, on one file. Arguments: the modules of the copies, and the file.
 *
 * Prints as JSON what each saw of what both wrote.
 */
import { pathToFileURL } from 'node:url';
import type * as Package from '../../sdk/index.ts';

const [first = '', second = '', file = ''] = process.argv.slice(2);
const load = async (path: string): Promise<typeof Package> =>
  (await import(pathToFileURL(path).href)) as typeof Package;
const [one, other] = [await load(first), await load(second)];

const hosts = [one, other].map(({ GlyphCase }) => new GlyphCase(file, { capsule: { batchInterval: 0 } })) as [
  Package.GlyphCase,
  Package.GlyphCase,
];
await hosts[0].execute('CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)');
const seen = hosts.map((db) => {
  const titles: unknown[] = [];
  db.subscribe(db.watch('tasks'), (events) => {
    for (const { newData } of events) titles.push(newData?.['title']);
  });
  return titles;
});
await hosts[0].insert('tasks', { title: 'write' });
await hosts[1].insert('tasks', { title: 'read' });
const lua = await Promise.all(hosts.map(async (db) => await db.executeLuaScript('return 6 * 7')));
await Promise.all(hosts.map(async (db) => await db.flush()));

await hosts[0].close();
await hosts[1].insert('tasks', { title: 'rest' });
await hosts[1].flush();
const refused: unknown = await hosts[0].query('SELECT 1').catch((error: unknown) => error);
await hosts[1].close();

process.stdout.write(
  JSON.stringify({
    seen,
    lua,
    areTwo: one.GlyphCase !== other.GlyphCase,
    refusedBy: [one, other].map(({ GlyphError }) => refused instanceof GlyphError),
  }),
);
