/** The skill retention: what is surely too old goes, a few rows at a time; everything else stays, whatever the clock says. */
import { beforeEach, describe, expect, it } from 'vitest';
import { wallClock, DAY, HOUR, MINUTE, SECOND, START } from './62-scheduler-support.ts';
import type { WallClock } from './62-scheduler-support.ts';
import { detach, manifestInReadme, openSkills, skillsFolder } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { sqlite3, thrownBy } from './support.ts';

const EVENTS = 'CREATE TABLE events(id INTEGER PRIMARY KEY, at, kind TEXT);';
const MANY = `${EVENTS} WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 80000) INSERT INTO events SELECT i, i, NULL FROM n`;
const OWN = ['retention_log', 'retention_state'];

let clock: WallClock;
beforeEach(() => {
  clock = wallClock();
});

/** The manifest of a user who has these rules. */
const ruled = (rules: readonly Json[], more: Json = {}, tables = rules.map(({ table }) => table)): Json => ({
  permissions: { database: { read: [...tables, ...OWN], write: [...tables, ...OWN] }, schedule: true },
  config: { type: 'object', properties: { rules: { default: rules }, every: { default: '1h' }, ...more } },
});
const RULE = { table: 'events', column: 'at', keep: '30d', batch: 1000 };

interface Open extends SkillHost {
  /** Lets time pass, and what falls due run. */
  pass(ms: number): Promise<void>;
  /** The first look, which removes nothing, and the one after it. */
  sweep(): Promise<void>;
  ids(table?: string): Promise<unknown[]>;
  logged(): string[];
}

async function open(options: Parameters<typeof openSkills>[0]): Promise<Open> {
  const host = await openSkills({ ...options, options: { clock, ...options.options } });
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await host.db.flush();
    host.healthy();
  };
  return {
    ...host,
    pass,
    async sweep() {
      await pass(HOUR);
      await pass(HOUR);
    },
    ids: async (table = 'events') => (await host.rows(`SELECT id FROM ${table} ORDER BY id`)).map(({ id }) => id),
    logged: () => host.db.skills.logs('retention').map(({ message }) => message),
  };
}

const withRule = (rule: Json = {}, schema = EVENTS): Promise<Open> =>
  open({ schema, skills: { retention: ruled([{ ...RULE, ...rule }]) } });

const iso = (ms: number): string => new Date(ms).toISOString();

describe('retention refuses', () => {
  it.each([
    [{ keep: 'a month' }, '"a month" is no duration'],
    [{ keep: '0d' }, '"0d" is no duration'],
    [{ keep: '-1d' }, '"-1d" is no duration'],
  ])('the rule %j', async (rule, why) => {
    const { db } = await open({ schema: EVENTS });
    const { state, reasons } = await db.skills.load(
      `${skillsFolder({ retention: ruled([{ ...RULE, ...rule }]) })}/retention`,
    );
    expect(state).toBe('failed');
    expect(reasons.join()).toContain('config.rules[1]');
    expect(reasons.join()).toContain(why);
  });

  it('tables that its manifest does not name: it says which line is missing, and the other rules go on', async () => {
    const others = { table: 'payments', column: 'at', keep: '1d', batch: 10 };
    const host = await open({
      schema: `${EVENTS} CREATE TABLE payments(id INTEGER PRIMARY KEY, at); INSERT INTO payments VALUES (1, 1); INSERT INTO events VALUES (1, 1, 'x')`,
      skills: { retention: ruled([others, RULE], {}, ['events']) },
    });
    expect(host.logged().join()).toMatch(/payments.at 1d: .*"read": \["payments"\]/);
    await host.sweep();
    expect(await host.ids('payments')).toEqual([1]);
    expect(await host.ids()).toEqual([]);
  });
});

describe('retention removes', () => {
  it('rows whose time is too long ago, in seconds, milliseconds, ISO text or any mixture of them, and no others', async () => {
    const host = await withRule();
    // Of the look that removes.
    const limit = START + 2 * HOUR - 30 * DAY;
    const old = [
      limit / 1000 - 1,
      limit / 1000 - 0.5,
      1,
      limit - 1,
      200_000_000_000,
      iso(limit - SECOND),
      iso(limit - SECOND)
        .replace('T', ' ')
        .slice(0, 19),
      iso(limit - DAY).slice(0, 10),
      iso(limit + 2 * HOUR - SECOND).replace('Z', '+02:00'),
      '0099-01-01',
    ];
    const kept = [
      limit / 1000,
      limit,
      (START + DAY) / 1000,
      iso(limit),
      iso(limit - 2 * HOUR).replace('Z', '-02:00'),
      iso(limit + DAY).slice(0, 10),
      null,
      0,
      -5,
      '',
      'long ago',
      '1',
      '2001',
      '12:00',
      '2001-99-99',
      'now',
      Buffer.from('2001-01-01'),
      Infinity,
    ];
    for (const at of [...old, ...kept]) await host.db.execute('INSERT INTO events(at) VALUES (?)', [at]);
    await host.sweep();
    expect(await host.ids()).toEqual(kept.map((_, index) => old.length + index + 1));
    expect(host.logged()).toContain(`events.at 30d: removed ${old.length} rows`);
  });

  it.each(['INTEGER', 'TEXT', 'REAL', 'DATETIME', 'BLOB'])('from a column declared %s', async (type) => {
    const host = await withRule({}, `CREATE TABLE events(id INTEGER PRIMARY KEY, at ${type})`);
    const { db } = host;
    await db.execute("INSERT INTO events VALUES (1, '2001-02-03'), (2, '2026-01-14'), (3, NULL), (4, '12'), (5, 'x')");
    await db.execute('INSERT INTO events VALUES (6, 1700000000), (7, 1768000000)');
    await host.sweep();
    // A text column makes '1700000000' of the number, and that is no date; a numeric one makes 12 of the text, a time in 1970.
    const numeric = type !== 'TEXT';
    expect(await host.ids()).toEqual(
      [2, 3, ...(numeric && type !== 'BLOB' ? [] : [4]), 5, ...(numeric ? [] : [6]), 7].sort(),
    );
  });

  it('only rows that the rule’s condition is true for', async () => {
    const host = await withRule({ where: "kind = 'debug' OR kind IS NULL -- not errors" });
    await host.db.execute("INSERT INTO events VALUES (1, 1, 'debug'), (2, 1, 'error'), (3, 1, NULL)");
    await host.sweep();
    expect(await host.ids()).toEqual([2]);
  });

  it('rows of tables without rowid, by the key that the rule names', async () => {
    const schema = 'CREATE TABLE events(id TEXT, n INTEGER, at, PRIMARY KEY (id, n)) WITHOUT ROWID';
    const host = await withRule({ key: ['id', 'n'] }, schema);
    await host.db.execute("INSERT INTO events VALUES ('a', 1, 1), ('a', 2, NULL), ('b', 1, 1)");
    await host.sweep();
    expect(await host.rows('SELECT id, n FROM events')).toEqual([{ id: 'a', n: 2 }]);
  });

  it('eighty thousand rows in many short transactions, and logs one line', async () => {
    const host = await withRule({ batch: 500 }, MANY);
    await host.pass(HOUR);
    const sizes = new Map<string, number>();
    const count = (events: readonly { readonly transactionId: string }[]): void => {
      for (const { transactionId } of events) sizes.set(transactionId, (sizes.get(transactionId) ?? 0) + 1);
    };
    host.db.subscribe(host.db.watch('events'), count);
    await host.pass(HOUR);
    for (let step = 0; step < 400 && (await host.scalar('SELECT count(*) FROM events')) !== 0; step++)
      await host.pass(250);
    expect(await host.scalar('SELECT count(*) FROM events')).toBe(0);
    expect(await host.scalar('SELECT sum(removed) FROM retention_log')).toBe(80_000);
    expect(host.logged().filter((line) => line.includes('rows'))).toEqual(['events.at 30d: removed 80000 rows']);
    expect(sizes.size).toBeGreaterThan(3);
    expect(Math.max(...sizes.values())).toBeLessThan(40_000);
  }, 60_000);

  it('what other rules name even when one of them fails again and again', async () => {
    const host = await open({
      schema: `${EVENTS} CREATE TABLE parents(id INTEGER PRIMARY KEY, at); CREATE TABLE children(parent REFERENCES parents(id));
        INSERT INTO parents VALUES (1, 1); INSERT INTO children VALUES (1); INSERT INTO events VALUES (1, 1, 'x')`,
      skills: { retention: ruled([{ ...RULE, table: 'parents' }, RULE]) },
    });
    await host.sweep();
    expect(await host.ids()).toEqual([]);
    expect(await host.ids('parents')).toEqual([1]);
    expect(host.logged().join()).toMatch(/parents\.at 30d: .*FOREIGN KEY/);
  });
});

describe('retention', () => {
  it('does nothing as it comes, and says so', async () => {
    const host = await open({ schema: `${EVENTS} INSERT INTO events VALUES (1, 1, 'x')`, skills: { retention: {} } });
    await host.pass(3 * HOUR);
    expect(await host.ids()).toEqual([1]);
    expect(host.logged()).toEqual(['no rules are configured, nothing is removed; README.md shows how']);
    expect(await host.scalar('SELECT count(*) FROM _scheduler_jobs')).toBe(0);
  });

  it('serves the tables that the README shows, also by the host’s options', async () => {
    const schema =
      'CREATE TABLE sessions(id INTEGER PRIMARY KEY, last_seen, kept INTEGER); CREATE TABLE events(id INTEGER PRIMARY KEY, created_at TEXT);';
    const manifest = manifestInReadme('retention');
    const host = await open({ schema, skills: { retention: manifest } });
    await host.db.execute('INSERT INTO sessions VALUES (1, 1, 0), (2, 1, 1)');
    await host.db.execute("INSERT INTO events VALUES (1, '2025-09-01 10:00:00'), (2, '2025-12-01 10:00:00')");
    await host.sweep();
    expect([await host.ids('sessions'), await host.ids()]).toEqual([[2], [2]]);

    const other = await open({
      schema,
      skills: { retention: { permissions: manifest['permissions'] } },
      options: {
        skills: {
          dir: skillsFolder({ retention: { permissions: manifest['permissions'] } }),
          configs: { retention: { rules: [{ table: 'events', column: 'created_at', keep: '1d' }] } },
        },
      },
    });
    await other.db.execute("INSERT INTO events VALUES (1, '2025-12-01 10:00:00')");
    await other.sweep();
    expect(await other.ids()).toEqual([]);
  });

  it('says what it would remove', async () => {
    const host = await withRule();
    await host.db.execute("INSERT INTO events VALUES (1, 1, 'x'), (2, NULL, 'x'), (3, 2, 'x')");
    expect(await host.db.skills.call('retention', 'preview')).toEqual([{ rule: 'events.at 30d', expired: 2 }]);
    expect(await host.ids()).toEqual([1, 2, 3]);
  });

  it('writes down per day how much each rule removed', async () => {
    const host = await withRule();
    await host.db.execute("INSERT INTO events VALUES (1, 1, 'x')");
    await host.sweep();
    await host.db.execute("INSERT INTO events VALUES (1, 1, 'x'), (2, 1, 'x')");
    await host.pass(HOUR);
    expect(await host.rows('SELECT * FROM retention_log')).toEqual([
      { day: '2026-01-15', rule: 'events.at 30d', removed: 3, last_at: '2026-01-15 15:00:00' },
    ]);
  });

  it('finds old rows by an index on the column, of numbers and of texts', async () => {
    const host = await withRule({}, `${EVENTS} CREATE INDEX events_at ON events(at);`);
    const plan = await host.rows<{ detail: string }>(
      `EXPLAIN QUERY PLAN SELECT 1 FROM events WHERE ((events.at > 0 AND events.at < 5 AND typeof(events.at) IN ('integer', 'real'))
        OR (events.at >= 100000000000 AND events.at < 7 AND typeof(events.at) IN ('integer', 'real'))
        OR (events.at >= '0000-' AND events.at < '2025' AND typeof(events.at) = 'text'))`,
    );
    expect(plan.map(({ detail }) => detail).join('\n')).not.toContain('SCAN');
  });

  it('takes a table that comes later', async () => {
    const host = await open({ schema: '', skills: { retention: ruled([RULE]) } });
    expect(host.logged().join()).toContain('events');
    sqlite3(host.file, EVENTS, "INSERT INTO events VALUES (1, 1, 'x')");
    await host.sweep();
    expect(await host.ids()).toEqual([]);
  });

  describe('and the clock', () => {
    const OLD = `${EVENTS} INSERT INTO events VALUES (1, 1, 'x')`;

    it('removes nothing in its first look', async () => {
      const host = await withRule({}, OLD);
      await host.pass(HOUR);
      expect(await host.ids()).toEqual([1]);
      expect(host.logged()).toContain('first look; nothing is removed before the next one, in 1h');
      await host.pass(HOUR);
      expect(await host.ids()).toEqual([]);
    });

    it('removes nothing when the clock has leapt, and nothing at all when it is set right before the next look', async () => {
      const host = await withRule();
      await host.sweep();
      await host.db.execute('INSERT INTO events VALUES (1, ?, NULL)', [clock.now() / 1000 - 60]);
      clock.jump(400 * DAY);
      await host.pass(50 * MINUTE);
      expect(host.logged().at(-1)).toContain('the clock has moved by 400.0 days since the last look');
      clock.jump(-400 * DAY);
      await host.pass(3 * HOUR);
      expect(await host.ids()).toEqual([1]);
      expect(host.logged().at(-1)).toContain('the clock has moved by -');
    });

    it('goes on when the host was away for a week: the second look removes', async () => {
      const first = await withRule({}, OLD);
      await first.pass(HOUR);
      await first.db.close();
      clock = wallClock(START + 7 * DAY);
      const second = await open({ file: first.file, dir: first.dir });
      await second.pass(SECOND);
      expect(await second.ids()).toEqual([1]);
      await second.pass(HOUR);
      expect(await second.ids()).toEqual([]);
    });

    it('goes on with a backlog after a restart', async () => {
      const first = await withRule({}, MANY);
      await first.pass(HOUR);
      await clock.advance(HOUR);
      const left = (await first.scalar('SELECT count(*) FROM events')) as number;
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThan(80_000);
      await first.db.close();
      clock = wallClock(clock.now() + MINUTE);
      const second = await open({ file: first.file, dir: first.dir });
      await second.pass(SECOND);
      expect((await second.scalar('SELECT count(*) FROM events')) as number).toBeLessThan(left);
    });
  });

  it('takes up its log after GlyphCase was detached, and looks first again', async () => {
    const first = await withRule({}, `${EVENTS} INSERT INTO events VALUES (1, 1, 'x')`);
    await first.sweep();
    await first.db.close();
    detach(first.file);
    sqlite3(first.file, "INSERT INTO events VALUES (2, 1, 'x')");
    const second = await open({ file: first.file, dir: first.dir });
    await second.pass(HOUR);
    expect(await second.ids()).toEqual([2]);
    await second.pass(HOUR);
    expect(await second.ids()).toEqual([]);
    expect(await second.scalar('SELECT sum(removed) FROM retention_log')).toBe(2);
  });

  it('goes with its tables and jobs when it is uninstalled', async () => {
    const host = await withRule();
    await host.sweep();
    await host.db.skills.uninstall('retention');
    expect(await host.scalar("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'retention%'")).toBe(0);
    expect(await host.scalar('SELECT count(*) FROM _scheduler_jobs')).toBe(0);
    expect((await thrownBy(() => host.db.skills.call('retention', 'preview'))).message).toContain('retention');
  });
});
