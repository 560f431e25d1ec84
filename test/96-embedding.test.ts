/** The host programs of docs/embedding.md, run as they stand there: a service, a host in a worker thread, a script. */
import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { connectLiveSource } from '../sdk/channel.ts';
import { environment, layPrograms, programsOf, runProgram } from './92-docs-support.ts';
import { afterTest, sqlite3, startProgram, tempDir, until } from './support.ts';
import type { Program } from './support.ts';

const DOCUMENT = 'docs/embedding.md';

/** A folder with the programs of the document. */
function folderWithPrograms(): string {
  const folder = realpathSync(tempDir());
  layPrograms(DOCUMENT, folder);
  return folder;
}

/** Starts a program there. */
const run = (folder: string, file: string, { args = [] as readonly string[], env = {} } = {}): Program =>
  startProgram(process.execPath, [file, ...args], { cwd: folder, env: { ...environment, ...env } });

describe('the HTTP service', () => {
  async function startService() {
    const folder = folderWithPrograms();
    const program = run(folder, 'service.ts', { env: { PORT: '0' } });
    await until(() => program.output.stdout.includes('\n'));
    const url = program.output.stdout.trim();
    const post = (body: unknown) => fetch(`${url}/tasks`, { method: 'POST', body: JSON.stringify(body) });
    return { ...program, url, post, file: join(folder, 'tasks.db') };
  }

  /** Listens to the stream; `rows` are those of every message so far. */
  async function listen(url: string) {
    const gone = new AbortController();
    afterTest(() => gone.abort());
    const response = await fetch(`${url}/tasks/open`, { signal: gone.signal });
    const messages: string[][] = [];
    const read = async (): Promise<void> => {
      let text = '';
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const parts = (text + chunk).split('\n\n');
        text = parts.pop() ?? '';
        for (const part of parts) {
          const rows = JSON.parse(part.replace(/^data: /, '')) as { title: string }[];
          messages.push(rows.map(({ title }) => title));
        }
      }
    };
    const over = read().catch(() => undefined);
    return { messages, over, type: response.headers.get('content-type'), leave: () => gone.abort() };
  }

  test('answers queries, takes writes, and refuses what is the client’s mistake', async () => {
    const { url, post } = await startService();
    const added = await post({ title: 'write' });
    expect([added.status, await added.json()]).toEqual([201, { id: 1 }]);
    const done = await fetch(`${url}/tasks/1/done`, { method: 'PUT' });
    expect(done.status).toBe(204);
    expect((await fetch(`${url}/tasks/2/done`, { method: 'PUT' })).status).toBe(404);
    expect(await (await fetch(`${url}/tasks`)).json()).toEqual([{ id: 1, title: 'write', done: 1 }]);
    expect(await (await fetch(`${url}/summary`)).json()).toEqual({ tasks: 1 });
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
    const wrong = await post({});
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { code: 'GC_CONSTRAINT' }]);
  });

  test('streams what changes, whoever changes it, and ends by itself on SIGTERM while clients are listening', async () => {
    const { url, post, file, child, ended, output } = await startService();
    const [first, second] = await Promise.all([listen(url), listen(url)]);
    expect(first.type).toMatch(/^text\/event-stream/);
    await until(() => first.messages.length === 1 && second.messages.length === 1);
    await post({ title: 'write' });
    await until(() => first.messages.at(-1)?.join() === 'write');
    second.leave();
    sqlite3(file, "INSERT INTO tasks (title) VALUES ('read')");
    await until(() => first.messages.at(-1)?.join() === 'write,read');

    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    await first.over;
    expect(output.stderr).toBe('');
    expect(readdirSync(join(file, '..')).filter((name) => name.startsWith('tasks.db'))).toEqual(['tasks.db']);
    expect(sqlite3(file, 'SELECT group_concat(title) FROM tasks').trim()).toBe('write,read');
  });

  test('answers the request that is under way when it is told to stop', async () => {
    const { post, child, ended } = await startService();
    const answers = Array.from({ length: 20 }, (_, index) => post({ title: `task ${index}` }));
    await answers[0];
    child.kill('SIGINT');
    const statuses = await Promise.all(
      answers.map((answer) =>
        answer.then(
          ({ status }) => status,
          () => 'refused',
        ),
      ),
    );
    expect(statuses.filter((status) => status !== 201 && status !== 'refused')).toEqual([]);
    expect(await ended).toBe(0);
  });
});

describe('the host in a worker thread', () => {
  test('shows rows, takes writes by an action, and both threads end', async () => {
    const folder = folderWithPrograms();
    const { code, stdout, stderr } = await runProgram(join(folder, 'split/main.ts'), folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const documented = programsOf(DOCUMENT).find(({ file }) => file === 'split/main.ts')?.prints;
    expect(stdout.trim()).toBe(documented);
    expect(readdirSync(folder).filter((name) => name.startsWith('tasks.db'))).toEqual(['tasks.db']);
  });
});

test('whoever is connected to a worker that dies is told: queries are errors, calls are refused', async () => {
  const folder = folderWithPrograms();
  const workerData = { file: join(folder, 'tasks.db') };
  const worker = new Worker(join(folder, 'split/host.ts'), { workerData, env: environment });
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ window: port2 }, [port2]);
  const source = connectLiveSource(port1);
  afterTest(() => port1.close());
  const tasks = source.observe({ sql: 'SELECT id, title FROM tasks' });
  afterTest(tasks.subscribe(() => undefined));
  await tasks.settled();
  expect(tasks.getSnapshot()).toMatchObject({ status: 'success', rows: [] });
  await expect(source.request('task:add', {})).rejects.toMatchObject({
    code: 'GC_HANDLER_FAILED',
    message: 'A task needs a title',
  });
  await worker.terminate();
  await until(() => tasks.getSnapshot().status === 'error');
  expect(tasks.getSnapshot()).toMatchObject({ rows: [], error: { code: 'GC_CLOSED' } });
  await expect(source.request('task:add', { title: 'write' })).rejects.toMatchObject({ code: 'GC_CLOSED' });
});

describe('the script', () => {
  async function importLines(folder: string, lines: string, ...args: readonly string[]) {
    const { child, output, ended } = run(folder, 'import-tasks.ts', { args });
    child.stdin.end(lines);
    return { code: await ended, ...output };
  }

  test('imports and exits by itself', async () => {
    const folder = folderWithPrograms();
    expect(await importLines(folder, 'write\nread\n\n', 'tasks.db')).toEqual({
      code: 0,
      stdout: '2 new, 2 in all\n',
      stderr: '',
    });
    expect(await importLines(folder, 'rest', 'tasks.db')).toMatchObject({ code: 0, stdout: '1 new, 3 in all\n' });
  });

  test('says what is wrong, exits with 1, and closes the database all the same', async () => {
    const folder = folderWithPrograms();
    expect(await importLines(folder, 'write')).toMatchObject({ code: 1, stderr: expect.stringContaining('usage') });
    const twice = await importLines(folder, 'write\nwrite', 'tasks.db');
    expect(twice).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('UNIQUE constraint') });
    expect(readdirSync(folder).filter((name) => name.startsWith('tasks.db'))).toEqual(['tasks.db']);
  });
});
