/** How a live query is laid out on a screen, and drawn over what stood there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Row } from '../kernel/database/types.ts';
import type { ChangeEvent } from '../plugins/capsule/types.ts';
import { printable, shorten, visibleLength } from '../sdk/cli/output.ts';
import { QueryView } from '../sdk/cli/query-view.ts';
import { tableLines } from '../sdk/cli/result-table.ts';
import type { Painter, TableView } from '../sdk/cli/result-table.ts';
import { Screen } from '../sdk/cli/screen.ts';
import { Display } from './80-live-terminal.ts';

const plain: Painter = (_, text) => text;
/** `<bold:text>` for what is bold. */
const tagged: Painter = (style, text) => `<${String(style)}:${text}>`;

function table(rows: readonly Row[], { columns = 80, lines = 24, marks = new Map() as TableView['marks'] } = {}) {
  return tableLines({ rows, names: Object.keys(rows[0] ?? {}), marks }, { columns, rows: lines }, plain);
}

describe('a table', () => {
  test('shows each kind of value', () => {
    const rows: Row[] = [
      { n: 1.5, big: 9007199254740993n, text: 'a\nb\tc', blob: new Uint8Array([1, 255]), none: null },
      { n: -20, big: 7, text: '', blob: new Uint8Array(100), none: null },
    ];
    expect(table(rows)).toEqual([
      '    n               big  text     blob                              none',
      "  1.5  9007199254740993  a\\nb\\tc  x'01ff'                           NULL",
      "  -20                 7           x'0000000000000000…' (100 bytes)  NULL",
    ]);
  });

  test('aligns by the columns that characters take', () => {
    const texts = ['漢字', 'é', 'é', '🎉', '🇩🇪', '👩‍👩‍👧', '©', 'zero\u200Bwidth', '𠀀'];
    const lines = table(texts.map((text) => ({ text, end: '|' })));
    expect(new Set(lines.slice(1).map((line) => visibleLength(line))).size).toBe(1);
    expect(texts.map(visibleLength)).toEqual([4, 1, 1, 2, 2, 2, 1, 9, 2]);
  });

  test('cuts the widest cells first, then leaves out columns, and never is too wide', () => {
    const row = { id: 1, short: 'abc', long: 'x'.repeat(5000), other: '漢'.repeat(50) };
    expect(table([row], { columns: 40 })[1]).toBe('   1  abc    xxxxxxxxxxx…  漢漢漢漢漢…');
    const wide = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`column_${at}`, `value ${at}`]));
    for (let columns = 1; columns < 120; columns += 1) {
      for (const line of [...table([row], { columns }), ...table([wide, wide], { columns })])
        expect(visibleLength(line)).toBeLessThanOrEqual(Math.max(columns, 3));
    }
    expect(table([wide], { columns: 40 }).at(-1)).toBe('  … 25 more columns');
  });

  test('is never too high', () => {
    const rows = Array.from({ length: 20 }, (_, id) => ({ id }));
    for (let lines = 0; lines <= 25; lines += 1) expect(table(rows, { lines }).length).toBe(Math.min(lines, 21));
    expect(table(rows, { lines: 21 }).at(-1)).toBe('  19');
    expect(table(rows, { lines: 20 }).at(-1)).toBe('  … 2 more rows');
    expect(table([{ id: 1 }, { id: 2 }], { lines: 2 })).toEqual(['  id', '  … 2 more rows']);
  });

  test('lets no control sequence of the data through', () => {
    const evil = '\u001B[2J\u009B31m\u001B]0;title\u0007\r\u0008\u007F\u202E\u2028';
    const lines = table([{ [`name${evil}`]: `text${evil}`, json: { [evil]: evil } }]);
    expect(lines.join('')).toMatch(/^[\u0020-\u007E…]*$/u);
    expect(lines[1]).toContain('text');
  });

  test('marks rows that are new, and the cells of others that changed', () => {
    const rows = [
      { a: 1, b: null },
      { a: 2, b: null },
      { a: 3, b: null },
    ];
    const marks = new Map<Row, 'new' | readonly string[]>([
      [rows[0] as Row, 'new'],
      [rows[1] as Row, ['a']],
    ]);
    expect(tableLines({ rows, names: ['a', 'b'], marks }, { columns: 80, rows: 24 }, tagged)).toEqual([
      '  <dim:a>     <dim:b>',
      '<green:+> <bold:1>  <bold:NULL>',
      '<yellow:~> <bold:2>  <dim:NULL>',
      '  3  <dim:NULL>',
    ]);
  });
});

describe('texts', () => {
  test('are cut between characters as one sees them', () => {
    expect(shorten('👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧', 5)).toBe('👩‍👩‍👧👩‍👩‍👧…');
    expect(shorten('abc', 3)).toBe('abc');
    expect(shorten('abcd', 1)).toBe('…');
    expect(shorten('漢字', 3)).toBe('漢…');
  });

  test('show what they hide', () => {
    expect(printable('a\u202Eb\u0000\u0085')).toBe('a\\u202eb\\x00\\x85');
  });
});

describe('a view', () => {
  const size = { columns: 60, rows: 10 };
  const at = new Date(2026, 0, 2, 3, 4, 5);
  const event = (fields: Partial<ChangeEvent>): ChangeEvent => ({ timestamp: at, ...fields }) as ChangeEvent;

  test('tells of the query how many rows, how, and since when', () => {
    const view = new QueryView(' SELECT\n  x  FROM t ', ['x']);
    const rows = [{ x: 1 }, { x: 2 }];
    view.changed([event({ operation: 'INSERT', newData: rows[0] as Row })], rows, 're-run', at);
    expect(view.lines(size, plain)).toEqual([
      'SELECT x FROM t',
      '2 rows · re-run · no change since 03:04:05',
      '  x',
      '  1',
      '  2',
    ]);
    const now = [{ x: 3 }];
    const [newData = {}] = now;
    view.changed(
      [event({ operation: 'DELETE' }), event({ operation: 'UPDATE', newData, changedColumns: ['x'] })],
      now,
      'incremental',
      at,
    );
    expect(view.lines(size, plain).slice(1)).toEqual([
      '1 row · incremental · changed 03:04:05 (1 changed, 1 gone)',
      '  x',
      '~ 3',
    ]);
    // A row that only moved is not marked, and one that was is not any more.
    view.changed([event({ operation: 'UPDATE', newData, changedColumns: [] })], now, 'incremental', at);
    expect(view.lines(size, plain).at(-1)).toBe('  3');
  });

  test('looks as docs/cli.md shows it', () => {
    const page = readFileSync(join(import.meta.dirname, '../docs/cli.md'), 'utf8');
    const example = /<!-- fragment -->\n```text\n(SELECT [^]*?)\n```/.exec(page)?.[1]?.split('\n') ?? [];
    const [gone, fresh, paid] = [
      { status: 'gone', n: 1 },
      { status: 'new', n: 1 },
      { status: 'paid', n: 1 },
    ] as const;
    const view = new QueryView(example[0] ?? '', ['status', 'n']);
    view.changed([], [gone, { ...fresh, n: 2 }], 'incremental', at);
    view.changed(
      [
        event({
          operation: 'UPDATE',
          newData: fresh,
          changedColumns: ['n'],
          timestamp: new Date(2026, 0, 2, 14, 3, 22),
        }),
        event({ operation: 'INSERT', newData: paid, timestamp: new Date(2026, 0, 2, 14, 3, 22) }),
      ],
      [gone, fresh, paid],
      'incremental',
      at,
    );
    expect(view.lines({ columns: 80, rows: 24 }, plain)).toEqual(example);
  });

  test('has a head when there are no rows, and columns as the statement orders them', () => {
    const view = new QueryView('SELECT b, 1', ['b', '1']);
    view.changed([], [], 're-run', at);
    expect(view.lines(size, plain).slice(1)).toEqual(['0 rows · re-run · no change since 03:04:05', '  b  1']);
    view.changed([], [{ 1: 1, b: 2, added: 3 }], 're-run', at);
    expect(view.lines(size, plain).slice(2)).toEqual(['  b  1  added', '  2  1      3']);
  });

  test('shows a problem in place of rows', () => {
    const view = new QueryView('SELECT x FROM t', ['x']);
    view.changed([], [{ x: 1 }], 're-run', at);
    view.failed('no such\u001B[2J table: t', at);
    expect(view.lines(size, plain)).toEqual([
      'SELECT x FROM t',
      'cannot be run since 03:04:05: no such table: t',
      'Its rows come back when it can be run again.',
    ]);
    view.changed([], [], 're-run', at);
    expect(view.lines(size, plain)).toHaveLength(2);
  });
});

describe('a screen', () => {
  function terminal(rows: number, columns: number) {
    const written: string[] = [];
    return { rows, columns, written, write: (text: string) => written.push(text) };
  }

  test('writes only the lines that are other ones, in one piece', () => {
    const stream = terminal(10, 20);
    const screen = new Screen(stream);
    const display = new Display(10, 20);
    display.feed('$ command\r\n');
    for (const lines of [['a', 'b', 'c'], ['a', 'B', 'c'], ['a', 'B', 'c'], ['a'], ['a', 'x', 'y', 'z']]) {
      const before = stream.written.length;
      screen.draw(lines);
      display.feed(stream.written.slice(before).join(''));
      expect(display.lines).toEqual(['$ command', ...lines, '']);
      expect(display.isCursorVisible).toBe(true);
    }
    expect(stream.written).toHaveLength(4);
    expect(stream.written[1]).toContain('B');
    expect(stream.written[1]).not.toContain('c');
    expect(display.unknown).toEqual([]);
  });

  test('cuts what would scroll or wrap, also of a terminal that has no size', () => {
    const stream = terminal(4, 10);
    const screen = new Screen(stream);
    screen.draw(['0123456789', '1', '2', '3', '4']);
    expect(new Display(4, 10).feed(stream.written.join('')).lines).toEqual(['01234567…', '1', '2', '']);
    expect(new Screen(terminal(0, 0)).size).toEqual({ columns: 79, rows: 23 });
  });

  test('takes the lines away that a narrower terminal has wrapped', () => {
    const stream = { ...terminal(10, 20) };
    const screen = new Screen(stream);
    screen.draw(['0123456789012345', 'short']);
    stream.columns = 10;
    // As the terminal shows it then.
    const display = new Display(10, 10).feed('$ command\r\n0123456789\r\n012345\r\nshort\r\n');
    const before = stream.written.length;
    screen.resized();
    screen.draw(['012345678', 'short']);
    expect(display.feed(stream.written.slice(before).join('')).lines).toEqual(['$ command', '012345678', 'short', '']);
  });

  test('makes room for something else, and leaves what it drew', () => {
    const stream = terminal(10, 20);
    const screen = new Screen(stream);
    expect(screen.erase()).toBe(false);
    screen.draw(['a', 'b']);
    expect(screen.erase()).toBe(true);
    stream.write('warning\r\n');
    screen.draw(['a', 'b']);
    screen.forget();
    screen.draw(['c']);
    stream.write('^C');
    screen.end();
    screen.end();
    expect(new Display(10, 20).feed(stream.written.join('')).lines).toEqual(['warning', 'a', 'b', 'c', '']);
  });
});
