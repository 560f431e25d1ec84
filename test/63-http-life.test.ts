/** The outbox of `http.request` through reloads, other hosts, ends and crashes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../kernel/clock.ts';
import { createHttpPlugin } from '../plugins/http/index.ts';
import { GlyphCase } from '../sdk/glyphcase.ts';
import { hostScript, loadSkill, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { fullHost, reach, serve } from './63-support.ts';
import { afterTest, startNode, tempDir, tempFile, until } from './support.ts';

const ANSWERS = 'CREATE TABLE IF NOT EXISTS answers(id INTEGER PRIMARY KEY, data TEXT)';
const MAIN = `
  function keep(response, request) glyphcase.insert("answers", { data = request.context or response.body }) end
  function ask(options) return http.request(options, "keep") end
  function on_http_response(response, request) keep(response, request) end`;

const kept = (host: SkillHost): unknown[] =>
  host.db.all('SELECT data FROM answers ORDER BY id').map(({ data }) => data);
const outbox = (host: SkillHost): number => host.db.value('SELECT count(*) FROM _skill_http') as number;

describe('a skill that stops', () => {
  test('gives up what is under way; it is sent again, under the same key, when the skill is back', async () => {
    const open: (() => void)[] = [];
    const server = await serve((_seen, response) => open.push(() => response.end('x')));
    const host = await fullHost({ schema: ANSWERS });
    await loadSkill(host, 'demo', MAIN, reach([server.host], 'answers'));
    await host.skills.call('demo', 'ask', { url: server.origin, json: {} });
    await until(() => server.open === 1);
    await host.skills.disable('demo');
    await host.clock.advance(1000);
    await until(() => server.open === 0);
    await host.clock.advance(2000);
    expect([server.seen.length, outbox(host)]).toEqual([1, 1]);
    await host.skills.enable('demo');
    await until(() => server.open === 1);
    open.at(-1)?.();
    await until(() => kept(host).length === 1);
    const keys = server.seen.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual([keys[0], keys[0]]);
  });

  test('and is removed with its data leaves no request behind', async () => {
    const server = await serve(() => {});
    const host = await fullHost({ schema: ANSWERS });
    for (const id of ['demo', 'other']) {
      await loadSkill(host, id, MAIN, reach([server.host], 'answers'));
      await host.skills.call(id, 'ask', { url: server.origin });
    }
    await until(() => server.open === 2);
    await host.skills.uninstall('demo');
    await host.clock.advance(1000);
    await until(() => server.open === 1);
    expect(host.db.all('SELECT skill FROM _skill_http')).toEqual([{ skill: 'other' }]);
  });
});

test('what a new version asks for as it starts is judged by its own manifest', async () => {
  const [before, after] = [await serve((_s, r) => r.end('old')), await serve((_s, r) => r.end('new'))];
  const host = await fullHost({ schema: ANSWERS });
  const asking = (origin: string): string =>
    `${MAIN} function on_activate() http.request({ url = "${origin}" }, "keep") end`;
  await loadSkill(host, 'demo', asking(before.origin), reach([before.host], 'answers'));
  await until(() => kept(host).length === 1);
  await loadSkill(host, 'demo', asking(after.origin), reach([after.host], 'answers'));
  await until(() => kept(host).length === 2);
  expect(kept(host)).toEqual(['old', 'new']);
});

describe('a host that stops', () => {
  test('ends every connection, also idle ones, and keeps what was under way', async () => {
    const server = await serve(({ url }, response) => (url === '/hang' ? undefined : response.end('x')));
    const file = tempFile();
    const host = await fullHost({ file, schema: ANSWERS });
    const net = reach([server.host], 'answers');
    await loadSkill(host, 'demo', MAIN, net);
    await host.skills.call('demo', 'ask', { url: server.origin });
    await until(() => kept(host).length === 1);
    await host.skills.call('demo', 'ask', { url: `${server.origin}/hang`, context: 'again' });
    await until(() => server.open === 1);
    expect(await host.close()).toEqual([]);
    expect(host.clock.pending).toBe(0);
    await until(() => server.open === 0);
    const later = await serve((_seen, response) => response.end('x'));
    new BetterSqlite3(file).exec(
      `UPDATE _skill_http SET request = replace(request, '${server.host}/hang', '${later.host}/')`,
    );
    const next = await fullHost({ file });
    await loadSkill(next, 'demo', MAIN, reach([later.host], 'answers'));
    await until(() => kept(next).length === 2);
    expect([kept(next)[1], later.seen.length]).toEqual(['again', 1]);
  });

  test('lets the process end', async () => {
    const server = await serve(({ url }, response) => (url === '/hang' ? undefined : response.end('x')));
    const script = join(tempDir(), 'end.ts');
    writeFileSync(
      script,
      `import { GlyphCase } from '${join(import.meta.dirname, '../sdk/glyphcase.ts')}';
       const db = new GlyphCase(':memory:');
       await db.execute('CREATE TABLE got (n)');
       const watch = (url) => db.executeLuaScript(\`http.request({ url = "\${url}" }, function() glyphcase.insert("got", { n = 1 }) end)\`);
       await watch('${server.origin}/');
       while ((await db.queryScalar('SELECT count(*) FROM got')) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
       await watch('${server.origin}/hang');
       await new Promise((resolve) => setTimeout(resolve, 200));
       const started = Date.now();
       process.on('exit', () => console.log('after', Date.now() - started));
       await db.close();`,
    );
    const child = startNode(script);
    await child.ended;
    const [, after] = /after (\d+)/.exec(child.output) ?? [];
    expect([child.exitCode, Number(after) < 1000], child.output).toEqual([0, true]);
    expect(server.seen).toHaveLength(2);
  }, 20_000);
});

test('the plugin itself can be started again: what is under way is sent again, what was asked for stays', async () => {
  let isSlow = true;
  const server = await serve((_seen, response) => (isSlow ? undefined : response.end('x')));
  const host = await fullHost({ schema: ANSWERS });
  await loadSkill(host, 'demo', MAIN, reach([server.host], 'answers'));
  await host.skills.call('demo', 'ask', { url: server.origin, context: 'before' });
  await until(() => server.open === 1);
  isSlow = false;
  await host.kernel.plugins.reload('http', createHttpPlugin());
  await host.skills.settled();
  await host.skills.call('demo', 'ask', { url: server.origin, context: 'after' });
  await until(() => kept(host).length === 2 && outbox(host) === 0);
  expect([kept(host).sort(), server.seen.length]).toEqual([['after', 'before'], 3]);
});

describe('in memory and in the library', () => {
  test('a request of a script waits for the transaction that is open', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const db = new GlyphCase(':memory:');
    afterTest(() => db.close());
    await db.execute(ANSWERS);
    await db.transaction(async () => {
      await db.executeLuaScript(`http.request({ url = "${server.origin}" }, function(r)
        glyphcase.insert("answers", { data = r.body }) end)`);
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(server.seen).toEqual([]);
    });
    await until(() => server.seen.length === 1);
    while ((await db.queryScalar('SELECT count(*) FROM answers')) === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe('a file that others lock', () => {
  test('an answer that cannot be stored yet is kept, and handled once', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const file = tempFile();
    const host = await fullHost({ file, schema: ANSWERS, busyTimeout: 20 });
    await loadSkill(host, 'demo', MAIN, reach([server.host], 'answers'));
    const other = new BetterSqlite3(file);
    afterTest(() => other.close());
    await host.skills.call('demo', 'ask', { url: server.origin });
    other.exec('BEGIN IMMEDIATE');
    await until(() => host.logger.lines.some(({ message }) => message.includes('could not be stored yet')));
    await host.clock.advance(500);
    expect(outbox(host)).toBe(1);
    other.exec('ROLLBACK');
    await host.clock.advance(250);
    await until(() => kept(host).length === 1);
    expect([outbox(host), server.seen.length]).toEqual([0, 1]);
  });

  test('a clock that was set back holds up nothing', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const host = await fullHost({ schema: ANSWERS });
    host.run(
      `INSERT INTO _skill_http(id, skill, request, callback, bytes, created_at, due_at) VALUES
       ('a', 'demo', '{"method":"GET","url":"${server.origin}/","headers":{},"timeoutMs":1000}', 'keep', 1, 0, ${host.clock.now() + 3_600_000})`,
    );
    await loadSkill(host, 'demo', MAIN, reach([server.host], 'answers'));
    await until(() => kept(host).length === 1);
  });
});

describe('two hosts on a file', () => {
  test('what a hook asks for in one is sent by the one that runs the skills, once', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const [file, dir] = [tempFile(), tempDir()];
    const main = `${MAIN}
      function before_insert(table_name, data) http.request({ url = "${server.origin}", context = data.what }, "keep") end`;
    const manifest = { permissions: { ...reach([server.host], 'answers').permissions, hooks: ['notes'] } };
    const schema = `${ANSWERS}; CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, what TEXT)`;
    const first = await fullHost({ file, dir, schema });
    await loadSkill(first, 'demo', main, manifest);
    const second = await fullHost({ file, dir, schema });
    await second.skills.load(join(dir, 'demo'));
    expect([first.lease.held, second.lease.held]).toEqual([true, false]);
    await second.db.exclusive(() => second.db.rows.insert('notes', { what: 'from the second' }));
    await second.clock.advance(1000);
    expect(server.seen).toEqual([]);
    await first.clock.advance(1000);
    await until(() => kept(first).length === 1);
    await second.clock.advance(1000);
    expect([kept(first), server.seen.length]).toEqual([['from the second'], 1]);
  });

  test('scripts of one host are not answered in the other; those of a host that is long gone are taken over', async () => {
    const server = await serve((_seen, response) => response.end('x'));
    const file = tempFile();
    const first = await fullHost({ file, schema: ANSWERS });
    const second = await fullHost({ file });
    await second.skills.execute(MAIN);
    first.run(
      `INSERT INTO _skill_http(id, skill, owner, request, callback, bytes, created_at, due_at) VALUES
       ('a', 'host_state', 'gone', '{"method":"GET","url":"${server.origin}/","headers":{},"timeoutMs":1000}', '', 1, ${second.clock.now()}, 0)`,
    );
    await second.clock.advance(1000);
    await second.skills.execute('return 1');
    expect(server.seen).toEqual([]);
    await second.close();
    const third = await fullHost({ file });
    await third.clock.advance(700_000);
    await third.skills.execute(MAIN);
    await third.clock.advance(300);
    await until(() => kept(third).length === 1);
    expect(server.seen).toHaveLength(1);
  });
});

test('through kill -9 no request is lost and no answer is handled twice', async () => {
  const file = tempFile();
  const dir = tempDir();
  const writer = new BetterSqlite3(file, { timeout: 5000 });
  afterTest(() => writer.close());
  writer.pragma('journal_mode = WAL');
  writer.exec(`${ANSWERS}; CREATE TABLE jobs(id INTEGER PRIMARY KEY)`);
  let answered = 0;
  const server = await serve(({ body }, response) => {
    answered += 1;
    setTimeout(() => response.end(body), Math.random() * 20);
  });
  // Slow enough in its callback to be killed between sending and having handled.
  const main = `
    function on_data_changed(t, op, row)
      http.request({ url = "${server.origin}", body = tostring(row.id), context = row.id }, "keep")
    end
    function keep(response, request)
      for i = 1, 20000 do local x = i * i end
      if response.ok then glyphcase.insert("answers", { data = response.body })
      else http.request({ url = "${server.origin}", body = tostring(request.context), context = request.context }, "keep") end
    end`;
  const { permissions } = reach([server.host], 'answers', 'jobs');
  writeSkill(dir, 'demo', main, { watches: ['jobs'], permissions });
  const script = hostScript(['capsule', 'batching', 'actions', 'lease', 'lua', 'skills', 'http']);
  const insert = writer.prepare('INSERT INTO jobs DEFAULT VALUES');
  const handled = (): number => writer.prepare('SELECT count(*) FROM answers').pluck().get() as number;
  let jobs = 0;
  let victim = startNode(script, file, dir);
  await until(() => victim.output.includes('ready true'));
  for (let round = 0; round < 3; round += 1) {
    const before = handled();
    const next = startNode(script, file, dir);
    await until(() => next.output.includes('ready'));
    for (let n = 0; n < 60; n += 1, jobs += 1) insert.run();
    await until(() => handled() > before + 10);
    victim.kill('SIGKILL');
    await victim.ended;
    victim = next;
  }
  victim.kill('SIGKILL');
  await victim.ended;
  const host = await fullHost({ file, dir, clock: systemClock });
  await until(() => host.lease.held);
  await until(() => handled() >= jobs && outbox(host) === 0, 20_000);
  expect(writer.prepare('SELECT count(*) AS n, count(DISTINCT data) AS jobs FROM answers').get()).toEqual({
    n: jobs,
    jobs,
  });
  // What was under way when a host died was sent again, under the same key.
  const keys = new Set(server.seen.map(({ headers }) => headers['idempotency-key']));
  expect(keys.size).toBe(jobs);
  expect(answered).toBeGreaterThanOrEqual(jobs);
  expect(writer.pragma('integrity_check', { simple: true })).toBe('ok');
}, 60_000);
