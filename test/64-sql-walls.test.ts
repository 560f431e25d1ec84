/** SQL that would take the host's time or memory: what stops it, and that what is harmless still means the same. */
import { describe, expect, it } from 'vitest';
import { unboundedCall } from '../plugins/skills/amplifiers.ts';
import { loadSkill, skillHost } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { thrownBy, workClock } from './support.ts';

const SCHEMA = `
  CREATE TABLE a(id INTEGER PRIMARY KEY, x INTEGER, s TEXT COLLATE NOCASE, meta JSON);
  CREATE TABLE b(id INTEGER PRIMARY KEY, a_id INTEGER, y);
  CREATE INDEX b_a ON b(a_id);
  CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
  CREATE VIEW joined AS SELECT a.id, a.s, b.y FROM a JOIN b ON b.a_id = a.id;
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000)
    INSERT INTO a SELECT i, i % 7, 'Name ' || (i % 50), json_object('i', i) FROM n;
  INSERT INTO b SELECT id, id / 2, id * 1.5 FROM a;
  INSERT INTO w VALUES ('Name 1', 1), ('Name 2', 2);`;

const MAIN = `function query(text, ...) return glyphcase.query(text, ...) end
  function sql(text, ...) return glyphcase.execute(text, ...) end
  function lua(text) return load(text)() end`;

const TABLES = ['a', 'b', 'w', 'joined', 'mine'];

async function runner(limit = '200ms'): Promise<SkillHost> {
  const host = await skillHost({ schema: SCHEMA, lua: { limits: { time: '30s', memory: '64MB' } } });
  await loadSkill(host, 'demo', MAIN, {
    permissions: { database: { read: [...TABLES, '_capsule_events'], write: ['a', 'b', 'w'] } },
    limits: { time: limit },
  });
  return host;
}

const call = (host: SkillHost, fn: string, ...args: readonly unknown[]) => host.skills.call('demo', fn, ...args);

describe('a join without end', () => {
  it.each([
    ['query', 'SELECT count(*) FROM a p, a q, a r WHERE p.x + q.x + r.x = -1'],
    ['query', 'SELECT p.id FROM a p, a q, a r WHERE p.x + q.x + r.x = -1'],
    ['query', 'SELECT count(*) FROM a p JOIN b q ON p.id <> q.y JOIN a r ON r.id <> q.y WHERE p.rowid < 0 OR r.x < 0'],
    ['query', 'SELECT (SELECT count(*) FROM a q, b r WHERE q.x + r.y < p.x) AS n FROM a p ORDER BY 1'],
    ['query', 'SELECT count(*) FROM joined p, joined q, joined r WHERE p.y + q.y + r.y < 0'],
    ['query', 'SELECT count(*) FROM (SELECT * FROM a UNION ALL SELECT * FROM a) p, a q, a r WHERE p.x + q.x + r.x < 0'],
    ['query', 'WITH c AS (SELECT x FROM a) SELECT count(*) FROM c p, c q, c r WHERE p.x + q.x + r.x < 0'],
    ['query', "SELECT count(*) FROM a p, a q, json_each('[1,2,3]') r, a z WHERE p.x + q.x + z.x < 0"],
    ['sql', 'UPDATE a SET x = (SELECT count(*) FROM a q, b r, a z WHERE q.x + r.y + z.x < 0)'],
    ['sql', 'DELETE FROM a WHERE (SELECT count(*) FROM a q, b r, a z WHERE q.x + r.y + z.x < a.id - 5000)'],
    ['sql', 'INSERT INTO b(y) SELECT p.x FROM a p, a q, a r WHERE p.x + q.x + r.x < 0'],
  ])('%s stops with the time limit: %s', async (fn, text) => {
    const host = await runner();
    const before = host.db.value('SELECT sum(x) FROM a');
    const work = workClock();
    const error = await thrownBy(() => call(host, fn, text));
    expect(error).toMatchObject({ code: 'GC_LUA_TIME' });
    expect(work()).toBeLessThan(2000);
    // The host is alive, nothing was written, and the skill answers again.
    expect(host.db.value('SELECT sum(x) FROM a')).toBe(before);
    expect(host.db.sqlite.inTransaction).toBe(false);
    expect(await call(host, 'query', 'SELECT count(*) AS n FROM a')).toEqual([{ n: 2000 }]);
  });

  it.each([
    ['sql', 'CREATE TABLE mine AS SELECT p.x FROM a p, a q, a r'],
    ['query', 'SELECT count(*) FROM main.a p, main.a q'],
    ['query', 'SELECT p.*, p.rowid FROM a p, a q, a r'],
    ['query', "SELECT count(*) FROM json_each('[]') a, json_each('[]') b, json_each('[]') c"],
    ['query', 'WITH v(x) AS (VALUES (1), (2), (3)) SELECT count(*) FROM v a, v b, v c, v d'],
    ['query', 'WITH c AS MATERIALIZED (SELECT x FROM a) SELECT count(*) FROM c p, c q'],
  ])('%s is refused where it cannot be measured: %s', async (fn, text) => {
    const error = await thrownBy(async () => call(await runner(), fn, text));
    expect(error).toMatchObject({ code: 'GC_PERMISSION', message: expect.stringContaining('time cannot be limited') });
  });

  it('runs all the same for a skill that may run recursive queries', async () => {
    const host = await skillHost({ schema: SCHEMA });
    await loadSkill(host, 'demo', MAIN, { permissions: { database: { read: TABLES, recursive: true } } });
    const text = 'WITH v(x) AS (VALUES (1), (2), (3)) SELECT count(*) AS n FROM v a, v b, v c, main.w';
    expect(await call(host, 'query', text)).toEqual([{ n: 54 }]);
  });

  it('is refused in a condition of a row function', async () => {
    const host = await runner();
    const text = 'glyphcase.deleteWhere("a", "(SELECT count(*) FROM a q, b r, a z WHERE q.x + r.y + z.x < 0)")';
    await expect(call(host, 'lua', text)).rejects.toMatchObject({ code: 'GC_PERMISSION' });
    expect(
      await call(host, 'lua', 'return glyphcase.deleteWhere("b", "a_id IN (SELECT id FROM a WHERE x = 1)")'),
    ).toBeGreaterThan(1);
  });
});

describe('a join that ends', () => {
  it.each([
    'SELECT a.*, b.y FROM a JOIN b ON b.a_id = a.id WHERE a.x = 3 ORDER BY a.id, b.id',
    'SELECT a.id, b.id AS b FROM a LEFT JOIN b ON b.a_id = a.id AND b.y > 100 WHERE a.id < 50 ORDER BY 1, 2',
    'SELECT a.id, count(b.id) AS n FROM a LEFT JOIN b ON b.a_id = a.id GROUP BY a.id ORDER BY 2 DESC, 1 LIMIT 20',
    'SELECT a.rowid AS r, w.v FROM a JOIN w ON w.k = a.s WHERE a.rowid < 100 ORDER BY 1',
    'SELECT id, x, y FROM a NATURAL JOIN b WHERE id < 9 ORDER BY id',
    'SELECT a.rowid AS r, b.rowid AS s FROM a JOIN b ON b.a_id = a.rowid WHERE r < 9 ORDER BY 1, 2',
    "SELECT a.id, w.v FROM a JOIN w ON w.k = a.s WHERE a.s = 'name 1' ORDER BY 1",
    'SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id AND b.y > 2900) ORDER BY 1',
    'SELECT a.meta, j.value FROM a, json_each(a.meta) j, b WHERE b.id = a.id AND a.id < 5 ORDER BY a.id',
    'SELECT x.id FROM joined x JOIN a USING (id) WHERE a.x = 1 ORDER BY 1',
    'SELECT a.x AS x, sum(b.y) OVER (PARTITION BY a.x ORDER BY b.id) AS s FROM a JOIN b ON a.id = b.id ORDER BY b.id LIMIT 9',
    'WITH c AS (SELECT id FROM a WHERE x = 2) SELECT c.id, b.y FROM c JOIN b ON b.a_id = c.id ORDER BY 1, 2',
    'SELECT count(*) AS n FROM a FULL JOIN b ON a.id = b.a_id',
  ])('gives the same rows: %s', async (text) => {
    const host = await runner('20s');
    const rows = host.db
      .select(text)
      .map((row) => (typeof row['meta'] === 'object' ? { ...row, meta: JSON.stringify(row['meta']) } : row));
    const without = (row: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
    expect(await call(host, 'query', text)).toEqual(rows.map(without));
    expect(rows.length).toBeGreaterThan(0);
  });

  it.each([
    'SELECT row_number() OVER (ORDER BY x), lag(x) OVER (PARTITION BY s ORDER BY id) FROM a',
    'SELECT avg(x) OVER (ORDER BY id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM a',
    'SELECT x FROM a GROUP BY x HAVING count(*) > (SELECT avg(n) FROM (SELECT count(*) AS n FROM a GROUP BY x))',
    'SELECT a.id, t.n FROM a LEFT JOIN (SELECT a_id, count(*) AS n FROM b GROUP BY a_id) t ON t.a_id = a.id',
    'SELECT a.id, (SELECT count(*) FROM b WHERE b.a_id = a.id), (SELECT max(y) FROM b WHERE b.a_id = a.id) FROM a',
    'SELECT a.x, group_concat(DISTINCT b.y) FROM a JOIN b ON b.a_id = a.id JOIN w ON w.k = a.s GROUP BY a.x',
    'SELECT id FROM a UNION SELECT id FROM b EXCEPT SELECT v FROM w ORDER BY 1',
    'SELECT a.id FROM a JOIN b ON b.a_id = a.id WHERE a.x IN (1, 2) AND b.y IN (3, 4.5)',
    'SELECT j.value, k.value FROM a, json_each(json_array(json_array(a.x))) j, json_each(j.value) k',
    'UPDATE a SET x = (SELECT sum(y) FROM b WHERE b.a_id = a.id) WHERE id IN (SELECT a_id FROM b)',
    'DELETE FROM b WHERE NOT EXISTS (SELECT 1 FROM a WHERE a.id = b.a_id)',
    'DELETE FROM b WHERE a_id IN (1, 2, 3) AND y IN (SELECT x FROM a)',
  ])('needs no permission: %s', async (text) => {
    const host = await runner('20s');
    await expect(call(host, 'sql', text)).resolves.toBeDefined();
  });

  it('writes the same', async () => {
    const [metered, plain] = [await runner('20s'), await skillHost({ schema: SCHEMA })];
    for (const text of [
      'UPDATE a SET x = b.y FROM b WHERE b.a_id = a.id AND b.id % 3 = 0',
      'INSERT INTO w(k, v) SELECT a.s, count(*) FROM a JOIN b ON b.a_id = a.id GROUP BY a.s HAVING true ON CONFLICT(k) DO UPDATE SET v = v + excluded.v',
      'DELETE FROM b WHERE a_id IN (SELECT a.id FROM a JOIN w ON w.k = a.s WHERE w.v > 40)',
    ]) {
      await call(metered, 'sql', text);
      plain.run(text);
    }
    for (const table of ['a', 'b', 'w'])
      expect(metered.db.all(`SELECT * FROM ${table}`)).toEqual(plain.db.all(`SELECT * FROM ${table}`));
  });
});

describe('a result too large', () => {
  it('is left at 16 MiB, whatever the number of rows', async () => {
    const host = await runner('20s');
    await call(host, 'sql', 'CREATE TABLE mine(s TEXT)');
    await call(host, 'lua', 'for i = 1, 40 do glyphcase.insert("mine", { s = string.rep("x", 500000) }) end');
    const error = await thrownBy(() => call(host, 'query', 'SELECT s FROM mine'));
    expect(error).toMatchObject({ code: 'GC_BAD_ARGUMENT', message: expect.stringContaining('more than 16 MiB') });
    await expect(call(host, 'sql', "UPDATE mine SET s = s || 'y' RETURNING s")).rejects.toMatchObject({
      code: 'GC_BAD_ARGUMENT',
    });
    expect(host.db.value("SELECT count(*) FROM mine WHERE s LIKE '%y'")).toBe(0);
    expect(await call(host, 'query', 'SELECT length(s) AS n FROM mine LIMIT 1')).toEqual([{ n: 500_000 }]);
  });

  it('ends between rows when the time is over', async () => {
    const host = await runner('100ms');
    // One loop, so no meter: only the rows are counted.
    const text = 'SELECT length(replace(s, "e", s)) FROM a'.replaceAll('"', "'");
    expect(await call(host, 'query', text)).toHaveLength(2000);
    const slow = `SELECT ${Array.from({ length: 20 }, () => 'length(hex(randomblob(1000000)))').join(' + ')} AS n FROM a`;
    const work = workClock();
    await expect(call(host, 'query', slow)).rejects.toMatchObject({ code: 'GC_LUA_TIME' });
    expect(work()).toBeLessThan(3000);
  });
});

describe('a call that makes much out of little', () => {
  it.each([
    ['SELECT zeroblob(1e9)', 'zeroblob()'],
    ['SELECT hex(zeroblob(500000000))', 'zeroblob()'],
    ['SELECT "randomblob"(?)', 'randomblob()'],
    ['SELECT randomblob(10 * 1000000)', 'randomblob()'],
    ["SELECT printf('%.*c', 1000000000, 'x')", 'printf()'],
    ["SELECT format('%0100000d', 1)", 'format()'],
    ['SELECT printf(s, 1) FROM a', 'printf()'],
    ["SELECT printf('%' || '.*c', 1000000000, 'x')", 'printf()'],
    ['CREATE TABLE mine(x DEFAULT (zeroblob(1000000000)))', 'zeroblob()'],
  ])('is refused: %s', async (text, name) => {
    expect(unboundedCall(text)).toBe(name);
    const error = await thrownBy(async () => call(await runner(), 'sql', text));
    expect(error).toMatchObject({ code: 'GC_PERMISSION', message: expect.stringContaining(name) });
  });

  it.each([
    'SELECT hex(randomblob(16)) AS id',
    "SELECT printf('%.2f %-10s %5d 100%%', 1.5, 'x', 3) AS t",
    "SELECT format('%s', s) AS t FROM a LIMIT 1",
    'SELECT 1 AS format, 2 AS printf',
    "SELECT 'zeroblob(1e9)' AS t",
  ])('is allowed where its size can be seen: %s', async (text) => {
    expect(unboundedCall(text)).toBeUndefined();
    expect(await call(await runner(), 'query', text)).toHaveLength(1);
  });
});

describe('SQL too deep or too long', () => {
  it.each([
    ['SELECT '.repeat(1) + `${'('.repeat(5000)}1${')'.repeat(5000)}`, 'GC_SQL'],
    [`${'SELECT * FROM ('.repeat(1000)}SELECT 1${')'.repeat(1000)}`, 'GC_SQL'],
    [`SELECT ${Array.from({ length: 3000 }, () => '1').join(', ')}`, 'GC_SQL'],
    [Array.from({ length: 1000 }, () => 'SELECT 1').join(' UNION ALL '), 'GC_SQL'],
  ])('ends in an error of SQLite (%#)', async (text, code) => {
    const host = await runner('20s');
    await expect(call(host, 'query', text)).rejects.toMatchObject({ code });
    expect(await call(host, 'query', 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('takes a list of many thousand values', async () => {
    const list = Array.from({ length: 20_000 }, (_, index) => index).join(',');
    const host = await runner('20s');
    expect(await call(host, 'query', `SELECT count(*) AS n FROM a WHERE id IN (${list})`)).toEqual([{ n: 2000 }]);
  });
});

describe('SQL that the compiler would copy without end', () => {
  const nested = (levels: number, expression = 'x||x'): string => {
    let from = 'a';
    for (let level = 0; level < levels; level += 1) from = `(SELECT ${expression} AS x FROM ${from})`;
    return `SELECT x FROM ${from} LIMIT 1`;
  };
  const chained = (levels: number): string => {
    const parts = Array.from(
      { length: levels },
      (_, level) => `c${level}(x) AS NOT MATERIALIZED (SELECT x||x FROM ${level === 0 ? 'a' : `c${level - 1}`})`,
    );
    return `WITH ${parts.join(', ')} SELECT x FROM c${levels - 1} LIMIT 1`;
  };

  it.each([
    ['levels that double', nested(24)],
    ['fewer levels that quadruple', nested(12, 'x||x||x||x')],
    ['two columns that feed each other', nested(24, 'x||y AS y, y||x')],
    ['common table expressions', chained(24)],
    ['a condition over such levels', `SELECT 1 FROM (${nested(14)}) WHERE ${Array(40).fill('x = 1').join(' OR ')}`],
    ['an INSERT', `INSERT INTO a(s) ${nested(24)}`],
    ['a condition of an UPDATE', `UPDATE a SET s = (${nested(24)})`],
  ])('is refused before it is compiled: %s', async (_what, text) => {
    const host = await runner('20s');
    const work = workClock();
    await expect(call(host, 'sql', text)).rejects.toMatchObject({ code: 'GC_PERMISSION' });
    await expect(call(host, 'sql', text)).rejects.toThrow(/time cannot be limited.*"recursive": true/);
    expect(work()).toBeLessThan(1000);
  });

  it('is refused as a chain of views, whose parts are each small', async () => {
    const host = await skillHost({ schema: SCHEMA });
    const names = Array.from({ length: 24 }, (_, level) => `v${level}`);
    await loadSkill(host, 'demo', MAIN, { permissions: { database: { read: ['a'], schema: names } } });
    const make = async (): Promise<void> => {
      for (const [level, name] of names.entries()) {
        const from = level === 0 ? 'a' : `v${level - 1}`;
        await call(host, 'sql', `CREATE VIEW ${name} AS SELECT x||x AS x FROM ${from}`);
      }
    };
    await expect(make()).rejects.toMatchObject({ code: 'GC_PERMISSION' });
    expect(await call(host, 'query', 'SELECT x FROM v5 LIMIT 1')).toHaveLength(1);
  });

  it.each([
    ['a few levels', nested(6)],
    ['many levels that use a column once', nested(40, 'x')],
    [
      'a report',
      `WITH o AS (SELECT a.id, a.x, b.y FROM a JOIN b ON b.a_id = a.id WHERE a.x > 1 AND a.id < 1000),
         s AS (SELECT x, sum(y) AS total, count(*) AS n, min(y) AS low, max(y) AS high FROM o GROUP BY x),
         t AS (SELECT x, total, total / n AS mean, high - low AS spread FROM s)
       SELECT x, round(total, 2) AS total, round(mean, 2) AS mean FROM t WHERE mean > 0 UNION ALL SELECT 0, 1, 2`,
    ],
  ])('is no reason to refuse %s', async (_what, text) => {
    expect(await call(await runner('20s'), 'query', text)).not.toHaveLength(0);
  });
});
