/** `http.request` against servers, names and redirects that mean harm. */
import type { LookupAddress } from 'node:dns';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Lookup } from '../plugins/http/client.ts';
import { loadSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { fullHost, reach, serve, serveRaw } from './63-support.ts';
import { until } from './support.ts';

const ANSWERS = 'CREATE TABLE answers(id INTEGER PRIMARY KEY, data TEXT)';
const MAIN = `
  function keep(response) glyphcase.insert("answers", { data = json.encode(response) }) end
  function ask(options) return http.request(options, keep) end`;

let host: SkillHost;
/** What names resolve to, one list a lookup. */
let names: Record<string, string[][]>;
const lookups: string[] = [];

const lookup: Lookup = (name, _options, done) => {
  lookups.push(name);
  const next = names[name]!.length > 1 ? names[name]!.shift()! : names[name]![0]!;
  done(
    null,
    next.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
  );
};

beforeEach(async () => {
  lookups.length = 0;
  host = await fullHost({ schema: ANSWERS, lookup });
});

const kept = (): Record<string, any>[] =>
  host.db
    .all('SELECT data FROM answers ORDER BY id')
    .map(({ data }) => JSON.parse(data as string) as Record<string, any>);

/** Asks as a skill that may reach `network`; the answer. */
async function ask(network: readonly string[], options: Readonly<Record<string, unknown>>): Promise<any> {
  const before = kept().length;
  await loadSkill(host, 'demo', MAIN, reach(network, 'answers'));
  await host.skills.call('demo', 'ask', options);
  await until(() => kept().length > before);
  return kept().at(-1);
}

describe('redirects', () => {
  const redirect = (to: (url: string) => string | undefined, status = 302) =>
    serve(({ url }, response) => {
      const location = to(url);
      if (location === undefined) response.end('there');
      else response.writeHead(status, { location }).end();
    });

  test('are followed on the list, relative ones too', async () => {
    const server = await redirect((url) => (url === '/end' ? undefined : '/end#x'));
    expect(await ask([server.host], { url: `${server.origin}/start` })).toMatchObject({
      status: 200,
      body: 'there',
      url: `${server.origin}/end`,
    });
  });

  test.each([
    [
      'http://169.254.169.254/latest/meta-data/',
      'http://169.254.169.254 is where it was redirected to; the manifest would need "permissions": { "network": ["169.254.169.254"] }',
    ],
    ['http://[::ffff:127.0.0.1]/', 'is where it was redirected to'],
    ['//evil.org/', 'http://evil.org is where it was redirected to'],
    ['http://2130706433:1/', 'http://127.0.0.1:1 is where it was redirected to'],
    ['http://user:pw@evil.org/', 'contains a user name'],
    ['file:///etc/passwd', 'is not http or https'],
    ['http://', 'which is no URL'],
  ])('to %s are not', async (location, why) => {
    const server = await redirect(() => location);
    const answer = await ask([server.host], { url: server.origin });
    expect(answer).toMatchObject({ ok: false, error: expect.stringContaining(why) });
    expect(answer.status).toBe(undefined);
  });

  test('end after five', async () => {
    const server = await redirect((url) => `${url}x`);
    const answer = await ask([server.host], { url: `${server.origin}/` });
    expect(answer.error).toBe('there are more than 5 redirects');
    expect(server.seen).toHaveLength(6);
  });

  test('turn POST into GET as fetch does, and 307 does not', async () => {
    for (const [status, method, body] of [
      [301, 'GET', ''],
      [302, 'GET', ''],
      [303, 'GET', ''],
      [307, 'POST', '{}'],
      [308, 'POST', '{}'],
    ] as const) {
      const server = await redirect((url) => (url === '/end' ? undefined : '/end'), status);
      await ask([server.host], { url: server.origin, json: {} });
      expect(server.seen[1], String(status)).toMatchObject({ method, body });
      expect(server.seen[1]?.headers['content-type']).toBe(method === 'GET' ? undefined : 'application/json');
    }
  });

  test('to another host leave out what was meant for the first', async () => {
    const other = await serve((_seen, response) => response.end('x'));
    const server = await redirect(() => `${other.origin}/`, 307);
    const headers = { Authorization: 'Bearer secret', Cookie: 'a=1', 'X-Plain': 'y' };
    await ask(['127.0.0.1'], { url: server.origin, headers });
    expect(server.seen[0]?.headers).toMatchObject({ authorization: 'Bearer secret', cookie: 'a=1' });
    expect(other.seen[0]?.headers.authorization).toBe(undefined);
    expect(other.seen[0]?.headers.cookie).toBe(undefined);
    expect(other.seen[0]?.headers['x-plain']).toBe('y');
  });
});

describe('names', () => {
  test('that lead to a private address are not connected to, though the name is listed', async () => {
    const server = await serve((_seen, response) => response.end('secret'));
    names = { 'evil.test': [['127.0.0.1']] };
    const answer = await ask(['evil.test', '*.evil.test', '*'], { url: `http://evil.test:${server.port}/` });
    expect(answer).toMatchObject({
      ok: false,
      error:
        'evil.test is at 127.0.0.1, which is not a public address; the manifest would need "permissions": { "network": ["evil.test", "127.0.0.1"] }',
    });
    expect(server.seen).toEqual([]);
  });

  test('that lead elsewhere the next time are checked again: the address that is used counts', async () => {
    const server = await serve((_seen, response) => response.writeHead(200, { connection: 'close' }).end('x'));
    names = { 'rebind.test': [['127.0.0.1'], ['127.0.0.2']] };
    const url = `http://rebind.test:${server.port}/`;
    expect((await ask(['rebind.test', '127.0.0.1'], { url })).status).toBe(200);
    expect((await ask(['rebind.test', '127.0.0.1'], { url })).error).toContain('rebind.test is at 127.0.0.2');
    expect(lookups).toEqual(['rebind.test', 'rebind.test']);
    expect(server.seen).toHaveLength(1);
  });

  test('with several addresses are reached at those that may be', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    names = { 'mixed.test': [['10.0.0.1', '::ffff:127.0.0.1', 'fe80::1', '127.0.0.1']] };
    const answer = await ask(['mixed.test', '127.0.0.1'], { url: `http://mixed.test.:${server.port}/` });
    expect(answer.status).toBe(200);
    expect(server.seen[0]?.headers.host).toBe(`mixed.test:${server.port}`);
  });

  test('localhost, named, is this machine and nothing else', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    names = { localhost: [['127.0.0.1'], ['10.0.0.1']] };
    expect((await ask(['localhost'], { url: `http://localhost:${server.port}/` })).status).toBe(200);
    await server.close();
    const other = { url: `http://localhost:${server.port}/other` };
    expect((await ask(['localhost'], other)).error).toContain('localhost is at 10.0.0.1');
  });

  test('a redirect to a listed name that leads inside is stopped there', async () => {
    const inside = await serve((_seen, response) => response.end('secret'));
    names = { 'inside.test': [['127.0.0.1']] };
    const server = await serve((_seen, response) =>
      response.writeHead(302, { location: `http://inside.test:${inside.port}/` }).end(),
    );
    const answer = await ask([server.host, '*.test'], { url: server.origin });
    expect(answer.error).toContain('inside.test is at 127.0.0.1');
    expect(inside.seen).toEqual([]);
  });

  test('the host’s own scripts may go anywhere', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    names = { 'inside.test': [['127.0.0.1']] };
    await host.skills.execute(`http.request({ url = "http://inside.test:${server.port}/" }, function(r)
      glyphcase.insert("answers", { data = json.encode(r) }) end)`);
    await until(() => kept().length === 1);
    expect(kept()[0]?.status).toBe(200);
  });
});

describe('servers', () => {
  const big = 'x'.repeat(1024 * 1024);

  test('an answer of 1 MiB is taken, one byte more is not', async () => {
    const server = await serve(({ url }, response) => response.end(url === '/more' ? `${big}x` : big));
    const size = `function keep(r) glyphcase.insert("answers", { data = json.encode({ bytes = r.body and #r.body, error = r.error }) }) end
      function ask(options) return http.request(options, keep) end`;
    await loadSkill(host, 'demo', size, reach([server.host], 'answers'));
    for (const path of ['/', '/more']) await host.skills.call('demo', 'ask', { url: `${server.origin}${path}` });
    await until(() => kept().length === 2);
    expect(kept()).toContainEqual({ bytes: 1024 * 1024 });
    expect(kept()).toContainEqual({ error: 'the answer is larger than 1048576 bytes' });
  });

  test('a gzip bomb is cut off when it has unpacked to 1 MiB', async () => {
    const bomb = gzipSync(Buffer.alloc(300 * 1024 * 1024));
    const server = await serve((_seen, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
    const before = process.memoryUsage().rss;
    expect((await ask([server.host], { url: server.origin })).error).toBe('the answer is larger than 1048576 bytes');
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
  });

  test('what says it is gzip and is not is an error', async () => {
    const server = await serve((_seen, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('plain'),
    );
    expect(await ask([server.host], { url: server.origin })).toMatchObject({ ok: false, error: expect.any(String) });
  });

  test('a body without end is cut off', async () => {
    const server = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write(big));
        if (!socket.destroyed) socket.once('drain', more);
      };
      more();
    });
    expect((await ask([server.host], { url: server.origin })).error).toBe('the answer is larger than 1048576 bytes');
  });

  test('headers without end are cut off', async () => {
    const server = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write(`x-${Math.random()}: ${'y'.repeat(1000)}\r\n`));
        if (!socket.destroyed) socket.once('drain', more);
      };
      more();
    });
    expect((await ask([server.host], { url: server.origin })).error).toMatch(/headers? overflow/i);
  });

  test.each(['nothing', 'headers', 'body'] as const)('one that stops after %s is given up in time', async (until_) => {
    let isAsked = false;
    const server = await serveRaw((socket) => {
      isAsked = true;
      if (until_ !== 'nothing') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n');
      if (until_ === 'body') socket.write('\r\nslow');
    });
    await loadSkill(host, 'demo', MAIN, reach([server.host], 'answers'));
    await host.skills.call('demo', 'ask', { url: server.origin, timeout: '3s' });
    await until(() => isAsked);
    await host.clock.advance(2990);
    expect(kept()).toEqual([]);
    await host.clock.advance(20);
    await until(() => kept().length === 1);
    expect(kept()[0]).toMatchObject({ ok: false, error: 'no complete answer within 3 s' });
  });

  test('a body that comes drop by drop is under the same limit', async () => {
    let drops = 0;
    const server = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const timer = setInterval(() => socket.write(String(drops++)), 5);
      socket.once('close', () => clearInterval(timer));
    });
    await loadSkill(host, 'demo', MAIN, reach([server.host], 'answers'));
    await host.skills.call('demo', 'ask', { url: server.origin });
    for (let seconds = 0; seconds < 9; seconds++) {
      const before = drops;
      await until(() => drops > before);
      await host.clock.advance(1000);
    }
    expect(kept()).toEqual([]);
    await host.clock.advance(1000);
    await until(() => kept().length === 1);
    expect(kept()[0]?.error).toBe('no complete answer within 10 s');
  });

  test.each([
    ['rubbish', 'HELO smtp\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a header of binary', 'HTTP/1.1 200 OK\r\nx: \0\r\n\r\n'],
    ['an end too early', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab'],
  ])('%s is an error, and the skill goes on', async (_what, text) => {
    const server = await serveRaw((socket) => socket.end(text));
    expect(await ask([server.host], { url: server.origin })).toMatchObject({ ok: false, error: expect.any(String) });
    expect(host.skills.get('demo')?.state).toBe('active');
  });
});

describe('a skill that asks without end', () => {
  test('has four requests under way, and all hosts together sixteen', async () => {
    const server = await serve(() => {});
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      await loadSkill(host, id, MAIN, reach([server.host], 'answers'));
      for (let n = 0; n < 6; n++) await host.skills.call(id, 'ask', { url: `${server.origin}/${id}`, timeout: 5 });
      if (id === 'a') {
        await until(() => server.open === 4);
        await host.clock.advance(300);
        expect(server.open).toBe(4);
      }
    }
    await until(() => server.open === 16);
    await host.clock.advance(300);
    expect(server.open).toBe(16);
    expect(server.seen.filter(({ url }) => url === '/e')).toEqual([]);
    // Places that are given back go to the others too.
    await host.clock.advance(4700);
    await until(() => server.seen.some(({ url }) => url === '/e'));
  });

  test('may have a thousand waiting, or 32 MiB of them', async () => {
    const server = await serve(() => {});
    for (const id of ['demo', 'other']) await loadSkill(host, id, MAIN, reach([server.host]));
    const failure = (id: string): Promise<string> =>
      host.skills.call(id, 'ask', { url: server.origin, body: 'x'.repeat(1000) }).then(
        () => 'none',
        (error: unknown) => (error as Error).message,
      );
    const wait = (rows: number, bytes: number): void =>
      host.run(`DELETE FROM _skill_http;
        WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
        INSERT INTO _skill_http(id, skill, request, bytes, created_at, due_at)
        SELECT i, 'demo', '{}', ${bytes}, 0, ${host.clock.now() + 9000} FROM n`);
    wait(999, 1);
    expect(await failure('demo')).toBe('none');
    expect(await failure('demo')).toContain('http.request: 1000 requests of');
    expect(await failure('other')).toBe('none');
    wait(32, 1024 * 1024 - 40);
    expect(await failure('demo')).toBe('none');
    expect(await failure('demo')).toContain('wait already; at most 1000 of 33554432 bytes may');
    expect(await failure('other')).toBe('none');
  });

  test('and does not handle the answers holds no more than it is asked for', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const main = `function bad() error("no") end
      function many(url) for i = 1, 40 do http.request({ url = url }, "bad") end end`;
    await loadSkill(host, 'demo', main, reach([server.host]));
    await host.skills.call('demo', 'many', server.origin);
    const answered = (): number => host.db.value('SELECT count(*) FROM _skill_http WHERE answer IS NOT NULL') as number;
    await until(() => answered() >= 16);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(answered()).toBeLessThan(20);
    expect(server.seen.length).toBeLessThan(20);
  });
});
