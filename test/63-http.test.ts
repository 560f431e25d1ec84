/** `http.request` in Lua: what may be asked, what is sent, how answers arrive. */
import { beforeEach, describe, expect, test } from 'vitest';
import { loadSkill, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { fullHost, reach, serve } from './63-support.ts';
import { settle, thrownBy, until } from './support.ts';

/** Skills write down here what they get. */
const ANSWERS = 'CREATE TABLE answers(id INTEGER PRIMARY KEY, data TEXT)';
const KEEP = `
  function keep(response, request)
    glyphcase.insert("answers", { data = json.encode({ response = response, request = request }) })
  end
  function ask(options, how) return http.request(options, how) end
`;

interface Kept {
  readonly response: Record<string, any>;
  readonly request: Record<string, any>;
}

let host: SkillHost;
const kept = (): Kept[] =>
  host.db.all('SELECT data FROM answers ORDER BY id').map(({ data }) => JSON.parse(data as string) as Kept);
const outbox = (): number => host.db.value('SELECT count(*) FROM _skill_http') as number;
const done = (count: number): Promise<void> => until(() => kept().length >= count && outbox() === 0);

beforeEach(async () => {
  host = await fullHost({ schema: ANSWERS });
});

describe('bad arguments', () => {
  test.each([
    ['', 'a table is needed'],
    ['"http://x.com"', 'a table is needed'],
    ['{}', 'url must be a text'],
    ['{ url = 1 }', 'url must be a text'],
    ['{ url = "ftp://x.com" }', 'is not http or https'],
    ['{ url = "http://x.com@evil.org" }', 'the URL to evil.org contains a user name'],
    ['{ url = "http://x.com", methode = "GET" }', 'there is no option "methode"; did you mean "method"?'],
    ['{ url = "http://x.com", method = "TRACE" }', 'method must be one of GET, HEAD, POST'],
    ['{ url = "http://x.com", method = "CONNECT" }', 'method must be one of'],
    ['{ url = "http://x.com", method = "GET", body = "x" }', 'GET takes no body'],
    ['{ url = "http://x.com", body = {} }', 'a table goes into json'],
    ['{ url = "http://x.com", body = "x", json = 1 }', 'give either body or json'],
    ['{ url = "http://x.com", body = ("x"):rep(1024 * 1024 + 1) }', 'the body has 1048577 bytes'],
    ['{ url = "http://x.com", json = { 1/0 } }', 'json contains infinity or NaN'],
    ['{ url = "http://x.com", json = "\\xff" }', 'json contains bytes that are not UTF-8'],
    ['{ url = "http://x.com", timeout = 61 }', 'at most 60 s'],
    ['{ url = "http://x.com", timeout = 0 }', 'more than 0'],
    ['{ url = "http://x.com", timeout = "2m" }', 'at most 60 s'],
    ['{ url = "http://x.com", timeout = "soon" }', 'timeout is "soon", which is not a duration'],
    ['{ url = "http://x.com", headers = { "x" } }', 'headers must be a table of names and values'],
    ['{ url = "http://x.com", headers = { ["a b"] = "x" } }', '"a b" is not the name of a header'],
    ['{ url = "http://x.com", headers = { ["a\\r\\nb"] = "x" } }', 'is not the name of a header'],
    ['{ url = "http://x.com", headers = { a = "x\\r\\nHost: evil.org" } }', 'one line of Latin-1 text'],
    ['{ url = "http://x.com", headers = { a = "x\\nb" } }', 'one line of Latin-1 text'],
    ['{ url = "http://x.com", headers = { a = "x\\0" } }', 'one line of Latin-1 text'],
    ['{ url = "http://x.com", headers = { a = "€" } }', 'one line of Latin-1 text'],
    ['{ url = "http://x.com", headers = { a = {} } }', 'one line of Latin-1 text'],
    ['{ url = "http://x.com", headers = { Host = "evil.org" } }', 'the header Host is set by GlyphCase'],
    ['{ url = "http://x.com", headers = { ["Content-Length"] = "1" } }', 'is set by GlyphCase'],
    ['{ url = "http://x.com", headers = { ["transfer-encoding"] = "chunked" } }', 'is set by GlyphCase'],
    ['{ url = "http://x.com", headers = { connection = "close" } }', 'is set by GlyphCase'],
    ['{ url = "http://x.com", headers = { a = ("x"):rep(16384) } }', 'more than 100 headers, or more than 16384 bytes'],
    ['{ url = "http://x.com", context = ("x"):rep(70000) }', 'context takes more than 65536 bytes'],
    ['{ url = "http://x.com" }, 5', 'the callback must be a function, or the name of a global function'],
    ['{ url = "http://x.com" }, ""', 'the callback must be a function'],
  ])('http.request(%s)', async (args, message) => {
    const error = await thrownBy(() => host.skills.execute(`http.request(${args})`));
    expect(error.code).toBe('GC_BAD_ARGUMENT');
    expect(error.message).toContain(message);
    expect(outbox()).toBe(0);
  });
});

describe('permission', () => {
  test('a host that is not listed is refused with the line to add, and leaves nothing behind', async () => {
    await loadSkill(host, 'demo', KEEP, reach(['api.example.com', '*.example.org']));
    const error = await thrownBy(() => host.skills.call('demo', 'ask', { url: 'https://evil.org/?q' }));
    expect(error.code).toBe('GC_PERMISSION');
    expect(error.message).toContain(
      'The skill demo may not reach evil.org (port 443). Its manifest.json would need "permissions": { "network": ["evil.org"] }',
    );
    expect(outbox()).toBe(0);
  });

  test('without any network permission nothing can be asked', async () => {
    await loadSkill(host, 'demo', KEEP);
    const error = await thrownBy(() => host.skills.call('demo', 'ask', { url: 'http://[::1]:80/' }));
    expect(error.message).toContain('"network": ["[::1]"]');
  });

  test('an entry that names no host is logged', async () => {
    await loadSkill(host, 'demo', KEEP, reach(['https://api.example.com']));
    expect(host.logged().join()).toContain('"https://api.example.com" names no host');
  });

  test('what is granted no more when it is sent is not sent', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    // Asked for while it may not be sent: the skill is not live yet.
    await loadSkill(host, 'demo', KEEP, reach([server.host], 'answers'));
    await host.skills.disable('demo');
    host.run(
      `INSERT INTO _skill_http(id, skill, request, callback, bytes, created_at, due_at) VALUES
       ('a', 'demo', '{"method":"GET","url":"${server.origin}/","headers":{},"timeoutMs":1000}', 'keep', 1, 0, 0)`,
    );
    writeSkill(host.dir, 'demo', KEEP, reach([], 'answers'));
    await host.skills.enable('demo');
    await done(1);
    expect(kept()[0]?.response).toMatchObject({
      ok: false,
      error: expect.stringContaining('may not be reached any more'),
    });
    expect(server.seen).toEqual([]);
  });
});

describe('a request and its answer', () => {
  test('arrives with everything, in a transaction of its own', async () => {
    const server = await serve((_seen, response) => {
      response.writeHead(201, { 'Content-Type': 'application/json; charset=utf-8', 'X-Two': ['a', 'b'] });
      response.end('{"id": 9007199254740993, "none": null, "list": []}');
    });
    const main = `${KEEP}
      function on_http_response() error("not for me") end
      function go(url)
        return http.request({ url = url .. "/things?q=1", json = { name = "größe" }, headers = { ["X-Key"] = 7 },
          context = { row = 3, none = json.null } }, function(response, request)
          keep(response, request)
          glyphcase.insert("answers", { data = json.encode({
            response = { exact = response.json.id, null = response.json.none == json.null, type = math.type(response.status) } }) })
        end)
      end`;
    await loadSkill(host, 'demo', main, reach([server.host], 'answers'));
    const id = await host.skills.call('demo', 'go', server.origin);
    await done(2);
    const [{ response, request }, extra] = kept() as [Kept, Kept];
    expect(response).toMatchObject({
      id,
      ok: true,
      status: 201,
      url: `${server.origin}/things?q=1`,
      body: '{"id": 9007199254740993, "none": null, "list": []}',
      context: { row: 3, none: null },
    });
    expect(response.headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8', 'x-two': 'a, b' });
    expect(response.error).toBe(undefined);
    expect(extra.response).toEqual({ exact: 9007199254740992, null: true, type: 'integer' });
    expect(host.db.value("SELECT data ->> '$.response.exact' FROM answers WHERE id = 2")).toBe(9007199254740993n);
    expect(request).toEqual({ id, method: 'POST', url: `${server.origin}/things?q=1`, context: response.context });
    const [seen] = server.seen;
    expect(seen).toMatchObject({ method: 'POST', url: '/things?q=1', body: '{"name":"größe"}' });
    expect(seen?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-key': '7',
      'idempotency-key': id,
      'user-agent': 'glyphcase/1.0.0',
      host: server.host,
    });
  });

  test('bytes go and come as they are', async () => {
    const server = await serve((_seen, response, request) => {
      response.setHeader('x-length', request.headers['content-length'] ?? '');
      response.end(Buffer.from([0xff, 0, 0xfe]));
    });
    const result = host.skills.execute(`
      http.request({ url = "${server.origin}", method = "put", body = "\\xff\\0", headers = { ["Idempotency-Key"] = "mine" } },
        function(r) glyphcase.insert("answers", { data = json.encode({ response = {
          same = r.body == "\\xff\\0\\xfe", length = r.headers["x-length"], json = r.json == nil } }) }) end)`);
    await result;
    await done(1);
    expect(kept()[0]?.response).toEqual({ same: true, length: '2', json: true });
    expect(server.seen[0]).toMatchObject({ method: 'PUT', headers: { 'idempotency-key': 'mine' } });
    expect(server.seen[0]?.headers['content-type']).toBe(undefined);
  });

  test('an answer that is no 2xx is an answer; one that never comes is an error', async () => {
    const server = await serve((_seen, response) =>
      response.writeHead(503, { 'set-cookie': ['a=1', 'b=2'] }).end('later'),
    );
    await host.skills.execute(`${KEEP} ask({ url = "${server.origin}" }, "keep")`);
    await done(1);
    await server.close();
    await host.skills.execute(`ask({ url = "${server.origin}" }, "keep")`);
    await done(2);
    const [down, gone] = kept() as [Kept, Kept];
    expect(down.response).toMatchObject({
      ok: false,
      status: 503,
      body: 'later',
      headers: { 'set-cookie': ['a=1', 'b=2'] },
    });
    expect(gone.response).toMatchObject({ ok: false, error: expect.stringContaining('ECONNREFUSED') });
    expect(gone.response.status).toBe(undefined);
  });

  test('JSON that is broken, too deep or too large is left to the skill', async () => {
    const bodies = [
      '{',
      `${'['.repeat(40)}${']'.repeat(40)}`,
      `[${'[],'.repeat(60_000)}[]]`,
      '{"__proto__": {"a": 1}}',
    ];
    const server = await serve(({ url }, response) =>
      response.setHeader('content-type', 'application/problem+json').end(bodies[Number(url.slice(1))]),
    );
    const keep = `function keep(r) glyphcase.insert("answers", { data = json.encode({ response = { n = r.context,
      json = r.json ~= nil, bytes = #r.body, a = r.json and r.json.__proto__.a } }) }) end`;
    await host.skills.execute(`${keep}
      for n = 0, 3 do http.request({ url = "${server.origin}/" .. n, context = n }, "keep") end`);
    await done(4);
    expect(
      kept()
        .map(({ response }) => response)
        .sort((a, b) => a.n - b.n),
    ).toEqual([
      { n: 0, json: false, bytes: 1 },
      { n: 1, json: false, bytes: 80 },
      { n: 2, json: false, bytes: 180_004 },
      { n: 3, json: true, bytes: 23, a: 1 },
    ]);
  });

  test('is not sent before the transaction commits, nor when it does not, nor for a part that was undone', async () => {
    const server = await serve((_seen, response) => response.end());
    const url = (path: string): string => `{ url = "${server.origin}/${path}" }`;
    await thrownBy(() => host.skills.execute(`http.request(${url('no')}) error("no")`));
    await host.db.transaction(async () => {
      await host.skills.execute(`http.request(${url('yes')})
        pcall(glyphcase.transaction, function() http.request(${url('part')}) error("no") end)`);
      await host.clock.advance(1000);
      expect(server.seen).toEqual([]);
    });
    await until(() => server.seen.length === 1 && outbox() === 0);
    await host.clock.advance(1000);
    expect(server.seen.map((seen) => seen.url)).toEqual(['/yes']);
  });
});

describe('callbacks', () => {
  test('by name; a name that is gone, and no name at all, go to on_http_response', async () => {
    const server = await serve(({ url }, response) => response.end(url));
    const main = `${KEEP}
      function on_http_response(response, request) keep(response, { fallback = true }) end`;
    await loadSkill(host, 'demo', main, reach([server.host], 'answers'));
    for (const [path, how] of [['named', 'keep'], ['gone', 'gone'], ['none']]) {
      await host.skills.call('demo', 'ask', { url: `${server.origin}/${path}` }, ...(how === undefined ? [] : [how]));
    }
    await done(3);
    expect(Object.fromEntries(kept().map(({ response, request }) => [response.body, request.fallback]))).toEqual({
      '/named': undefined,
      '/gone': true,
      '/none': true,
    });
  });

  test('a closure is gone with its state: on_http_response gets the answer, or it is dropped with a warning', async () => {
    let open: (() => void)[] = [];
    const server = await serve((_seen, response) => open.push(() => response.end('late')));
    const ask = 'function go(url) http.request({ url = url, context = "c" }, function() error("gone") end) end\n';
    await loadSkill(host, 'demo', `${KEEP}${ask}`, reach([server.host], 'answers'));
    await host.skills.call('demo', 'go', server.origin);
    await until(() => open.length === 1);
    writeSkill(
      host.dir,
      'demo',
      `${KEEP}${ask}function on_http_response(r, q) keep(r, q) end`,
      reach([server.host], 'answers'),
    );
    await host.skills.reload('demo');
    open.forEach((answer) => answer());
    await done(1);
    // The request went on through the reload.
    expect(server.seen).toHaveLength(1);
    expect(kept()[0]).toMatchObject({
      response: { body: 'late', context: 'c' },
      request: { method: 'GET', context: 'c' },
    });

    open = [];
    await host.skills.call('demo', 'go', server.origin);
    await until(() => open.length === 1);
    writeSkill(host.dir, 'demo', `${KEEP}${ask}`, reach([server.host], 'answers'));
    await host.skills.reload('demo');
    open.forEach((answer) => answer());
    await until(() => outbox() === 0);
    expect(host.logged().at(-1)).toContain('is dropped: the callback, a function of an earlier run, is gone');
    expect(kept()).toHaveLength(1);
  });

  test('one that fails is undone and tried again after 1, 2, 4 and 8 s, then given up', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const main = `${KEEP}tries = 0
      function bad(response) tries = tries + 1 keep(response) error("attempt " .. tries) end
      function count() return tries end`;
    await loadSkill(host, 'demo', main, reach([server.host], 'answers'));
    await host.skills.call('demo', 'ask', { url: server.origin }, 'bad');
    const failures = (): string[] => host.logged().filter((line) => line.includes('could not be handled'));
    for (const [seconds, tries] of [
      [1, 1],
      [2, 2],
      [4, 3],
      [8, 4],
    ] as const) {
      await until(() => failures().length === tries);
      expect(failures().at(-1)).toContain(`(tried again in ${seconds} s)`);
      expect(failures().at(-1)).toContain(`attempt ${tries}`);
      const due = Number(host.db.value('SELECT due_at FROM _skill_http'));
      await host.clock.advance(due - host.clock.now() - 1);
      await settle();
      expect(await host.skills.call('demo', 'count')).toBe(tries);
      await host.clock.advance(251);
    }
    await until(() => failures().length === 5);
    expect(failures().at(-1)).toContain('(given up after 5 attempts)');
    expect([outbox(), kept().length, server.seen.length]).toEqual([0, 0, 1]);
  });

  test('one that fails for a while gets its answer once', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const main = `${KEEP}tries = 0
      function flaky(response) tries = tries + 1 keep(response) if tries < 3 then error("not yet") end end`;
    await loadSkill(host, 'demo', main, reach([server.host], 'answers'));
    await host.skills.call('demo', 'ask', { url: server.origin }, 'flaky');
    for (const tries of [1, 2]) {
      await until(() => host.logged().filter((line) => line.includes('not yet')).length === tries);
      await host.clock.advance(tries * 1000 + 300);
    }
    await done(1);
    expect([kept().length, server.seen.length]).toEqual([1, 1]);
  });

  test('one that runs without end is stopped, and the skill goes on', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const main = `${KEEP}function stuck() while true do end end`;
    await loadSkill(host, 'demo', main, { ...reach([server.host], 'answers'), limits: { time: '300ms' } });
    await host.skills.call('demo', 'ask', { url: server.origin }, 'stuck');
    await until(() => host.logged().some((line) => line.includes('time limit')));
    await host.skills.call('demo', 'ask', { url: server.origin }, 'keep');
    await until(() => kept().length === 1);
    expect(host.skills.get('demo')?.state).toBe('active');
  });

  test('may ask again', async () => {
    const server = await serve(({ url }, response) => response.end(url));
    const main = `${KEEP}function page(response)
      keep(response)
      local n = tonumber(response.body:sub(2))
      if n < 5 then http.request({ url = response.url:gsub("%d+$", tostring(n + 1)) .. "" }, "page") end
    end`;
    await loadSkill(host, 'demo', main, reach([server.host], 'answers'));
    await host.skills.call('demo', 'ask', { url: `${server.origin}/1` }, 'page');
    await done(5);
    expect(kept().map(({ response }) => response['body'] as string)).toEqual(['/1', '/2', '/3', '/4', '/5']);
  });
});
