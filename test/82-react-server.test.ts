/** Hooks where there is no page: what is wrong with their use, and rendering on a server. */
import { createElement as h, StrictMode } from 'react';
import type { ReactNode } from 'react';
import { renderToPipeableStream, renderToString } from 'react-dom/server';
import { Writable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import {
  GlyphCaseProvider,
  liveSource,
  QuerySnapshot,
  useAction,
  useQuery,
  useRow,
  useWatch,
} from '../sdk/react/index.ts';
import { afterTest, fakeClock } from './support.ts';

let db: GlyphCase;

beforeEach(async () => {
  db = new GlyphCase(':memory:', { capsule: { batchInterval: 0 } });
  afterTest(() => db.close());
  await db.execute(`
    CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT, big INTEGER);
    INSERT INTO tasks VALUES (1, 'one', 9007199254740993), (2, '</script><b>\u2028', 2);`);
});

/** A component that only calls a hook. */
const calling = (hook: () => unknown) => () => {
  hook();
  return null;
};

const inProvider = (node: ReactNode): ReactNode => h(GlyphCaseProvider, { db }, node);

describe('wrong use', () => {
  test('a provider without a database, or with two', () => {
    expect(() => renderToString(h(GlyphCaseProvider, {}))).toThrow(
      expect.objectContaining({ code: 'GC_BAD_ARGUMENT' }),
    );
    expect(() => renderToString(h(GlyphCaseProvider, { db, source: liveSource(db) }))).toThrow(
      'either a db or a source',
    );
  });

  test.each([
    ['useQuery', () => useQuery('SELECT 1')],
    ['useRow', () => useRow('tasks', 1)],
    ['useWatch', () => useWatch('tasks', () => undefined)],
    ['useAction', () => useAction('x')],
  ])('%s without a provider', (name, hook) => {
    expect(() => renderToString(h(calling(hook)))).toThrow(
      `${name}() is called in a component that has no <GlyphCaseProvider>`,
    );
  });

  test.each([
    () => useQuery(undefined as never),
    () => useRow(5 as never, 1),
    () => useWatch('tasks', undefined as never),
    () => useAction(undefined as never),
  ])('arguments of another kind: %s', (hook) => {
    expect(() => renderToString(inProvider(h(calling(hook))))).toThrow(
      expect.objectContaining({ code: 'GC_BAD_ARGUMENT' }),
    );
  });
});

interface Task {
  readonly id: number;
  readonly title: string;
  readonly big: number | bigint;
}

const SELECT = 'SELECT * FROM tasks WHERE id < ? ORDER BY id';

function List(): ReactNode {
  const { data, status, isPending } = useQuery<Task>(SELECT, [9]);
  const { data: row } = useRow<Task>('tasks', 1);
  const { data: gone, isSuccess } = useRow<Task>('tasks', 99);
  const isGone = gone === undefined && isSuccess;
  const bad = useQuery('SELECT * FROM nowhere');
  const asked = useQuery('SELECT 1', [], { enabled: false, suspense: true });
  const titles = data.map(({ title }) => title).join();
  return `${status} ${isPending} ${titles}; ${String(row?.big)}; gone: ${isGone}; ${String(bad.error?.code)}; ${asked.status}`;
}

const EXPECTED =
  'success false one,&lt;/script&gt;&lt;b&gt;\u2028; 9007199254740993; gone: true; GC_NO_SUCH_TABLE; pending';

describe('on a server', () => {
  test('the rows are in the page', () => {
    expect(renderToString(inProvider(h(List)))).toBe(EXPECTED);
    expect(renderToString(inProvider(h(StrictMode, null, h(List))))).toBe(EXPECTED);
  });

  test('they are in a stream too, and suspense has nothing to wait for', async () => {
    const Suspending = () => useQuery<Task>(SELECT, [2], { suspense: true }).data[0]?.title;
    let html = '';
    await new Promise<void>((resolve) => {
      const sink = new Writable({
        write(chunk, _, done) {
          html += String(chunk);
          done();
        },
      }).on('finish', resolve);
      const stream = renderToPipeableStream(inProvider(h(Suspending)), { onAllReady: () => stream.pipe(sink) });
    });
    expect(html).toBe('one');
  });

  test('nothing stays open', async () => {
    const clock = fakeClock();
    renderToString(h(GlyphCaseProvider, { source: liveSource(db, { timers: clock }) }, h(List)));
    expect(db.stats().subscriptions).toHaveLength(3);
    await clock.advance(1000);
    expect([db.stats().subscriptions.length, db.stats().watchers]).toEqual([0, 0]);
    // The query whose table is not there.
    expect(clock.pending).toBe(0);
  });

  test('a snapshot has the rows that were rendered, safe to stand in a script', () => {
    const snapshot = new QuerySnapshot();
    renderToString(h(GlyphCaseProvider, { db, snapshot }, h(List)));
    const script = snapshot.toScript();
    expect(script).not.toMatch(/<|\u2028/);
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- as a page does
    const written: unknown = new Function(`return ${script}`)();
    const page = QuerySnapshot.from(written);
    const empty = new GlyphCase(':memory:');
    afterTest(() => empty.close());
    const html = renderToString(h(GlyphCaseProvider, { db: empty, snapshot: page }, h(List)));
    expect(html).toBe(EXPECTED);
  });

  test('a snapshot of a page takes nothing in', () => {
    const page = QuerySnapshot.from({});
    renderToString(h(GlyphCaseProvider, { db, snapshot: page }, h(List)));
    expect(page.toScript()).toBe('{}');
  });

  test('what is wrong with it is thrown when it should suspend', () => {
    const Bad = calling(() => useQuery('SELECT * FROM nowhere', [], { suspense: true }));
    expect(() => renderToString(inProvider(h(Bad)))).toThrow(expect.objectContaining({ code: 'GC_NO_SUCH_TABLE' }));
  });
});
