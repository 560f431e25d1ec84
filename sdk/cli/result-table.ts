/**
 * The rows of a result as the lines of a table that fits a screen.
 *
 * Invariants: no more lines and columns than there is room for, and what is left out is counted; nothing in a cell can act on
 * the terminal, whatever the data are.
 */
import type { Row } from '../../kernel/database/types.ts';
import { valueText } from './changes.ts';
import { count, printable, shorten, visibleLength } from './output.ts';
import type { paint } from './output.ts';
import type { Size } from './screen.ts';

export type Style = Parameters<typeof paint>[0];

/** Gives a text a style. */
export type Painter = (style: Style, text: string) => string;

/** A row that is new, or the columns in which it changed. */
export type Mark = 'new' | readonly string[];

export interface TableView {
  readonly rows: readonly Row[];
  /** The columns, in order. */
  readonly names: readonly string[];
  /** Of rows that are not as they were. */
  readonly marks: ReadonlyMap<Row, Mark>;
}

/** Columns that stay on the screen have at least that much of it. */
const NARROWEST = 6;
const GAP = 2;
const GUTTER = 2;
/** No screen shows more of a text, so no more of it is looked at. */
const LONGEST = 2000;

export function tableLines(view: TableView, size: Size, paint: Painter): readonly string[] {
  const { rows, names, marks } = view;
  if (names.length === 0 || size.rows < 1) return [];
  const { columns, shown } = whatFits(view, size);
  const texts = shown.map((row) => columns.map((name) => cellText(row[name])));
  const heads = columns.map((name) => printable(name.slice(0, LONGEST)));
  const widths = fitted(
    heads.map((head, at) => Math.max(visibleLength(head), ...texts.map((line) => visibleLength(line[at] ?? '')))),
    size.columns - GUTTER,
  );
  const cells = columns.map((name, at): Cell => {
    const isRight = shown.length > 0 && shown.every((row) => isNumber(row[name]));
    return { width: widths[at] ?? 0, isRight };
  });
  const head = heads.map((text, at) => cellOf(text, cells[at] as Cell, 'dim', paint));
  const lines = shown.map((row, index) => {
    const mark = marks.get(row);
    const line = columns.map((name, at) =>
      cellOf(texts[index]?.[at] ?? '', cells[at] as Cell, styleOf(row[name], name, mark), paint),
    );
    return lineOf(signOf(mark, paint), line);
  });
  const more = leftOut(rows.length - shown.length, names.length - columns.length);
  const last = more === '' ? [] : [paint('dim', shorten(more, size.columns))];
  return [lineOf(' ', head), ...lines, ...last].slice(0, size.rows);
}

interface Cell {
  readonly width: number;
  /** Numbers stand to the right. */
  readonly isRight: boolean;
}

/** As many columns as are readable, and rows below the head; a line is kept for what is left out. */
function whatFits({ rows, names }: TableView, size: Size): { columns: readonly string[]; shown: readonly Row[] } {
  const columns = names.slice(0, Math.max(1, Math.floor((size.columns - GUTTER + GAP) / (NARROWEST + GAP))));
  const isWhole = rows.length < size.rows && columns.length === names.length;
  return { columns, shown: rows.slice(0, Math.max(0, isWhole ? rows.length : size.rows - 2)) };
}

function leftOut(rows: number, columns: number): string {
  const parts = [
    ...(rows > 0 ? [count(rows, 'more row')] : []),
    ...(columns > 0 ? [count(columns, 'more column')] : []),
  ];
  return parts.length === 0 ? '' : `  … ${parts.join(', ')}`;
}

const lineOf = (sign: string, cells: readonly string[]): string => `${sign} ${cells.join(' '.repeat(GAP))}`.trimEnd();

function cellOf(text: string, { width, isRight }: Cell, style: Style | undefined, paint: Painter): string {
  const cut = shorten(text, width);
  const padding = ' '.repeat(Math.max(0, width - visibleLength(cut)));
  const cell = style === undefined || cut === '' ? cut : paint(style, cut);
  return isRight ? padding + cell : cell + padding;
}

function styleOf(value: unknown, name: string, mark: Mark | undefined): Style | undefined {
  if (mark === 'new' || mark?.includes(name) === true) return 'bold';
  return value === null ? 'dim' : undefined;
}

function signOf(mark: Mark | undefined, paint: Painter): string {
  if (mark === undefined) return ' ';
  return mark === 'new' ? paint('green', '+') : paint('yellow', '~');
}

/** Texts as they are, other values as SQL writes them; a long one is cut by whoever shows it. */
function cellText(value: unknown): string {
  return typeof value === 'string' ? printable(value.slice(0, LONGEST)) : valueText(value, LONGEST);
}

/** Widths that together with the gaps fit into the room; the widest give way first. */
function fitted(widths: readonly number[], room: number): readonly number[] {
  let left = room - GAP * (widths.length - 1);
  const sorted = widths.toSorted((a, b) => a - b);
  for (const [index, width] of sorted.entries()) {
    const share = Math.floor(left / (sorted.length - index));
    if (width > share) return widths.map((one) => Math.min(one, Math.max(1, share)));
    left -= width;
  }
  return widths;
}

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint' || value === null;
