/** What a host does to the process it runs in: nothing that stays, nothing that is heard, nothing that is global. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import type { Logger } from '../sdk/index.ts';
import { environment } from './92-docs-support.ts';
import { afterTest, startProgram, tempDir, until } from './support.ts';
import type { Program } from './support.ts';

interface Held {
  readonly files: readonly string[];
  readonly threads: number;
}

/** Starts one of the programs beside this file. */
const run = (program: string, ...args: readonly string[]): Program =>
  startProgram(process.execPath, [join(import.meta.dirname, '96-embedding', program), ...args], { env: environment });

describe('a process that opened and closed hosts', () => {
  test('is as it was: listeners, timers, files, threads, global names; silent; and ends', async () => {
    const { output, ended } = run('quiet.ts', tempDir());
    expect({ code: await ended, stderr: output.stderr }).toEqual({ code: 0, stderr: '' });
    const { before, once, twice, states } = JSON.parse(output.stdout) as Record<'before' | 'once' | 'twice', Held> & {
      states: readonly string[];
    };
    expect(new Set(states)).toContain('active');
    // Node.js itself keeps one for the watching of files, for good, once any part of a program has watched one.
    const watching = 'anon_inode:inotify';
    expect({ ...once, files: once.files.filter((file) => file !== watching) }).toEqual(before);
    expect(once.files.filter((file) => file === watching).length).toBeLessThanOrEqual(1);
    expect(twice).toEqual(once);
  });
});

describe('a process that never closes its host', () => {
  test.each(['writes', 'memory', 'rejections'])('%s: ends by itself, in silence', async (what) => {
    const { output, ended } = run('end.ts', what, tempDir());
    expect({ code: await ended, ...output }).toEqual({ code: 0, stdout: 'done\n', stderr: '' });
  });

  test.each(['subscriptions', 'skill'])('%s: stays, because others may write', async (what) => {
    const { child, output } = run('end.ts', what, tempDir());
    await until(() => output.stdout === 'done\n');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(child.exitCode).toBeNull();
    expect(output.stderr).toBe('');
  });
});

describe('the logger', () => {
  type Entry = readonly [level: string, message: string, keys: readonly string[]];

  /** Like pino's and winston's: its methods need their object. */
  class Collected implements Logger {
    readonly entries: Entry[] = [];
    readonly #add = (level: string, message: string, fields: object = {}): void =>
      void this.entries.push([level, message, Object.keys(fields)]);
    debug(message: string, fields?: object): void {
      this.#add('debug', message, fields);
    }
    info(message: string, fields?: object): void {
      this.#add('info', message, fields);
    }
    warn(message: string, fields?: object): void {
      this.#add('warn', message, fields);
    }
    error(message: string, fields?: object): void {
      this.#add('error', message, fields);
    }
  }

  async function fail(logger: Logger): Promise<void> {
    await using db = new GlyphCase(':memory:', { logger, capsule: { batchInterval: 0 } });
    await db.execute('CREATE TABLE tasks (id INTEGER PRIMARY KEY)');
    db.subscribe(db.watch('tasks'), () => {
      throw new Error('no paper in the printer');
    });
    await db.insert('tasks', {});
    await db.flush();
  }

  test('refuses what is none', () => {
    expect(() => new GlyphCase(':memory:', { logger: 'console' as never })).toThrow(
      expect.objectContaining({ code: 'GC_BAD_OPTION' }),
    );
  });

  test('is told of failures, with fields, as a method of its object', async () => {
    const logger = new Collected();
    await fail(logger);
    const errors = logger.entries.filter(([level]) => level === 'error');
    expect(errors).toEqual([
      ['error', expect.stringContaining('no paper in the printer'), expect.arrayContaining(['error'])],
    ]);
  });

  test('may be the console', async () => {
    const said: unknown[] = [];
    const { error } = console;
    console.error = (...values: unknown[]) => void said.push(values[0]);
    afterTest(() => (console.error = error));
    await fail(console);
    expect(said).toEqual([expect.stringContaining('no paper in the printer')]);
  });
});

describe('several hosts in one process', () => {
  const open = (file: string): GlyphCase => {
    const db = new GlyphCase(file, { capsule: { batchInterval: 0 } });
    afterTest(() => db.close());
    return db;
  };
  const collect = (db: GlyphCase): string[] => {
    const seen: string[] = [];
    db.subscribe(db.watch('tasks'), (events) => {
      for (const { newData, source } of events) seen.push(`${String(newData?.['title'])} ${source}`);
    });
    return seen;
  };
  const TABLE = 'CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT)';

  test('on different files know nothing of each other', async () => {
    const [one, other] = [open(join(tempDir(), 'one.db')), open(':memory:')];
    for (const db of [one, other]) await db.execute(TABLE);
    const seen = [collect(one), collect(other)];
    const heard: unknown[] = [];
    other.onAction('*', (payload) => heard.push(payload));
    await one.insert('tasks', { title: 'write' });
    expect(one.dispatch('note', 1)).toBe(0);
    await Promise.all([one.flush(), other.flush()]);
    expect({ seen, heard }).toEqual({ seen: [['write host'], []], heard: [] });
    await one.close();
    await other.insert('tasks', { title: 'read' });
    await other.flush();
    expect(seen[1]).toEqual(['read host']);
  });

  test('on the same file see each other’s changes, and one that closes leaves the other its own', async () => {
    const file = join(tempDir(), 'app.db');
    const [one, other] = [open(file), open(file)];
    await one.execute(TABLE);
    const seen = [collect(one), collect(other)];
    await one.insert('tasks', { title: 'write' });
    await other.insert('tasks', { title: 'read' });
    await Promise.all([one.flush(), other.flush()]);
    expect(seen).toEqual([
      ['write host', 'read host'],
      ['write host', 'read host'],
    ]);
    await one.close();
    await other.insert('tasks', { title: 'rest' });
    await other.flush();
    expect(seen.map((texts) => texts.length)).toEqual([2, 3]);
    await expect(one.query('SELECT 1')).rejects.toMatchObject({ code: 'GC_CLOSED' });
  });
});
