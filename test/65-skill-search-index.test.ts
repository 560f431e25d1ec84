/** The skill search-index: what search finds is what the tables hold, whoever writes and whenever. */
import { describe, expect, it } from 'vitest';
import { detach, editManifest, manifestInReadme, openSkills, searchConfig, skillsFolder } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { python, sqlite3, until } from './support.ts';

const CUSTOMERS = 'CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, note TEXT, visits INTEGER);';

interface Hit {
  readonly table: string;
  readonly key: unknown;
  readonly snippet: string;
  readonly rank: number;
}

interface Open extends SkillHost {
  search(text: string, limit?: number): Promise<readonly Hit[]>;
  /** Keys of what is found, best first. */
  keys(text: string): Promise<unknown[]>;
  /** Resolves when the index is built and everything is handled. */
  ready(): Promise<void>;
}

async function open(
  options: { file?: string; dir?: string; schema?: string; settle?: boolean; manifest?: Json } = {},
): Promise<Open> {
  const { manifest, ...rest } = options;
  const host = await openSkills({ schema: CUSTOMERS, skills: { 'search-index': manifest ?? {} }, ...rest });
  const search = (text: string, ...args: number[]): Promise<readonly Hit[]> =>
    host.db.skills.call('search-index', 'search', text, ...args);
  return {
    ...host,
    search,
    keys: async (text) => (await search(text)).map(({ key }) => key),
    async ready() {
      for (let ready = false; !ready;) {
        await host.db.flush();
        host.healthy();
        ready = (await host.db.skills.call<{ ready: boolean }>('search-index', 'status')).ready;
      }
      await host.db.flush();
      host.healthy();
    },
  };
}

const OWN = ['search_index_rows', 'search_index_state'];

/** A manifest for other tables. */
const pointedAt = (
  sources: readonly { table: string; columns: readonly string[]; key: unknown }[],
  more: Json = {},
): Json => {
  const tables = sources.map(({ table }) => table);
  return {
    watches: tables,
    permissions: { database: { read: [...tables, ...OWN], write: OWN, schema: ['search_index'] } },
    config: searchConfig({ sources, table: 'search_index', tokenize: 'unicode61 remove_diacritics 2', ...more }),
  };
};

/** FTS5 checks itself, and every entry is the text of a row that is there. */
async function expectExact(host: Open): Promise<void> {
  await host.db.execute("INSERT INTO search_index(search_index) VALUES ('integrity-check')");
  const indexed = await host.rows(
    'SELECT r.key, i.text FROM search_index_rows r JOIN search_index i ON i.rowid = r.id ORDER BY r.key',
  );
  const held = await host.rows(
    "SELECT id AS key, ifnull(name, '') || iif(name IS NOT NULL AND note IS NOT NULL, char(10), '') || ifnull(note, '') AS text FROM customers ORDER BY id",
  );
  expect(indexed).toEqual(held);
  expect(await host.scalar('SELECT count(*) FROM search_index')).toBe(held.length);
}

describe('search', () => {
  it('refuses what is no text, and finds nothing for a text without words', async () => {
    const host = await open();
    await expect(host.search(undefined as never)).rejects.toMatchObject({ code: 'GC_LUA' });
    await expect(host.search(5 as never)).rejects.toThrow(/must be a string/);
    for (const text of ['', '   ', '-', '""', '" * "', '***']) expect(await host.search(text)).toEqual([]);
  });

  it('gives table, key, snippet and rank, best first, at most as many as asked for', async () => {
    const host = await open();
    await host.db.insertMany('customers', [
      { id: 10, name: 'Ada Lovelace', note: 'wrote the first program for the engine' },
      { id: 20, name: 'Charles Babbage', note: 'engine engine engine' },
      { id: 30, name: 'Grace Hopper', note: null },
    ]);
    await host.ready();
    const hits = await host.search('engine');
    expect(hits.map(({ table, key }) => [table, key])).toEqual([
      ['customers', 20],
      ['customers', 10],
    ]);
    expect(hits[0]?.snippet).toContain('[engine]');
    expect(hits[0]?.rank).toBeLessThan(hits[1]?.rank as number);
    expect(await host.search('engine', 1)).toHaveLength(1);
    expect(await host.search('nothing of it')).toEqual([]);
  });

  it('takes anything a person types: words, "phrases", beginnings, accents, and characters that mean something to FTS5', async () => {
    const host = await open();
    await host.db.insertMany('customers', [
      { id: 1, name: "José O'Brien-Müller", note: 'paid twice: "why?" AND (never) NEAR 50% off*' },
      { id: 2, name: '東京 太郎', note: 'never paid' },
    ]);
    await host.ready();
    expect(await host.keys("jose o'brien")).toEqual([1]);
    expect(await host.keys('muller')).toEqual([1]);
    expect(await host.keys('"never paid"')).toEqual([2]);
    expect(await host.keys('paid never')).toHaveLength(2);
    expect(await host.keys('twi*')).toEqual([1]);
    expect(await host.keys('twi')).toEqual([]);
    expect(await host.keys('東京')).toEqual([2]);
    for (const text of [
      'AND',
      'NOT paid',
      'a" OR "b',
      '(',
      'name:x',
      '^paid',
      "'; DROP TABLE customers",
      '{a b}:c',
      '"open',
      'NEAR(',
    ]) {
      expect(Array.isArray(await host.search(text))).toBe(true);
    }
    const raw = await host.db.skills.call<Hit[]>('search-index', 'match', 'twice OR taro OR 太郎');
    expect(raw.map(({ key }) => key).sort()).toEqual([1, 2]);
  });
});

describe('the index', () => {
  it('follows every insert, update and delete, its own and those of other programs', async () => {
    const host = await open();
    await host.db.insert('customers', { id: 1, name: 'Alice', note: 'likes tea' });
    sqlite3(host.file, "INSERT INTO customers(id, name, note) VALUES (2, 'Bob', 'likes coffee')");
    await host.ready();
    expect(await host.keys('likes')).toEqual([1, 2]);
    sqlite3(
      host.file,
      "UPDATE customers SET note = 'prefers coffee' WHERE id = 1",
      'UPDATE customers SET id = 9 WHERE id = 2',
    );
    await host.ready();
    expect(await host.keys('tea')).toEqual([]);
    expect((await host.keys('coffee')).sort()).toEqual([1, 9]);
    await host.db.delete('customers', 1);
    sqlite3(host.file, "INSERT OR REPLACE INTO customers(id, name) VALUES (9, 'Robert')");
    await host.ready();
    expect(await host.keys('coffee')).toEqual([]);
    expect(await host.keys('robert')).toEqual([9]);
    await expectExact(host);
    await host.db.execute('DELETE FROM customers');
    await host.ready();
    await expectExact(host);
  });

  it('leaves an entry alone when nothing that is indexed has changed', async () => {
    const host = await open();
    await host.db.insert('customers', { id: 1, name: 'Alice' });
    await host.ready();
    await host.db.execute("UPDATE search_index SET text = 'marked'");
    await host.db.update('customers', 1, { visits: 5 });
    await host.ready();
    expect(await host.keys('marked')).toEqual([1]);
    await host.db.update('customers', 1, { note: 'new' });
    await host.ready();
    expect(await host.keys('marked')).toEqual([]);
    await expectExact(host);
  });

  it('is built from the rows that are there, in steps, while others write', async () => {
    const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
      INSERT INTO customers(id, name, note) SELECT i * 2, 'name' || i, iif(i % 3, 'note ' || i, NULL) FROM n;`;
    const host = await open({ schema: CUSTOMERS + rows, settle: false });
    expect(await host.scalar('SELECT done FROM search_index_state')).toBe(0);
    python(
      `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
for i in range(1, 300):
    db.execute("UPDATE customers SET note = 'changed' WHERE id = ?", (20000 - i * 60,))
    db.execute("DELETE FROM customers WHERE id = ?", (i * 60 + 2,))
    db.execute("UPDATE customers SET id = ? WHERE id = ?", (-i if i % 2 else 30000 + i, i * 60 + 4))
    db.execute("INSERT INTO customers(id, name) VALUES (?, 'between')", (i * 60 + 1,))
    db.commit()
`,
      host.file,
    );
    await host.ready();
    await expectExact(host);
    expect(await host.search('between', 1000)).toHaveLength(299);
  });

  it('goes on where it was after a restart in the middle of the build, and catches up with what was written meanwhile', async () => {
    const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
      INSERT INTO customers(id, name, note) SELECT i, 'name' || i, 'note' FROM n;`;
    const first = await open({ schema: CUSTOMERS + rows, settle: false });
    await first.db.close();
    const state = (): { indexed: number; done: number } =>
      JSON.parse(
        sqlite3(first.file, "SELECT json_object('indexed', indexed, 'done', done) FROM search_index_state"),
      ) as { indexed: number; done: number };
    const before = state();
    expect(before.indexed).toBeGreaterThan(0);
    expect(before.done).toBe(0);
    sqlite3(
      first.file,
      "UPDATE customers SET note = 'late' WHERE id % 100 = 0",
      'DELETE FROM customers WHERE id % 100 = 1',
      "INSERT INTO customers(id, name) VALUES (20001, 'late')",
    );
    const second = await open({ file: first.file, dir: first.dir, schema: '' });
    await second.ready();
    await expectExact(second);
    expect(await second.search('late', 1000)).toHaveLength(201);
    // No row was indexed twice: those deleted meanwhile were indexed before, or never.
    const indexed = state().indexed;
    expect(indexed).toBeGreaterThanOrEqual(20000 - 200 + 1);
    expect(indexed).toBeLessThanOrEqual(20001);
  });

  it('is made anew when the config says something else, and only then', async () => {
    const first = await open({ schema: `${CUSTOMERS} INSERT INTO customers VALUES (1, 'Alice', 'tea', 3);` });
    await first.ready();
    await first.db.execute("UPDATE search_index SET text = 'marked'");
    await first.db.close();
    const same = await open({ file: first.file, dir: first.dir, schema: '' });
    await same.ready();
    expect(await same.keys('marked')).toEqual([1]);
    await same.db.close();
    editManifest(
      first.dir,
      'search-index',
      pointedAt([{ table: 'customers', columns: ['note', 'visits'], key: 'id' }]),
    );
    const other = await open({ file: first.file, dir: first.dir, schema: '' });
    await other.ready();
    expect(await other.keys('marked')).toEqual([]);
    expect(await other.keys('alice')).toEqual([]);
    expect(await other.keys('tea 3')).toEqual([1]);
  });

  it('covers several tables, with text keys, keys of several columns, and odd names', async () => {
    const host = await open({
      schema: `CREATE TABLE films(code TEXT PRIMARY KEY, title TEXT) WITHOUT ROWID;
        CREATE TABLE "order"(shop INTEGER, "no." TEXT COLLATE NOCASE, "what ""it"" is" TEXT, PRIMARY KEY (shop, "no."));
        INSERT INTO films VALUES ('7', 'Seven Samurai'), ('b2', 'Blade Runner');
        INSERT INTO "order" VALUES (1, 'a', 'samurai sword'), (9007199254740993, 'a', 'blade');`,
      manifest: pointedAt([
        { table: 'films', columns: ['title'], key: 'code' },
        { table: 'order', columns: ['what "it" is'], key: ['shop', 'no.'] },
      ]),
    });
    await host.ready();
    const found = async (text: string): Promise<unknown[]> =>
      (await host.search(text)).map(({ table, key }) => [table, key]).sort();
    expect(await found('samurai')).toEqual([
      ['films', '7'],
      ['order', [1, 'a']],
    ]);
    expect(await found('blade')).toEqual([
      ['films', 'b2'],
      ['order', [9007199254740993n, 'a']],
    ]);
    sqlite3(
      host.file,
      `UPDATE "order" SET "no." = 'A' WHERE shop = 1`,
      "DELETE FROM films WHERE code = 'b2'",
      `INSERT INTO "order" VALUES (2, 'b', 'samurai')`,
    );
    await host.ready();
    expect(await found('samurai')).toEqual([
      ['films', '7'],
      ['order', [1, 'A']],
      ['order', [2, 'b']],
    ]);
    expect(await found('blade')).toEqual([['order', [9007199254740993n, 'a']]]);
    expect(await host.scalar('SELECT count(*) FROM search_index')).toBe(4);
  });

  it('takes the tables that its README names', async () => {
    const host = await open({
      schema: `CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
        CREATE TABLE attachments(note_id INTEGER, number INTEGER, file_name TEXT, PRIMARY KEY (note_id, number));
        INSERT INTO notes VALUES (4, 'Walks', 'in the hills');`,
      manifest: manifestInReadme('search-index'),
    });
    sqlite3(host.file, "INSERT INTO attachments VALUES (4, 1, 'hills.png')");
    await host.ready();
    expect((await host.search('hill')).map(({ table, key }) => [table, key]).sort()).toEqual([
      ['attachments', [4, 1]],
      ['notes', 4],
    ]);
    expect(await host.keys('walking')).toEqual([4]);
  });

  it('is made anew after GlyphCase was taken out of the file, the table was changed, and GlyphCase was put back', async () => {
    const first = await open({
      schema: `${CUSTOMERS} INSERT INTO customers VALUES (1, 'Alice', 'tea', 3), (2, 'Bob', 'tea', 3);`,
    });
    await first.ready();
    await first.db.close();
    detach(first.file);
    sqlite3(first.file, 'DELETE FROM customers WHERE id = 1', "INSERT INTO customers(id, name) VALUES (3, 'Carol')");
    const second = await open({ file: first.file, dir: first.dir, schema: '' });
    await second.ready();
    await expectExact(second);
    expect(await second.keys('carol')).toEqual([3]);
  });

  it('is made anew when somebody asks for it', async () => {
    const host = await open({ schema: `${CUSTOMERS} INSERT INTO customers VALUES (1, 'Alice', 'tea', 3);` });
    await host.db.execute('DELETE FROM search_index_rows');
    await host.db.skills.call('search-index', 'rebuild');
    await host.ready();
    await expectExact(host);
  });

  it('says what is wrong with a config that names a column that is not there, and leaves the host alone', async () => {
    const host = await openSkills({ schema: CUSTOMERS });
    const dir = skillsFolder({ 'search-index': pointedAt([{ table: 'customers', columns: ['nmae'], key: 'id' }]) });
    const report = await host.db.skills.load(`${dir}/search-index`);
    expect(report.state).not.toBe('active');
    expect(report.reasons.join()).toContain('nmae');
    expect(await host.db.insert('customers', { name: 'still works' })).toBe(1);
  });

  it('waits for a table that is not there yet', async () => {
    const host = await openSkills({});
    const report = await host.db.skills.load(`${skillsFolder({ 'search-index': {} })}/search-index`);
    expect(report.state).toBe('waiting');
    sqlite3(host.file, CUSTOMERS, "INSERT INTO customers(name) VALUES ('early')");
    await host.db.flush();
    await until(() => host.db.skills.get('search-index')?.state === 'active');
    await host.db.flush();
    expect(await host.db.skills.call<Hit[]>('search-index', 'search', 'early')).toHaveLength(1);
  });
});
