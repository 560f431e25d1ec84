/**
 * Real data that nobody here made, with its gaps, odd types and odd text, loaded by other programs into a file that a host
 * has open, with a search index and an audit trail active on it: nothing is lost, nothing is there twice, every value is right.
 *
 * The data is that of the npm package vega-datasets. GLYPHCASE_REAL_ROWS says how many flights are loaded (20,000; the original has 200,000).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openSkills, searchConfig, skillsFolder } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { sqlite3, start, tempFile } from './support.ts';

const DATA = fileURLToPath(new URL('../node_modules/vega-datasets/data', import.meta.url));
const FLIGHTS = Number(process.env['GLYPHCASE_REAL_ROWS'] ?? 20_000);

const readJson = (name: string): Json[] => JSON.parse(readFileSync(join(DATA, name), 'utf8')) as Json[];
/** Data lines of a CSV file without line breaks inside its fields. */
const csvRows = (name: string): number => readFileSync(join(DATA, name), 'utf8').trimEnd().split('\n').length - 1;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const MOVIE_COLUMNS = Object.keys(readJson('movies.json')[0] as Json);
const BIRD_COLUMNS = (readFileSync(join(DATA, 'birdstrikes.csv'), 'utf8').split('\n')[0] as string).trim().split(',');

/** A table, the columns of its key (none: the rowid), and the SQL of that key as the trail has it. */
interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly keyColumns: readonly string[];
  readonly key: string;
}

const TABLES: readonly Table[] = [
  { name: 'flights', columns: ['id', 'delay', 'distance', 'time'], keyColumns: ['id'], key: 'id' },
  { name: 'movies', columns: ['id', ...MOVIE_COLUMNS], keyColumns: ['id'], key: 'id' },
  {
    name: 'weather',
    columns: ['location', 'date', 'precipitation', 'temp_max', 'temp_min', 'wind', 'weather'],
    keyColumns: ['location', 'date'],
    key: 'json_array(location, date)',
  },
  {
    name: 'airports',
    columns: ['iata', 'name', 'city', 'state', 'country', 'latitude', 'longitude'],
    keyColumns: ['iata'],
    key: 'iata',
  },
  { name: 'birdstrikes', columns: BIRD_COLUMNS, keyColumns: [], key: 'rowid' },
];
const NAMES = TABLES.map(({ name }) => name);

// One of each kind: an integer key; no types at all, and more columns than a row of the log holds; a key of two columns without a
// rowid; a text key; no key.
const SCHEMA = `
  CREATE TABLE flights(id INTEGER PRIMARY KEY, delay INTEGER, distance INTEGER, time REAL);
  CREATE TABLE movies(id INTEGER PRIMARY KEY, ${MOVIE_COLUMNS.map(quoted).join(', ')});
  CREATE TABLE weather(location TEXT, date TEXT, precipitation REAL, temp_max REAL, temp_min REAL, wind REAL, weather TEXT,
    PRIMARY KEY (location, date)) WITHOUT ROWID;
  CREATE TABLE airports(iata TEXT PRIMARY KEY, name TEXT, city TEXT, state TEXT, country TEXT, latitude REAL, longitude REAL);
  CREATE TABLE birdstrikes(${BIRD_COLUMNS.map(quoted).join(', ')});
`;

const SOURCES = [
  { table: 'movies', columns: ['Title', 'Director', 'Distributor'], key: 'id' },
  { table: 'airports', columns: ['name', 'city'], key: 'iata' },
  { table: 'weather', columns: ['weather'], key: ['location', 'date'] },
];

const OWN = ['search_index_rows', 'search_index_state'];
const SKILLS = {
  'search-index': {
    watches: SOURCES.map(({ table }) => table),
    permissions: {
      database: { read: [...SOURCES.map(({ table }) => table), ...OWN], write: OWN, schema: ['search_index'] },
    },
    config: searchConfig({ sources: SOURCES, table: 'search_index', tokenize: 'unicode61 remove_diacritics 2' }),
  },
  'audit-trail': {
    watches: NAMES,
    permissions: { database: { read: [...NAMES, 'audit_trail'], write: ['audit_trail'] } },
  },
};

/** Loads what is JSON, in transactions of 7,000 rows. Its types are Python's reading of the file. */
const LOADER = `
import json, sqlite3, sys
file, data, flights = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = sqlite3.connect(file, timeout=30)
def load(table, rows):
    for at in range(0, len(rows), 7000):
        part = rows[at:at + 7000]
        db.executemany("INSERT INTO %s VALUES (%s)" % (table, ", ".join("?" * len(part[0]))), part)
        db.commit()
movies = json.load(open(data + "/movies.json"))
load("movies", [[i + 1, *movie.values()] for i, movie in enumerate(movies)])
rows = json.load(open(data + "/flights-200k.json"))
load("flights", [[i + 1, *rows[i % len(rows)].values()] for i in range(flights)])
`;

const importCsv = (table: string): string =>
  `.timeout 30000\n.import --csv --skip 1 ${join(DATA, `${table}.csv`)} ${table}\n`;

/** What the search index must hold, by SQL alone. */
const INDEXED = `
  SELECT 'airports' AS source, iata AS key, concat_ws(char(10), name, city) AS text FROM airports
  UNION ALL SELECT 'movies', id, concat_ws(char(10), "Title", "Director", "Distributor") FROM movies
  UNION ALL SELECT 'weather', json_array(location, date), weather FROM weather`;

async function expectIndexExact(host: SkillHost): Promise<void> {
  await host.db.execute("INSERT INTO search_index(search_index) VALUES ('integrity-check')");
  const held = 'SELECT r.source, r.key, i.text FROM search_index_rows r JOIN search_index i ON i.rowid = r.id';
  expect(await host.rows(`${held} EXCEPT SELECT * FROM (${INDEXED})`)).toEqual([]);
  expect(await host.rows(`SELECT * FROM (${INDEXED}) EXCEPT ${held}`)).toEqual([]);
  expect(await host.scalar('SELECT count(*) FROM search_index')).toBe(
    await host.scalar(`SELECT count(*) FROM (${INDEXED})`),
  );
}

/** The newest entry of every row that is there holds the row, value by value: compared by SQLite itself. */
async function expectNewestExact(host: SkillHost, { name, columns, key }: Table): Promise<void> {
  const newest = `(SELECT row_id, new_values, max(id) FROM audit_trail WHERE table_name = '${name}' GROUP BY row_id)`;
  const rows = `${newest} a JOIN (SELECT *, ${key} AS "the key" FROM ${name}) t ON t."the key" = a.row_id`;
  expect(await host.scalar(`SELECT count(*) FROM ${rows}`)).toBe(await host.scalar(`SELECT count(*) FROM ${name}`));
  const value = columns.map((column) => `WHEN '${column}' THEN t.${quoted(column)}`).join(' ');
  const different = `j.value IS NOT CASE j.key ${value} ELSE 'no such column' END`;
  expect(
    await host.rows(
      `SELECT a.row_id, j.key, j.value FROM ${rows}, json_each(a.new_values) j WHERE ${different} LIMIT 5`,
    ),
  ).toEqual([]);
  const filled = columns.map((column) => `(t.${quoted(column)} IS NOT NULL)`).join(' + ');
  const recorded = "(SELECT count(*) FROM json_each(a.new_values) WHERE type <> 'null')";
  expect(await host.rows(`SELECT a.row_id, a.new_values FROM ${rows} WHERE ${recorded} <> ${filled} LIMIT 5`)).toEqual(
    [],
  );
}

interface Entry {
  readonly seq: number;
  readonly table_name: string;
  readonly row_id: unknown;
  readonly operation: string;
  readonly old_values: string | null;
  readonly new_values: string | null;
}

/** Every change begins where the one before it ended, and all of them together lead to the rows that are there. */
async function expectReplays(host: SkillHost): Promise<void> {
  const entries = await host.rows<Entry>(
    'SELECT seq, table_name, row_id, operation, old_values, new_values FROM audit_trail ORDER BY id',
  );
  const tables = new Map(TABLES.map((table) => [table.name, { ...table, rows: new Map<string, string>() }]));
  const wrong: unknown[] = [];
  let last = 0;
  for (const entry of entries) {
    const table = tables.get(entry.table_name);
    if (table === undefined) throw new Error(`an entry of ${entry.table_name}`);
    const [before, after] = [entry.old_values, entry.new_values].map((text) => {
      if (text === null) return undefined;
      const filled = Object.entries(JSON.parse(text) as Json).filter(([, value]) => value !== null);
      const values = Object.fromEntries(filled);
      const key = table.keyColumns.length === 0 ? entry.row_id : table.keyColumns.map((column) => values[column]);
      return { key: JSON.stringify(key), values: JSON.stringify(values) };
    });
    const kind = before === undefined ? 'INSERT' : after === undefined ? 'DELETE' : 'UPDATE';
    const fits = before === undefined || table.rows.get(before.key) === before.values;
    if (before !== undefined) table.rows.delete(before.key);
    const isFree = after === undefined || !table.rows.has(after.key);
    if (after !== undefined) table.rows.set(after.key, after.values);
    if (kind !== entry.operation || !fits || !isFree || entry.seq <= last) wrong.push(entry);
    last = entry.seq;
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  for (const { name, rows } of tables.values())
    expect([name, rows.size]).toEqual([name, await host.scalar(`SELECT count(*) FROM ${name}`)]);
}

async function expectExact(host: SkillHost): Promise<void> {
  host.healthy();
  await expectIndexExact(host);
  for (const table of TABLES) await expectNewestExact(host, table);
  await expectReplays(host);
}

/** Changes by the sqlite3 shell; every statement changes what it touches. Returns how many rows that were. */
function edit(file: string, round: number): number {
  const statements = [
    `UPDATE flights SET delay = delay + ${round} WHERE id % 97 = ${round}`,
    `DELETE FROM flights WHERE id % 101 = ${round}`,
    `UPDATE movies SET "Title" = 'Übung ${round}: ' || ifnull("Title", 'no title'), "Director" = NULL WHERE id % 10 = ${round}`,
    `DELETE FROM movies WHERE "Director" IS NULL AND id % 7 = ${round}`,
    `UPDATE weather SET date = date || ' (${round})', wind = NULL WHERE rtrim(date, '0123456789') = '2014-0${round}-'`,
    `DELETE FROM airports WHERE state = ${round === 1 ? "'TX'" : "'CA'"}`,
    `UPDATE airports SET iata = iata || '-${round}', latitude = 9e999 WHERE state = ${round === 1 ? "'NY'" : "'FL'"}`,
    `DELETE FROM birdstrikes WHERE rowid % 13 = ${round}`,
    `INSERT INTO birdstrikes(${quoted(BIRD_COLUMNS[0] as string)}, ${quoted(BIRD_COLUMNS[1] as string)}) VALUES (9223372036854775807, '')`,
  ];
  // Not total_changes(), which counts what triggers do.
  const printed = sqlite3(
    file,
    'BEGIN',
    ...statements.flatMap((statement) => [statement, 'SELECT changes()']),
    'COMMIT',
  );
  return printed
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0);
}

it(
  'nothing of a real load is lost, doubled or altered, whoever changes it and whenever',
  { timeout: 120_000 + FLIGHTS },
  async () => {
    const dir = skillsFolder(SKILLS);
    const file = tempFile();
    const first = await openSkills({ file, dir, schema: SCHEMA });
    const began = performance.now();
    const loader = start('python3', ['-c', LOADER, file, DATA, String(FLIGHTS)]);
    const shell = start('sqlite3', ['-bail', file]);
    for (const table of ['airports', 'weather', 'birdstrikes']) shell.stdin?.write(importCsv(table));
    shell.stdin?.end();
    expect([await loader.ended, await shell.ended], loader.output + shell.output).toEqual([0, 0]);
    const loaded = performance.now();
    await first.db.flush();
    const handled = performance.now();

    const counts = {
      flights: FLIGHTS,
      movies: readJson('movies.json').length,
      weather: csvRows('weather.csv'),
      airports: csvRows('airports.csv'),
      birdstrikes: csvRows('birdstrikes.csv'),
    };
    const total = Object.values(counts).reduce((sum, count) => sum + count);
    for (const [table, count] of Object.entries(counts)) {
      expect(await first.scalar(`SELECT count(*) FROM ${table}`)).toBe(count);
      const trail = `FROM audit_trail WHERE table_name = '${table}'`;
      expect(
        await first.rows(
          `SELECT operation, source, count(*) AS n, count(DISTINCT row_id) AS keys ${trail} GROUP BY 1, 2`,
        ),
      ).toEqual([{ operation: 'INSERT', source: 'external', n: count, keys: count }]);
    }
    expect(await first.scalar("SELECT sum(new_values ->> 'delay') FROM audit_trail WHERE table_name = 'flights'")).toBe(
      await first.scalar('SELECT sum(delay) FROM flights'),
    );
    await expectExact(first);
    const hits = await first.db.skills.call<{ table: string; key: unknown }[]>(
      'search-index',
      'search',
      'land girls gramercy',
    );
    expect(hits).toMatchObject([{ table: 'movies', key: 1 }]);

    const whileItRuns = edit(file, 1);
    expect(whileItRuns).toBeGreaterThan(1000);
    await first.db.flush();
    expect(await first.scalar('SELECT count(*) FROM audit_trail')).toBe(total + whileItRuns);
    await expectExact(first);
    await first.db.close();

    const whileItDoesNot = edit(file, 2);
    const second = await openSkills({ file, dir });
    expect(await second.scalar('SELECT count(*) FROM audit_trail')).toBe(total + whileItRuns + whileItDoesNot);
    await expectExact(second);

    const rate = (ms: number): string => `${Math.round((total / ms) * 1000).toLocaleString('en')} rows/s`;
    console.log(
      `${total.toLocaleString('en')} rows: loaded by other programs in ${Math.round(loaded - began)} ms (${rate(loaded - began)}), ` +
        `indexed and in the trail ${Math.round(handled - loaded)} ms later (${rate(handled - began)} in all)`,
    );
  },
);
