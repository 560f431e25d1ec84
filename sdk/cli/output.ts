/**
 * What the command line prints, and how it looks.
 *
 * Invariants: results go to stdout, everything about them (progress, notes, errors) to stderr; colours and cut-off lines are
 * for terminals only, so a pipe gets plain, whole text; NO_COLOR is honoured (https://no-color.org).
 */
import { stripVTControlCharacters, styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];
type Stream = NodeJS.WriteStream;

/** Text in a style when `stream` shows colours, else the text as it is. */
export function paint(style: Style, text: string, stream: Stream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** One line of the result. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** One line for the person at the terminal, which is no part of the result. */
export function note(line = ''): void {
  process.stderr.write(`${line}\n`);
}

/** Shows what takes a moment, while it takes it; only on a terminal. Call what it returns when it is done. */
export function progress(text: string): () => void {
  if (!process.stderr.isTTY) return () => {};
  process.stderr.write(paint('dim', `${text} …`, process.stderr));
  return () => process.stderr.write('\r\u001B[2K');
}

/** A value as one line of JSON; see {@link toJson} for what JSON has no word for. */
export function printJson(value: unknown): void {
  print(jsonText(value));
}

/** A value as indented JSON. */
export function printPrettyJson(value: unknown): void {
  print(jsonText(value, 2));
}

/** A value as JSON that no terminal takes for a command: JSON leaves DEL, C1 and direction marks as they are. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(toJson(value), null, indent).replace(UNSAFE_IN_JSON, (character) => `\\u${hex(character, 4)}`);
}

/**
 * Makes SQLite's values fit JSON: an integer beyond ±(2^53−1) becomes `{"$bigint":"…"}`, a BLOB `{"$blob":"<hex>"}`, an
 * infinite REAL `{"$real":"Infinity"}`, a date ISO-8601 text.
 */
export function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (typeof value === 'number' && !Number.isFinite(value)) return { $real: String(value) };
  if (value instanceof Uint8Array) return { $blob: Buffer.from(value).toString('hex').toUpperCase() };
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Error) return { message: value.message, ...('code' in value ? { code: value.code } : {}) };
  if (value instanceof Set) return [...value].map(toJson);
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
}

/** Columns the stream shows; unlimited when it is no terminal. */
export function widthOf(stream: Stream = process.stdout): number {
  return stream.isTTY ? Math.max(40, stream.columns) : Infinity;
}

/** Graphemes that take two columns: wide East Asian ones, emoji, and signs that a variation selector turns into emoji. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE10-\uFE19\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}|\uFE0F/u;
const INVISIBLE = /^[\p{M}\p{Default_Ignorable_Code_Point}]*$/u;

let segmenter: Intl.Segmenter | undefined;

/** Characters as one sees them. Made when first needed: that takes 10 ms, and most of what is printed is ASCII. */
function* graphemesOf(text: string): Iterable<string> {
  segmenter ??= new Intl.Segmenter();
  for (const { segment } of segmenter.segment(text)) yield segment;
}

/** Columns a text takes on the screen: East Asian characters and emoji take two, combining marks none. */
export function visibleLength(text: string): number {
  const plain = stripVTControlCharacters(text);
  if (/^[\x20-\x7E]*$/.test(plain)) return plain.length;
  let length = 0;
  for (const grapheme of graphemesOf(plain)) length += columnsOf(grapheme);
  return length;
}

const columnsOf = (grapheme: string): number => (INVISIBLE.test(grapheme) ? 0 : WIDE.test(grapheme) ? 2 : 1);

/** Controls, line ends, and the marks that let a text run backwards, by which a line can be made to show what it does not say. */
const CONTROLS = '\\p{Cc}\\u2028\\u2029\\u061C\\u200E\\u200F\\u202A-\\u202E\\u2066-\\u2069';
const UNPRINTABLE = new RegExp(`[${CONTROLS}]`, 'gu');
/** Not the line ends of indented JSON; in its texts they are escaped already. */
const UNSAFE_IN_JSON = new RegExp(`(?!\\n)[${CONTROLS}]`, 'gu');

/** A text without what could move the cursor, recolour the terminal or reverse a line: data come from anybody. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(UNPRINTABLE, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return character.charCodeAt(0) < 0x100 ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`;
  });
}

const hex = (character: string, digits: number): string => character.charCodeAt(0).toString(16).padStart(digits, '0');

/** A text of at most `width` columns, the last an ellipsis when it was longer. */
export function shorten(text: string, width: number): string {
  if (visibleLength(text) <= width) return text;
  let room = Math.max(0, width - 1);
  let cut = '';
  for (const grapheme of graphemesOf(text)) {
    room -= columnsOf(grapheme);
    if (room < 0) break;
    cut += grapheme;
  }
  return `${cut}…`;
}

export interface TableOptions {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns that are numbers, by index. */
  readonly right?: readonly number[];
  /** The column that gives way when the terminal is too narrow, by index; the last one unless told. */
  readonly flexible?: number;
  /** Spaces before each line. */
  readonly indent?: number;
}

/** Lines of a table: a dim head, columns as wide as their content. Cells may be painted. */
export function table({
  head,
  rows,
  right = [],
  flexible = head.length - 1,
  indent = 0,
}: TableOptions): readonly string[] {
  const widths = head.map((title, index) =>
    Math.max(visibleLength(title), ...rows.map((row) => visibleLength(row[index] ?? ''))),
  );
  const excess = widths.reduce((sum, width) => sum + width + 2, indent - 2) - widthOf();
  const flexibleWidth = widths[flexible] ?? 0;
  if (excess > 0) widths[flexible] = Math.max(12, flexibleWidth - excess);
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, index) => {
      const width = widths[index] ?? 0;
      const fitting = visibleLength(cell) > width ? shorten(stripVTControlCharacters(cell), width) : cell;
      const padding = ' '.repeat(width - visibleLength(fitting));
      return right.includes(index) ? padding + fitting : fitting + padding;
    });
    return `${' '.repeat(indent)}${padded.join('  ')}`.trimEnd();
  };
  return [paint('dim', line(head)), ...rows.map(line)];
}

/** Bytes as a person reads them. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit] ?? 'B'}`;
}

/** A number of milliseconds as a person reads it. */
export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 90) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`;
}

/** `1 change`, `2 changes`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? noun : plural}`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026-11-22`, local. */
export function localDay(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The time of day, local. */
export function clockTime(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
