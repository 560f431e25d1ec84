/** The hooks in a real page: Chromium shows them, the database is in this process, messages go between the two. */
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { GlyphCase } from '../sdk/index.ts';
import { GlyphCaseProvider, QuerySnapshot, useQuery } from '../sdk/react/index.ts';
import { bundle, chromiumPath, launch, openPage } from './82-react-support.ts';
import type { Opened, PageOptions } from './82-react-support.ts';
import { afterTest, sqlite3, tempFile, until } from './support.ts';

/** Changes of the counter while the page renders it. */
const UPDATES = 50;

let browser: Browser;
let script: string;
let db: GlyphCase;

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  beforeAll(async () => {
    [browser, script] = await Promise.all([launch(), bundle()]);
  }, 60_000);

  afterAll(() => browser.close());

  beforeEach(async () => {
    db = new GlyphCase(tempFile(), { capsule: { batchInterval: 0 } });
    afterTest(() => db.close());
    await db.execute(`
      CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT);
      WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 60)
      INSERT INTO tasks SELECT i, 'task ' || i FROM n;
      CREATE TABLE counter(value INTEGER);
      INSERT INTO counter VALUES (0);`);
    await db.flush();
  });

  const open = (options: Partial<PageOptions> = {}): Promise<Opened> => openPage(browser, db, { script, ...options });

  const textIs = (page: Page, selector: string, expected: string): Promise<unknown> =>
    page.waitForFunction(([at, wanted]) => document.querySelector(at!)?.textContent === wanted, [selector, expected], {
      timeout: 10_000,
    });

  const nothingIsOpen = (): Promise<void> =>
    until(() => db.stats().subscriptions.length === 0 && db.stats().watchers === 0);

  /** Shows the list, and waits until it is complete and has been counted. */
  async function withList(strict = false): Promise<Opened> {
    const opened = await open();
    await opened.page.evaluate((isStrict) => window.page.show('List', {}, isStrict), strict);
    await textIs(opened.page, '#status', 'success, 50 rows');
    return opened;
  }

  test('sqlite3 changes a row from another process, and that row alone renders again', async () => {
    const { page, complaints } = await withList();
    expect(await page.locator('li').count()).toBe(50);
    const first = await page.evaluate(() => ({ ...window.page.renders }));
    expect(
      Object.entries(first)
        .filter(([name]) => name.startsWith('row'))
        .every(([, times]) => times === 1),
    ).toBe(true);
    await page.evaluate(() => window.page.forget());
    sqlite3(db.filename, "UPDATE tasks SET title = 'changed outside' WHERE id = 17");
    const written = performance.now();
    await textIs(page, '#task-17', 'changed outside');
    const ms = performance.now() - written;
    expect(await page.evaluate(() => window.page.renders)).toEqual({ list: 1, 'row 17': 1 });
    expect(ms).toBeLessThan(10_000);
    // A row outside of the result renders nothing.
    await page.evaluate(() => window.page.forget());
    sqlite3(
      db.filename,
      "UPDATE tasks SET title = 'not shown' WHERE id = 55",
      "UPDATE tasks SET title = 'shown' WHERE id = 1",
    );
    await textIs(page, '#task-1', 'shown');
    expect(await page.evaluate(() => window.page.renders)).toEqual({ list: 1, 'row 1': 1 });
    expect(complaints).toEqual([]);
  });

  test('a component that goes ends its query', async () => {
    const { page } = await withList();
    expect(db.stats().subscriptions).toHaveLength(1);
    await page.evaluate(() => window.page.hide());
    await nothingIsOpen();
  });

  test('a page that is closed ends all of its queries', async () => {
    const { page } = await withList();
    await page.close();
    await nothingIsOpen();
  });

  test('StrictMode mounts twice, and there is one query', async () => {
    const { page, complaints } = await withList(true);
    expect(db.stats().subscriptions).toHaveLength(1);
    await page.evaluate(() => window.page.forget());
    await db.update('tasks', 3, { title: 'strictly' });
    await textIs(page, '#task-3', 'strictly');
    expect(Object.keys(await page.evaluate(() => window.page.renders)).sort()).toEqual(['list', 'row 3']);
    await page.evaluate(() => window.page.hide());
    await nothingIsOpen();
    expect(complaints).toEqual([]);
  });

  test('parameters are compared by value; other ones never show the rows of those before', async () => {
    const { page } = await open();
    await page.evaluate(() => window.page.show('ByTitle', { title: 'task 5', unrelated: 1 }));
    await textIs(page, '#found', 'task 5: 5 (1)');
    const id = db.stats().subscriptions[0]?.id;
    await page.evaluate(() => window.page.show('ByTitle', { title: 'task 5', unrelated: 2 }));
    await textIs(page, '#found', 'task 5: 5 (2)');
    expect(db.stats().subscriptions.map((one) => one.id)).toEqual([id]);
    await page.evaluate(() => window.page.show('ByTitle', { title: 'task 6', unrelated: 2 }));
    await textIs(page, '#found', 'task 6: 6 (2)');
    await until(() => db.stats().subscriptions.length === 1 && db.stats().subscriptions[0]?.id !== id);
    const { heard, errors } = await page.evaluate(() => ({ heard: window.page.heard, errors: window.page.errors }));
    expect([heard, errors]).toEqual([['pending task 5', 'pending task 6'], []]);
  });

  test('a row by its key is there, changes, goes and returns', async () => {
    const { page } = await open();
    await page.evaluate(() => window.page.show('Single', { id: 4 }));
    await textIs(page, '#single', 'task 4');
    await db.update('tasks', 4, { title: 'vier' });
    await textIs(page, '#single', 'vier');
    await db.delete('tasks', 4);
    await textIs(page, '#single', 'gone');
    await db.insert('tasks', { id: 4, title: 'again' });
    await textIs(page, '#single', 'again');
  });

  test('an error has its code, and goes when the table is back', async () => {
    const { page } = await withList();
    await db.execute('DROP TABLE tasks');
    await textIs(page, '#status', 'error GC_NO_SUCH_TABLE');
    await db.execute("CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT); INSERT INTO tasks VALUES (1, 'new')");
    await textIs(page, '#status', 'success, 1 rows');
    await textIs(page, '#task-1', 'new');
  });

  test('the latest handler is called, on one subscription', async () => {
    const { page } = await open();
    await page.evaluate(() => window.page.show('Watching', { tag: 'a' }, true));
    await textIs(page, '#watch', 'undefined GC_NO_SUCH_TABLE');
    await until(() => db.stats().subscriptions.length === 1);
    const id = db.stats().subscriptions[0]?.id;
    await page.evaluate(() => window.page.show('Watching', { tag: 'b' }, true));
    await page.evaluate(() => new Promise(requestAnimationFrame));
    await db.execute("UPDATE tasks SET title = 'x' WHERE id IN (1, 3)");
    await page.waitForFunction(() => window.page.heard.length > 0);
    expect(await page.evaluate(() => window.page.heard)).toEqual(['b UPDATE x']);
    expect(db.stats().subscriptions.map((one) => one.id)).toEqual([id]);
    await page.evaluate(() => window.page.hide());
    await nothingIsOpen();
  });

  test('actions: an answer, a listener, and nobody who listens', async () => {
    const heard: unknown[] = [];
    db.onAction('add', (payload) => {
      heard.push(payload);
      const { a, b } = payload as { readonly a: bigint; readonly b: number };
      return Number(a) + b;
    });
    const { page, complaints } = await open();
    await page.evaluate(() => window.page.show('Acting'));
    await textIs(page, '#acted', 'false undefined undefined');
    await page.click('#add');
    await textIs(page, '#acted', 'false 3 undefined');
    await page.click('#tell');
    await until(() => heard.length === 2);
    await page.click('#ask');
    await textIs(page, '#acted', 'false 3 GC_NO_SUCH_FUNCTION');
    expect(heard).toEqual([
      { a: 1n, b: 2 },
      { a: 5n, b: 5 },
    ]);
    expect(complaints).toEqual([]);
    expect(await page.evaluate(() => window.page.errors)).toEqual([]);
  });

  test('an action shows its latest call, though an earlier one ends later', async () => {
    let endSlow = (): void => undefined;
    db.onAction('race', (payload) =>
      payload === 'fast' ? payload : new Promise((resolve) => (endSlow = () => resolve(payload))),
    );
    const { page } = await open();
    await page.evaluate(() => window.page.show('Acting'));
    await page.click('#race');
    await textIs(page, '#raced', 'false fast');
    endSlow();
    // What comes after it on the channel has come, so it has too.
    db.onAction('add', () => 'later');
    await page.click('#add');
    await textIs(page, '#acted', 'false later undefined');
    expect(await page.textContent('#raced')).toBe('false fast');
  });

  describe('suspense', () => {
    const show = (page: Page, sql: string, strict = false): Promise<void> =>
      page.evaluate(
        ([text, isStrict]) => window.page.show('Suspended', { sql: text }, isStrict as boolean),
        [sql, strict],
      );

    test.each([false, true])('waits for the rows, then is current (StrictMode: %s)', async (strict) => {
      const { page } = await open();
      await show(page, 'SELECT count(*) AS n FROM tasks', strict);
      await textIs(page, '#rows', '[{"n":60}]');
      await db.delete('tasks', 1);
      await textIs(page, '#rows', '[{"n":59}]');
      expect(await page.locator('#wait').count()).toBe(0);
      await page.evaluate(() => window.page.hide());
      await nothingIsOpen();
    });

    test('a transition keeps what is shown until the new rows are there', async () => {
      const { page } = await open();
      await show(page, 'SELECT 1 AS a FROM counter');
      await textIs(page, '#rows', '[{"a":1}]');
      await page.evaluate(() => {
        const note = (): void => {
          if (document.querySelector('#wait') !== null) (window.page.errors as string[]).push('the fallback is shown');
        };
        new MutationObserver(note).observe(document.body, { subtree: true, childList: true });
        window.page.move('Suspended', { sql: 'SELECT 2 AS a FROM counter' });
      });
      await textIs(page, '#rows', '[{"a":2}]');
      expect(await page.evaluate(() => window.page.errors)).toEqual([]);
    });

    test('an error reaches the boundary, and its next attempt asks again', async () => {
      const { page } = await open();
      await show(page, 'SELECT id FROM later');
      await textIs(page, '#again', 'GC_NO_SUCH_TABLE');
      await page.click('#again');
      await textIs(page, '#again', 'GC_NO_SUCH_TABLE');
      await db.execute('CREATE TABLE later(id INTEGER PRIMARY KEY); INSERT INTO later VALUES (3)');
      await page.waitForTimeout(50);
      await page.click('#again');
      await textIs(page, '#rows', '[{"id":3}]');
      await db.execute('DROP TABLE later');
      await textIs(page, '#again', 'GC_NO_SUCH_TABLE');
      await page.evaluate(() => window.page.hide());
      await nothingIsOpen();
    });
  });

  test('components that show the same query never show different rows, however React interrupts them', async () => {
    const run = async (naive: boolean): Promise<Readonly<Record<string, number>>> => {
      await db.execute('UPDATE counter SET value = 0');
      const { page } = await open();
      await page.evaluate((isNaive) => window.page.show('Tearing', { naive: isNaive }), naive);
      await page.waitForFunction(() => (window.page.renders['ticks'] ?? 0) > 3);
      let seen = 0;
      for (let value = 1; value <= UPDATES; value += 1) {
        await db.execute('UPDATE counter SET value = ?', [value]);
        // At some moment of the next transition, however slow this machine is.
        await page.waitForFunction((ticks) => (window.page.renders['ticks'] ?? 0) > ticks, seen);
        seen = await page.evaluate(() => window.page.renders['ticks'] ?? 0);
        await new Promise((resolve) => setTimeout(resolve, value % 25));
      }
      await page.waitForFunction((last) => window.page.renders['latest'] === last, UPDATES);
      return page.evaluate(() => window.page.renders);
    };
    const renders = await run(false);
    expect(renders['tears'] ?? 0).toBe(0);
    expect(renders['looks']).toBeGreaterThan(UPDATES / 2);
    // Without useSyncExternalStore the same components do, so this would be seen.
    const naive = await run(true);
    expect(naive['tears']).toBeGreaterThan(0);
  }, 60_000);

  test('a page takes over what the server rendered, though rows have changed since', async () => {
    const snapshot = new QuerySnapshot();
    const List = () => {
      const { data } = useQuery<{ readonly id: number; readonly title: string }>(
        'SELECT id, title FROM tasks ORDER BY id LIMIT 50',
      );
      return createElement(
        'section',
        null,
        createElement('h1', null, 'Tasks'),
        createElement('p', { id: 'status' }, `success, ${data.length} rows`),
        createElement(
          'ol',
          null,
          ...data.map(({ id, title }) => createElement('li', { key: id, id: `task-${id}` }, title)),
        ),
      );
    };
    const html = renderToString(createElement(GlyphCaseProvider, { db, snapshot }, createElement(List)));
    await db.update('tasks', 2, { title: 'since then' });
    const { page, complaints } = await open({ html, rows: snapshot.toScript() });
    expect(await page.textContent('#task-2')).toBe('task 2');
    const before = await page.evaluateHandle(() => document.querySelector('#task-9'));
    await page.evaluate(() => window.page.hydrate('List'));
    await textIs(page, '#task-2', 'since then');
    expect(await page.evaluate((element) => element === document.querySelector('#task-9'), before)).toBe(true);
    expect([complaints, await page.evaluate(() => window.page.errors)]).toEqual([[], []]);
  });

  test('a channel that closes is an error, and a new source begins again', async () => {
    const { page } = await withList();
    await page.evaluate(() => window.page.disconnect());
    await textIs(page, '#status', 'error GC_CLOSED');
    await page.evaluate(() => {
      window.page.reconnect();
      window.page.show('List');
    });
    await textIs(page, '#status', 'success, 50 rows');
  });

  test('a source that goes on over another channel renders what changed meanwhile, and nothing else', async () => {
    const { page } = await withList();
    await page.evaluate(() => window.page.forget());
    await db.execute("UPDATE tasks SET title = 'meanwhile' WHERE id = 3");
    await textIs(page, '#task-3', 'meanwhile');
    await page.evaluate(() => {
      window.page.forget();
      window.page.renew();
    });
    await db.execute("UPDATE tasks SET title = 'over the other one' WHERE id = 4");
    await textIs(page, '#task-4', 'over the other one');
    expect(await page.evaluate(() => window.page.renders)).toEqual({ list: 1, 'row 4': 1 });
  });
});
