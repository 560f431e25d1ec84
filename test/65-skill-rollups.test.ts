/** The skill rollups: at rest its results are what a full GROUP BY says, whoever wrote the rows, however, and whenever. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detach, editManifest, manifestInReadme, openSkills, skillsFolder } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { python, sqlite3, tempDir, thrownBy, until } from './support.ts';

const VISITS =
  'CREATE TABLE visits(id INTEGER PRIMARY KEY, at, page TEXT COLLATE NOCASE, kind, size, note TEXT); CREATE INDEX visits_at ON visits(at);';
const OWN = ['rollups_dirty', 'rollups_state'];

const VISIT_ROLLUP = {
  name: 'visits',
  table: 'visits',
  time: 'at',
  group: ['page', 'kind'],
  count: ['size'],
  sum: ['size'],
  avg: ['size'],
  min: ['size'],
  max: ['size'],
};

/** The manifest of a user who has these rollups. */
const kept = (...rollups: readonly Json[]): Json => {
  const tables = rollups.map(({ table }) => table);
  return {
    watches: tables,
    permissions: { database: { read: [...tables, ...OWN], write: OWN }, schedule: true },
    config: { type: 'object', properties: { rollups: { default: rollups } } },
  };
};

interface Open extends SkillHost {
  /** Resolves when everything is computed. */
  ready(): Promise<void>;
  logged(): string[];
}

async function open(options: Parameters<typeof openSkills>[0] = {}): Promise<Open> {
  const host = await openSkills({
    schema: VISITS,
    skills: { rollups: kept(VISIT_ROLLUP) },
    ...options,
  });
  return {
    ...host,
    async ready() {
      for (let round = 0, ready = false; !ready; round++) {
        if (round > 5000) throw new Error('the rollups do not come to rest');
        await host.db.flush();
        await new Promise((resolve) => setTimeout(resolve, 1));
        host.healthy();
        ready = (await host.db.skills.call<{ ready: boolean }>('rollups', 'status')).ready;
      }
    },
    logged: () => host.db.skills.logs('rollups').map(({ message }) => message),
  };
}

/** The hour as SQLite's own date functions and plain substrings have it. */
const HOUR = `CASE
  WHEN typeof(at) = 'text' AND at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:*' THEN replace(substr(at, 1, 13), 'T', ' ') || ':00'
  WHEN typeof(at) = 'text' AND at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' THEN at || ' 00:00'
  WHEN typeof(at) IN ('integer', 'real') AND at >= 100000000000 AND at < 253402300800000 THEN strftime('%Y-%m-%d %H:00', floor(at / 1000.0), 'unixepoch')
  WHEN typeof(at) IN ('integer', 'real') AND at < 100000000000 AND at >= -30610224000 THEN strftime('%Y-%m-%d %H:00', floor(at), 'unixepoch')
  END`;

/** All results afresh from the rows, in the order of {@link results}. */
const truth = (period: 'hour' | 'day'): string => `
  SELECT '${period}' AS period, ${period === 'day' ? 'substr(hour, 1, 10)' : 'hour'} AS bucket, page COLLATE BINARY AS page, kind,
    count(*) AS rows, sum(size) AS sum_size, avg(size) AS avg_size, count(size) AS count_size, min(size) AS min_size, max(size) AS max_size
  FROM (SELECT *, ${HOUR} AS hour FROM visits) WHERE hour IS NOT NULL GROUP BY bucket, page COLLATE BINARY, kind`;

async function expectExact(host: Open): Promise<void> {
  await host.ready();
  const order = (sql: string): string =>
    `SELECT * FROM (${sql}) ORDER BY period, bucket, page COLLATE BINARY, typeof(kind), kind`;
  const held = await host.rows(
    order(
      'SELECT period, bucket, page, kind, rows, sum_size, avg_size, count_size, min_size, max_size FROM rollup_visits',
    ),
  );
  expect(held).toEqual(await host.rows(order(`${truth('hour')} UNION ALL ${truth('day')}`)));
}

describe('rollups refuses', () => {
  it.each([
    [{ ...VISIT_ROLLUP, name: 'Not a name' }, 'name'],
    [{ name: 'x', table: 'visits' }, 'time'],
  ])('the config %j', async (rollup, why) => {
    const manifest = { watches: ['visits'], permissions: kept(VISIT_ROLLUP)['permissions'] };
    const configs = { rollups: { rollups: [rollup] } };
    const host = await openSkills({
      schema: VISITS,
      options: { skills: { dir: tempDir(), watch: false, configs } },
    });
    const { state, reasons } = await host.db.skills.load(`${skillsFolder({ rollups: manifest })}/rollups`);
    expect(state).toBe('failed');
    expect(reasons.join()).toContain(why);
  });

  it.each([
    [[VISIT_ROLLUP, VISIT_ROLLUP], 'config.rollups names "visits" twice'],
    [[{ ...VISIT_ROLLUP, group: ['rows'] }], 'cannot be grouped by a column called rows'],
  ])('names that clash', async (rollups, why) => {
    const host = await openSkills({ schema: VISITS });
    const dir = skillsFolder({ rollups: kept(...rollups) });
    expect((await host.db.skills.load(`${dir}/rollups`)).reasons.join()).toContain(why);
  });

  it('a rollup of what is not there or not granted, with a line in the log; the others work', async () => {
    const host = await open({
      schema: `${VISITS} CREATE TABLE secrets(id INTEGER PRIMARY KEY, at)`,
      skills: {
        rollups: {
          ...kept(
            VISIT_ROLLUP,
            { ...VISIT_ROLLUP, name: 'misspelt', sum: ['sise'] },
            { name: 's', table: 'secrets', time: 'at' },
          ),
          watches: ['visits'],
          permissions: { database: { read: ['visits', ...OWN], write: OWN }, schedule: true },
        },
      },
    });
    await host.db.insert('visits', { at: 5, size: 1 });
    await expectExact(host);
    expect(host.logged()).toEqual([
      expect.stringMatching(/^misspelt: .*no such column: visits\.sise/),
      expect.stringMatching(/^s: .*"read": \["secrets"\]/),
    ]);
  });
});

const times = fc.oneof(
  fc.integer({ min: 1_700_000_000, max: 1_700_020_000 }),
  fc.integer({ min: 1_700_000_000_000, max: 1_700_020_000_000 }),
  fc.constantFrom<unknown>(
    ...[1_700_003_599.5, 1_700_003_600, 1_700_003_599_999.5, 1_700_002_800_000, 99_999_999_999, 100_000_000_000, -1, 0],
    ...[
      '2023-11-14 22:13:20',
      '2023-11-14T22:59:59.999Z',
      '2023-11-14',
      '2023-11-15 00:00:00',
      '2023-11-14T22',
      '2023-11-14 23:',
    ],
    ...[
      '2023-02-31 10:00:00',
      '2023-03-03 10:00:00',
      '2023-11-14 24:30:00',
      '2023-11-14 22:30:00+05:00',
      'soon',
      '',
      '12',
      null,
    ],
    ...[Buffer.from('2023-11-14 22:13:20'), Infinity, -Infinity, 1e300],
  ),
);
const row = fc.record({
  at: times,
  page: fc.constantFrom(null, 'a', 'A', 'b'),
  kind: fc.constantFrom<unknown>(null, 0, 1, '1', 'x'),
  size: fc.constantFrom(null, 0, 1, 2, 3, -7, 1000),
});
const id = fc.integer({ min: 1, max: 12 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), id, row }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('change' as const), id, row }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resize' as const), id, size: fc.constantFrom(null, 5, 6) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rest' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(host: Open, one: Step): Promise<void> {
  const { db } = host;
  if (one.do === 'put') {
    const { at, page, kind, size } = one.row;
    await db.execute('INSERT OR REPLACE INTO visits(id, at, page, kind, size) VALUES (?, ?, ?, ?, ?)', [
      one.id,
      at,
      page,
      kind,
      size,
    ]);
  } else if (one.do === 'change') await db.update('visits', one.id, one.row);
  else if (one.do === 'resize') await db.update('visits', one.id, { size: one.size });
  else if (one.do === 'remove') await db.delete('visits', one.id);
  else if (one.do === 'clear') await db.execute('DELETE FROM visits');
  else if (one.do === 'flush') await db.flush();
  else await expectExact(host);
}

describe('rollups', () => {
  it('is exact after any history of writes', async () => {
    const host = await open();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        await host.db.execute('DELETE FROM visits');
        for (const one of steps) await take(host, one);
        await expectExact(host);
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('is exact after any history that others wrote while no host ran', async () => {
    const first = await open();
    await first.db.insert('visits', { id: 1, at: 1_700_000_000, page: 'a', size: 5 });
    await first.ready();
    await first.db.close();
    const { file, dir } = first;
    for (let round = 0; round < 3; round++) {
      const [steps = []] = fc.sample(fc.array(step, { minLength: 20, maxLength: 40 }), { numRuns: 1, seed: round });
      const literal = (value: unknown): string =>
        value === null
          ? 'NULL'
          : value === Infinity
            ? '9e999'
            : value === -Infinity
              ? '-9e999'
              : Buffer.isBuffer(value)
                ? `x'${value.toString('hex')}'`
                : typeof value === 'string'
                  ? `'${value}'`
                  : String(Number(value));
      const statements = steps.flatMap((one) => {
        if (one.do === 'put')
          return `INSERT OR REPLACE INTO visits(id, at, page, kind, size) VALUES (${[one.id, ...Object.values(one.row)].map(literal).join()})`;
        if (one.do === 'change')
          return `UPDATE visits SET ${Object.entries(one.row)
            .map(([name, value]) => `${name} = ${literal(value)}`)
            .join()} WHERE id = ${one.id}`;
        return one.do === 'remove' ? `DELETE FROM visits WHERE id = ${one.id}` : [];
      });
      sqlite3(file, ...statements);
      const next = await open({ file, dir, schema: '' });
      await expectExact(next);
      expect(await next.scalar('SELECT count(*) FROM rollup_visits')).not.toBe(0);
      await next.db.close();
    }
  }, 60_000);

  it('is exact while another program writes', async () => {
    const host = await open();
    python(
      `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
for i in range(200):
    db.execute("INSERT INTO visits(at, page, size) VALUES (?, ?, ?)", (1700000000 + i * 60, "ab"[i % 2], i))
    if i % 3 == 0: db.execute("UPDATE visits SET at = at + 3600 WHERE id = ?", (i // 2,))
    if i % 5 == 0: db.execute("DELETE FROM visits WHERE id = ?", (i // 3,))
    db.commit()
`,
      host.file,
    );
    await expectExact(host);
  });

  it('computes what was there before it in steps, goes on after a restart, and follows changes meanwhile', async () => {
    const many = `${VISITS} WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
      INSERT INTO visits(at, page, size) SELECT 1700000000 + i * 700, char(97 + i % 3), i FROM n;`;
    const first = await open({ schema: many, settle: false });
    expect((await first.db.skills.call<{ ready: boolean }>('rollups', 'status')).ready).toBe(false);
    await first.db.execute('UPDATE visits SET size = size + 1 WHERE id % 100 = 0');
    await first.db.close();
    sqlite3(first.file, 'DELETE FROM visits WHERE id % 50 = 1');
    const second = await open({ file: first.file, dir: first.dir, schema: '', settle: false });
    await second.db.execute('DELETE FROM visits WHERE id > 9000');
    await expectExact(second);
  }, 60_000);

  it('writes only what differs, so that whoever watches the results sees no noise', async () => {
    const host = await open();
    await host.db.insertMany('visits', [
      { id: 1, at: 1_700_000_000, page: 'a', kind: 1, size: 5 },
      { id: 2, at: 1_700_000_001, page: 'b', kind: 1, size: 5 },
    ]);
    await host.ready();
    const seen: string[] = [];
    host.db.subscribe(host.db.watch('rollup_visits'), (events) => {
      for (const { operation, newData } of events)
        seen.push(`${operation} ${String(newData?.['period'])} ${String(newData?.['page'])}`);
    });
    await host.db.update('visits', 1, { note: 'no column of the rollup' });
    await host.ready();
    expect(seen).toEqual([]);
    await host.db.update('visits', 1, { size: 6 });
    await host.ready();
    expect(seen).toEqual(['UPDATE hour a', 'UPDATE day a']);
  });

  it('computes an hour once for many changes', async () => {
    const host = await open();
    let writes = 0;
    host.db.subscribe(host.db.watch('rollup_visits'), (events) => void (writes += events.length));
    await host.db.insertMany(
      'visits',
      Array.from({ length: 5000 }, (_, index) => ({
        at: 1_700_000_000 + (index % 600),
        page: 'a',
        kind: 1,
        size: index,
      })),
    );
    await expectExact(host);
    expect(writes).toBeLessThan(30);
  });

  it('takes fifty thousand rows of one transaction', async () => {
    const host = await open();
    await host.db.execute(
      `INSERT INTO visits(at, page, size) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
       SELECT 1700000000 + i % 9000, char(97 + i % 3), i FROM n`,
    );
    await expectExact(host);
  }, 20_000);

  it.each([
    ['half way', '(1699990000), (1700000000)'],
    ['at its first change', '(1700000000), (1699990000)'],
  ])('is exact when a transaction failed %s and comes again', async (_where, values) => {
    const host = await open();
    await host.ready();
    const stop = "WHEN NEW.hour LIKE '%22:00' BEGIN SELECT RAISE(ABORT, 'stop'); END";
    await host.db.execute(`CREATE TRIGGER stop BEFORE INSERT ON rollups_dirty ${stop}`);
    await host.db.execute(`INSERT INTO visits(at) VALUES ${values}`);
    await host.db.flush();
    expect(host.db.skills.get('rollups')?.failures).toBe(1);
    await host.db.execute('DROP TRIGGER stop');
    await until(() => host.db.skills.get('rollups')?.failures === 0);
    await expectExact(host);
    expect(await host.scalar('SELECT count(*) FROM rollup_visits')).toBe(3);
  });

  it('reads one hour by the index on the time, not the table', async () => {
    const host = await open();
    const [, condition = ''] = /\[\[(\(\(#[^]*?)\]\]/.exec(readFileSync('skills/rollups/hours.lua', 'utf8')) ?? [];
    const sql = condition.replaceAll('#', 'visits.at').replaceAll(/:\w+/g, '?');
    const plan = await host.rows<{ detail: string }>(
      `EXPLAIN QUERY PLAN SELECT 1 FROM visits WHERE ${sql}`,
      ...Array(9).fill(1),
    );
    expect(plan.map(({ detail }) => detail).join('\n')).toContain('INDEX visits_at (at>? AND at<?)');
    expect(plan.map(({ detail }) => detail).join('\n')).not.toContain('SCAN');
  });

  it('goes on with the other hours when one cannot be computed', async () => {
    const host = await open();
    const big = '9223372036854775807';
    await host.db.execute(`INSERT INTO visits(at, size) VALUES (0, ${big}), (1, ${big}), (7200, 1)`);
    await host.ready();
    expect(host.logged().join()).toMatch(/visits, 1970-01-01 00:00: .*integer overflow/);
    expect(await host.rows('SELECT bucket, rows FROM rollup_visits')).toEqual([
      { bucket: '1970-01-01 02:00', rows: 1 },
      { bucket: '1970-01-01', rows: 1 },
    ]);
  });

  it('is made anew when its config changes, and by rebuild', async () => {
    const first = await open();
    await first.db.insert('visits', { at: 1_700_000_000, page: 'a', kind: 1, size: 5 });
    await first.ready();
    editManifest(first.dir, 'rollups', kept({ name: 'visits', table: 'visits', time: 'AT', max: ['size'] }));
    await first.db.skills.reload('rollups');
    await first.db.insert('visits', { at: 1_700_000_001, size: 9 });
    await first.ready();
    expect(await first.rows("SELECT * FROM rollup_visits WHERE period = 'hour'")).toEqual([
      expect.objectContaining({ bucket: '2023-11-14 22:00', rows: 2, max_size: 9 }),
    ]);
    await first.db.execute('UPDATE rollup_visits SET rows = 77');
    await first.db.skills.call('rollups', 'rebuild');
    await first.ready();
    expect(await first.rows('SELECT rows FROM rollup_visits')).toEqual([{ rows: 2 }, { rows: 2 }]);
    expect((await thrownBy(() => first.db.skills.call('rollups', 'rebuild', 'x'))).message).toContain('no rollup x');
  });

  it('is made anew after GlyphCase was detached, when its old results are dropped', async () => {
    const first = await open();
    await first.db.insert('visits', { id: 1, at: 1_700_000_000 });
    await first.ready();
    await first.db.close();
    detach(first.file);
    sqlite3(first.file, 'UPDATE visits SET at = 1600000000', 'DROP TABLE rollup_visits');
    await expectExact(await open({ file: first.file, dir: first.dir, schema: '' }));
  });

  it('waits for its table as it comes', async () => {
    const host = await openSkills({});
    const { state, reasons } = await host.db.skills.load(`${skillsFolder({ rollups: {} })}/rollups`);
    expect([state, ...reasons]).toEqual(['waiting', expect.stringContaining('events')]);
  });

  it('serves the tables that the README shows', async () => {
    const host = await open({
      schema:
        'CREATE TABLE orders(id INTEGER PRIMARY KEY, placed_at TEXT, country TEXT, total INTEGER); CREATE TABLE requests(id INTEGER PRIMARY KEY, at INTEGER, ms REAL)',
      skills: { rollups: manifestInReadme('rollups') },
    });
    await host.db.insert('orders', { placed_at: '2026-01-15 10:30:00', country: 'DE', total: 5 });
    await host.db.insert('orders', { placed_at: '2026-01-15 11:30:00', country: 'DE', total: 7 });
    await host.db.insert('requests', { at: 1_700_000_000_000, ms: 1.5 });
    await host.ready();
    expect(await host.rows("SELECT bucket, country, rows, sum_total FROM rollup_orders WHERE period = 'day'")).toEqual([
      { bucket: '2026-01-15', country: 'DE', rows: 2, sum_total: 12 },
    ]);
    expect(await host.rows("SELECT avg_ms, max_ms FROM rollup_requests WHERE period = 'day'")).toEqual([
      { avg_ms: 1.5, max_ms: 1.5 },
    ]);
  });
});
