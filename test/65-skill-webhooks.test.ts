/** The skill webhooks, against a real server that fails, stalls and dies: every change arrives, in order, however the host ends. */
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { beforeEach, describe, expect, it } from 'vitest';
import { wallClock, DAY, HOUR, MINUTE, SECOND } from './62-scheduler-support.ts';
import type { WallClock } from './62-scheduler-support.ts';
import { serve } from './63-support.ts';
import type { Seen, TestServer } from './63-support.ts';
import { detach, editManifest, manifestInReadme, openSkills, skillsFolder } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { sqlite3, startNode, thrownBy, until } from './support.ts';

const ORDERS = 'CREATE TABLE orders(id INTEGER PRIMARY KEY, status, total, note TEXT, data);';
const SECRET = 'a long secret';
const OWN = ['webhooks_queue', 'webhooks_endpoints'];

/** Intervals of the lease and of the watchers, which would fire thousands of times in the days that pass here. */
const SELDOM = 10 * MINUTE;

let clock: WallClock;
beforeEach(() => {
  clock = wallClock(undefined, SELDOM);
});

type Reply = number | 'stall' | 'reset' | ((response: ServerResponse) => void);

interface Receiver extends TestServer {
  /** What it answers next, one after the other; then 200. */
  readonly replies: Reply[];
  /** Ids of the deliveries that were accepted, each once, with the changes they brought. */
  readonly accepted: Map<string, readonly Json[]>;
  /** `new.id` of all changes accepted, in order. */
  ids(): unknown[];
}

async function receiver(choose?: () => Reply): Promise<Receiver> {
  const replies: Reply[] = [];
  const accepted = new Map<string, readonly Json[]>();
  const answer = ({ method, headers, body }: Seen, response: ServerResponse, request: IncomingMessage): void => {
    if (method !== 'POST') {
      response.end('a page');
      return;
    }
    const reply = replies.shift() ?? choose?.() ?? 200;
    if (reply === 'stall') return;
    if (reply === 'reset') {
      request.socket.destroy();
      return;
    }
    if (typeof reply === 'function') {
      reply(response);
      return;
    }
    if (reply >= 200 && reply < 300) {
      const id = String(headers['x-glyphcase-delivery']);
      if (!accepted.has(id)) accepted.set(id, [JSON.parse(body)].flat() as Json[]);
    }
    response.statusCode = reply;
    response.end();
  };
  const server = await serve(answer);
  return Object.assign(Object.create(server) as TestServer, {
    replies,
    accepted,
    ids: () => [...accepted.values()].flat().map((change) => (change['new'] as Json)['id']),
  });
}

interface Open extends SkillHost {
  /** Lets time pass, and what falls due run. */
  pass(ms: number): Promise<void>;
  /** Waits for what the network does; time stands still. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  status(): Promise<Json>;
  /** Everything that waits has been accepted or failed, and nothing is under way. */
  idle(): Promise<void>;
  logged(): string[];
}

const endpoint = (server: TestServer, more: Json = {}): Json => ({
  name: 'shop',
  url: `${server.origin}/hook`,
  secret: SECRET,
  timeout: '5s',
  changes: [{ table: 'orders' }],
  ...more,
});

/** The manifest of a user who may reach these servers. */
const pointedAt = (...servers: readonly TestServer[]): Json => ({
  watches: ['orders'],
  permissions: {
    database: { read: ['orders', ...OWN], write: OWN },
    network: servers.map(({ host }) => host),
    schedule: true,
  },
});

interface OpenOptions {
  readonly file?: string;
  readonly dir?: string;
  readonly manifest?: Json;
  readonly endpoints: readonly Json[];
  readonly more?: Json;
}

async function open({ file, dir, manifest, endpoints, more }: OpenOptions): Promise<Open> {
  const folder = dir ?? skillsFolder({ webhooks: manifest ?? {} });
  const host = await openSkills({
    ...(file === undefined ? { schema: ORDERS } : { file }),
    dir: folder,
    options: { clock, skills: { dir: folder, watch: false, configs: { webhooks: { endpoints, ...more } } } },
  });
  // It looks at what waits a second after it has started.
  await clock.advance(SECOND);
  const status = async (): Promise<Json> => (await host.db.skills.call<Json[]>('webhooks', 'status'))[0] ?? {};
  const untilSo: Open['until'] = async (condition) => {
    for (const end = Date.now() + 30_000; !(await condition());) {
      if (Date.now() > end) throw new Error(`still not so: ${condition.toString()} ${JSON.stringify(await status())}`);
      await host.db.flush();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return {
    ...host,
    until: untilSo,
    status,
    async pass(ms) {
      await clock.advance(ms);
      await host.db.flush();
      host.healthy();
    },
    async idle() {
      await host.db.flush();
      await untilSo(
        async () => (await host.scalar('SELECT count(*) FROM webhooks_endpoints WHERE in_flight IS NOT NULL')) === 0,
      );
      host.healthy();
    },
    logged: () => host.db.skills.logs('webhooks').map(({ message }) => message),
  };
}

const openAt = async (server: TestServer, more: Json = {}, config: Json = {}): Promise<Open> =>
  open({ manifest: pointedAt(server), endpoints: [endpoint(server, more)], more: config });

const insert = (host: Open, ...ids: readonly number[]): Promise<unknown> =>
  host.db.insertMany(
    'orders',
    ids.map((id) => ({ id, status: 'new' })),
  );

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('webhooks refuses', () => {
  it.each([
    [{ url: 'ftp://example.com' }, 'url'],
    [{ secret: 'short' }, 'secret'],
    [{ changes: [] }, 'changes'],
    [{ changes: [{ table: 'orders', operations: ['insert'] }] }, 'operations'],
    [{ name: 'with space' }, 'name'],
    [{ batch: 0 }, 'batch'],
    [{ endpoint: 'x' }, 'endpoint'],
  ])('the endpoint %j', async (more, why) => {
    const server = await receiver();
    const { message } = await thrownBy(() => openAt(server, more));
    expect(message).toContain(why);
  });

  it('two endpoints of one name, and a time that is none', async () => {
    const server = await receiver();
    const twice = open({ manifest: pointedAt(server), endpoints: [endpoint(server), endpoint(server)] });
    expect((await thrownBy(() => twice)).message).toContain('names "shop" twice');
    expect((await thrownBy(() => openAt(server, {}, { give_up_after: 'soon' }))).message).toContain('give_up_after');
  });

  it('hosts that the manifest does not name: it says which line is missing, and posts when it is there', async () => {
    const server = await receiver();
    const manifest = pointedAt(server);
    const host = await open({
      manifest: { ...manifest, permissions: { ...(manifest['permissions'] as Json), network: ['example.com'] } },
      endpoints: [endpoint(server)],
    });
    await insert(host, 1, 2);
    await host.idle();
    expect(host.logged().join()).toContain('"network": ["127.0.0.1"]');
    expect((await host.status())['waiting']).toBe(2);
    editManifest(host.dir, 'webhooks', manifest);
    await host.db.skills.reload('webhooks');
    await host.pass(SECOND);
    await host.until(() => server.ids().length === 2);
    expect(server.ids()).toEqual([1, 2]);
  });

  it('functions for endpoints that are not there', async () => {
    const host = await openAt(await receiver());
    for (const name of ['enable', 'retry']) {
      expect((await thrownBy(() => host.db.skills.call('webhooks', name, 'x'))).message).toContain('no endpoint x');
    }
  });
});

describe('webhooks posts', () => {
  it('what changed, signed, with an id of the delivery', async () => {
    const server = await receiver();
    const host = await openAt(server, { headers: { Authorization: 'Bearer x' } });
    await host.db.insert('orders', { id: 7, status: 'new', total: 9.5, note: 'größe', data: new Uint8Array([255, 0]) });
    await host.db.update('orders', 7, { status: 'paid', note: null });
    await host.db.delete('orders', 7);
    await host.until(() => server.seen.length === 3);
    const [first, second, third] = server.seen.map(({ body }) => JSON.parse(body) as Json);
    const row = { id: 7, status: 'new', total: 9.5, note: 'größe', data: { $blob: 'FF00' } };
    expect(first).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      table: 'orders',
      operation: 'INSERT',
      row_id: 7,
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
      source: 'host',
      transaction_id: expect.any(String) as string,
      new: row,
    });
    const after = { ...row, status: 'paid', note: null };
    expect(second).toMatchObject({ operation: 'UPDATE', changed: ['status', 'note'], old: row, new: after });
    const { note: _note, ...gone } = after;
    expect(third).toMatchObject({ operation: 'DELETE', old: gone });
    expect(third).not.toHaveProperty('new');
    for (const { method, url, headers, body } of server.seen) {
      expect([method, url, headers['content-type']]).toEqual(['POST', '/hook', 'application/json']);
      expect(headers['authorization']).toBe('Bearer x');
      expect(headers['x-glyphcase-delivery']).toBe((JSON.parse(body) as Json)['id']);
      const [, time, signature] = /^t=(\d+),v1=(\w+)$/.exec(String(headers['x-glyphcase-signature'])) ?? [];
      expect(Number(time)).toBe(Math.floor(clock.now() / 1000));
      expect(signature).toBe(createHmac('sha256', SECRET).update(`${time}.${body}`).digest('hex'));
    }
  });

  it('one at a time, in the order of the commits, also those of other programs while no host ran', async () => {
    const server = await receiver();
    const first = await openAt(server);
    await insert(first, ...upTo(20));
    await first.until(() => server.ids().length === 20);
    await first.idle();
    await first.db.close();
    sqlite3(first.file, ...upTo(20).map((id) => `INSERT INTO orders(id) VALUES (${id + 20})`));
    const second = await open({ file: first.file, dir: first.dir, endpoints: [endpoint(server)] });
    await second.until(() => server.ids().length === 40);
    await second.idle();
    expect(server.ids()).toEqual(upTo(40));
    expect(server.seen).toHaveLength(40);
    expect(await second.status()).toMatchObject({ delivered: 40, waiting: 0, failures: 0 });
  });

  it('only what fits: operation, filter, changed columns; and only the columns that were asked for', async () => {
    const server = await receiver();
    const changes = [
      {
        table: 'orders',
        operations: ['UPDATE'],
        filter: { status: ['paid', 'sent'] },
        changed: ['status'],
        columns: ['id', 'status'],
      },
      { table: 'Orders', operations: ['DELETE'], filter: { total: 5, data: true }, columns: ['id', 'note'] },
    ];
    const host = await openAt(server, { changes });
    await host.db.insert('orders', { id: 1, status: 'paid' });
    await host.db.update('orders', 1, { status: 'new', note: 'secret' });
    await host.db.update('orders', 1, { status: 'paid', note: 'other' });
    await host.db.update('orders', 1, { note: null });
    await host.db.update('orders', 1, { status: 'sent' });
    await host.db.delete('orders', 1);
    await host.db.insert('orders', { id: 2, total: 5, data: true, note: null });
    await host.db.delete('orders', 2);
    await host.until(() => server.seen.length === 3);
    await host.idle();
    expect(server.seen.map(({ body }) => JSON.parse(body) as Json)).toMatchObject([
      { operation: 'UPDATE', changed: ['status'], old: { id: 1, status: 'new' }, new: { id: 1, status: 'paid' } },
      { operation: 'UPDATE', old: { id: 1, status: 'paid' }, new: { id: 1, status: 'sent' } },
      { operation: 'DELETE', row_id: 2, old: { id: 2, note: null } },
    ]);
    expect(server.seen.map(({ body }) => body).join()).not.toMatch(/secret|other|total/);
  });

  it('many changes in one request when asked to, the same ones in every attempt', async () => {
    const server = await receiver();
    server.replies.push(503, 503);
    const host = await openAt(server, { batch: 10 });
    await insert(host, 1);
    await host.idle();
    await insert(host, ...upTo(25).slice(1));
    await host.pass(SECOND);
    await host.idle();
    await host.pass(2 * SECOND);
    await host.until(() => server.ids().length === 25);
    expect(server.ids()).toEqual(upTo(25));
    expect(server.seen.map(({ body }) => (JSON.parse(body) as Json[]).length)).toEqual([1, 1, 1, 10, 10, 4]);
    expect(new Set(server.seen.slice(0, 3).map(({ body }) => body)).size).toBe(1);
  });

  it('to each endpoint by itself: one that fails does not hold up another', async () => {
    const [bad, good] = [await receiver(() => 500), await receiver()];
    const host = await open({
      manifest: pointedAt(bad, good),
      endpoints: [endpoint(bad, { name: 'bad' }), endpoint(good, { name: 'good' })],
    });
    await insert(host, ...upTo(5));
    await host.until(() => good.ids().length === 5);
    expect(good.ids()).toEqual(upTo(5));
    expect(bad.ids()).toEqual([]);
  });
});

describe('webhooks tries again', () => {
  it('after 1, 2, 4, … seconds, up to an hour, with the same id and body', async () => {
    const server = await receiver(() => 500);
    const host = await openAt(server, {}, { give_up_after: '30d' });
    await insert(host, 1, 2);
    await host.until(() => server.seen.length === 1);
    await host.idle();
    const pauses = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600];
    for (const [index, pause] of pauses.entries()) {
      await host.pass(pause * SECOND - 1);
      expect(server.seen).toHaveLength(index + 1);
      await host.pass(1);
      await host.until(() => server.seen.length === index + 2);
      await host.idle();
    }
    const once = (name: string): number => new Set(server.seen.map(({ headers }) => headers[name])).size;
    expect([once('x-glyphcase-delivery'), once('idempotency-key')]).toEqual([1, 1]);
    expect(new Set(server.seen.map(({ body }) => body)).size).toBe(1);
    expect(once('x-glyphcase-signature')).toBe(pauses.length + 1);
    expect(host.logged().filter((line) => line.includes('not accepted'))).toHaveLength(1);
    expect(await host.status()).toMatchObject({ failures: 15, last_status: 500, last_error: 'status 500', waiting: 2 });
  });

  it.each<[string, Reply, string]>([
    ['stalls', 'stall', 'no complete answer within 5 s'],
    ['hangs up', 'reset', ''],
    ['redirects', (response) => response.writeHead(302, { location: '/other' }).end(), 'redirected to'],
    ['is overloaded', 429, 'status 429'],
  ])('when the server %s', async (_what, reply, problem) => {
    const server = await receiver();
    server.replies.push(reply);
    const host = await openAt(server);
    await insert(host, 1);
    await host.until(() => server.seen.length > 0);
    if (reply === 'stall') await host.pass(5 * SECOND);
    await host.idle();
    expect((await host.status())['last_error']).toContain(problem);
    await host.pass(SECOND);
    await host.until(() => server.accepted.size === 1);
    await host.idle();
    expect(host.logged()).toContain('shop: accepted again');
  });

  it('when nobody listens, and goes on in order when somebody does', async () => {
    const gone = await receiver();
    await gone.close();
    const server = await receiver();
    const host = await open({ manifest: pointedAt(gone, server), endpoints: [endpoint(gone)] });
    await insert(host, 1, 2, 3);
    await host.idle();
    expect(await host.status()).toMatchObject({ failures: 1, waiting: 3 });
    await host.db.close();
    const next = await open({ file: host.file, dir: host.dir, endpoints: [endpoint(server)] });
    await next.until(() => server.ids().length === 3);
    expect(server.ids()).toEqual([1, 2, 3]);
  });

  it('as late as the server asks for', async () => {
    const server = await receiver();
    server.replies.push((response) => response.writeHead(503, { 'retry-after': '120' }).end());
    const host = await openAt(server);
    await insert(host, 1);
    await host.until(() => server.seen.length === 1);
    await host.idle();
    await host.pass(119 * SECOND);
    expect(server.seen).toHaveLength(1);
    await host.pass(SECOND);
    await host.until(() => server.ids().length === 1);
  });

  it('soon when the clock is set back far', async () => {
    const server = await receiver();
    server.replies.push(500, 500);
    const host = await openAt(server);
    await insert(host, 1);
    await host.until(() => server.seen.length === 1);
    await host.idle();
    await host.pass(SECOND);
    await host.until(() => server.seen.length === 2);
    await host.idle();
    clock.jump(-300 * DAY);
    await host.pass(11 * MINUTE);
    await host.until(() => server.ids().length === 1);
  });

  it('until it is three days old; then it is dead, the next goes on, and retry brings it back', async () => {
    const server = await receiver(() => 500);
    const host = await openAt(server);
    await insert(host, 1);
    await host.idle();
    for (let hours = 0; hours < 76; hours++) {
      await host.pass(HOUR);
      await host.idle();
    }
    expect(await host.status()).toMatchObject({ dead: 1, waiting: 0 });
    expect(await host.rows('SELECT state, last_error FROM webhooks_queue')).toEqual([
      { state: 'dead', last_error: 'status 500' },
    ]);
    expect(host.logged().at(-1)).toContain('given up after 3d');
    server.replies.push(...Array<number>(10).fill(200));
    await insert(host, 2);
    await host.pass(HOUR);
    await host.until(() => server.ids().length === 1);
    await host.idle();
    expect(await host.db.skills.call('webhooks', 'retry', 'shop')).toBe(1);
    await host.until(() => server.ids().length === 2);
    expect(server.ids()).toEqual([2, 1]);
    await host.idle();
    expect(await host.status()).toMatchObject({ dead: 0, waiting: 0, delivered: 2 });
  }, 30_000);

  it('no more when the endpoint is gone, until somebody enables it', async () => {
    const server = await receiver();
    server.replies.push(410);
    const host = await openAt(server);
    await insert(host, 1, 2);
    await host.idle();
    await insert(host, 3);
    await host.pass(2 * DAY);
    expect(server.seen).toHaveLength(1);
    expect(await host.status()).toMatchObject({ state: 'disabled', waiting: 2, last_status: 410 });
    await host.db.skills.call('webhooks', 'enable', 'shop');
    await insert(host, 4);
    await host.until(() => server.ids().length === 3);
    expect(server.ids()).toEqual([1, 2, 4]);
  });

  it('what was under way when its answer got lost, and takes no late answer for the new one', async () => {
    const server = await receiver();
    server.replies.push('stall');
    const host = await openAt(server);
    await insert(host, 1);
    await host.until(() => server.seen.length === 1);
    sqlite3(host.file, "UPDATE webhooks_endpoints SET in_flight = 'lost'");
    await host.pass(5 * SECOND);
    await host.until(async () => (await host.scalar('SELECT count(*) FROM _skill_http')) === 0);
    expect(await host.status()).toMatchObject({ failures: 0, waiting: 1 });
    await host.pass(10 * MINUTE);
    expect(server.seen).toHaveLength(1);
    await host.pass(11 * MINUTE);
    await host.until(() => server.ids().length === 1);
  });

  it('nothing that is too long, and says so', async () => {
    const server = await receiver();
    const host = await openAt(server);
    await host.db.insert('orders', { id: 1, note: 'x'.repeat(950_000) });
    await insert(host, 2);
    await host.until(() => server.ids().length === 1);
    expect(server.ids()).toEqual([2]);
    expect(await host.status()).toMatchObject({ dead: 1 });
    expect(host.logged().join()).toContain('too long');
  });
});

/** A server’s moods, the same ones in every run of the tests. */
function moods(seed: number): () => Reply {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return (
      (['stall', 'reset', 500, 503, 404, 200, 200, 200, 200, 204] as const)[Math.floor(state / 65_536) % 10] ?? 200
    );
  };
}

describe('webhooks loses nothing and reorders nothing', () => {
  it.each([1, 2, 3])(
    'with a server that fails, stalls and hangs up, and a host that stops again and again (%i)',
    async (seed) => {
      const server = await receiver(moods(seed));
      let host = await openAt(server);
      for (let round = 0; round < 12; round++) {
        await insert(host, ...upTo(5).map((id) => round * 5 + id));
        await host.db.flush();
        for (let step = 0; step < 4; step++) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          await host.pass(5 * SECOND);
        }
        if (round % 3 !== 2) continue;
        const { file, dir } = host;
        await host.db.close();
        clock = wallClock(clock.now() + MINUTE, SELDOM);
        host = await open({ file, dir, endpoints: [endpoint(server)] });
      }
      for (let step = 0; step < 400 && server.ids().length < 60; step++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        await host.pass(10 * SECOND);
      }
      expect(server.ids()).toEqual(upTo(60));
      await host.pass(HOUR);
      await host.idle();
      expect(await host.status()).toMatchObject({ waiting: 0, dead: 0, delivered: 60 });
    },
    60_000,
  );

  it('when the process is killed in the middle', async () => {
    const server = await receiver();
    const manifest = pointedAt(server);
    const dir = skillsFolder({ webhooks: manifest });
    const host = await open({ dir, endpoints: [] });
    await host.db.close();
    sqlite3(host.file, ...upTo(300).map((id) => `INSERT INTO orders(id) VALUES (${id})`));
    const program = `
      const { GlyphCase } = await import(${JSON.stringify(new URL('../sdk/index.ts', import.meta.url).href)});
      const configs = { webhooks: { endpoints: [${JSON.stringify(endpoint(server))}] } };
      const db = new GlyphCase(${JSON.stringify(host.file)}, { skills: { dir: ${JSON.stringify(dir)}, watch: false, configs } });
      await db.ready;
      setInterval(() => {}, 1000);`;
    for (let kill = 0; kill < 3; kill++) {
      const before = server.ids().length;
      const child = startNode('--input-type=module', '--eval', program);
      await until(() => server.ids().length >= before + 30 || child.exitCode !== null);
      expect({ code: child.exitCode, output: child.output }).toEqual({ code: null, output: '' });
      child.kill('SIGKILL');
      await child.ended;
    }
    clock = wallClock(Date.now() + HOUR, SELDOM);
    const last = await open({ file: host.file, dir, endpoints: [endpoint(server)] });
    await last.until(() => server.ids().length === 300);
    expect(server.ids()).toEqual(upTo(300));
    // Each kill may have sent one request twice.
    expect(server.seen.length).toBeLessThanOrEqual(303);
  }, 60_000);

  it('when GlyphCase was detached: what waited goes first', async () => {
    const server = await receiver();
    server.replies.push('stall');
    const first = await openAt(server);
    await insert(first, 1, 2);
    await first.until(() => server.seen.length === 1);
    await first.db.close();
    detach(first.file);
    const second = await open({ file: first.file, dir: first.dir, endpoints: [endpoint(server)] });
    await insert(second, 3);
    await second.until(() => server.ids().length === 3);
    expect(server.ids()).toEqual([1, 2, 3]);
  });
});

describe('webhooks', () => {
  it('posts nothing as it comes: it waits for its table, and then says that no endpoints are configured', async () => {
    const host = await openSkills({ schema: 'CREATE TABLE events(id INTEGER PRIMARY KEY)', skills: { webhooks: {} } });
    await host.db.insert('events', { id: 1 });
    await host.db.flush();
    host.healthy();
    expect(host.db.skills.logs('webhooks').map(({ message }) => message)).toEqual([
      'no endpoints are configured, nothing is posted; README.md shows how',
    ]);
    const other = await openSkills({});
    const { state, reasons } = await other.db.skills.load(`${skillsFolder({ webhooks: {} })}/webhooks`);
    expect([state, ...reasons]).toEqual(['waiting', expect.stringContaining('events')]);
  });

  it('starts with the manifest of the README', async () => {
    const host = await openSkills({
      schema: `${ORDERS} CREATE TABLE customers(id INTEGER PRIMARY KEY)`,
      skills: { webhooks: manifestInReadme('webhooks') },
    });
    host.healthy();
    await host.db.skills.uninstall('webhooks');
    expect(await host.scalar("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'webhooks%'")).toBe(0);
    expect(existsSync(host.file)).toBe(true);
  });
});
