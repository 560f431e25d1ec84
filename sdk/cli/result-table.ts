/**
 * A result on the terminal, drawn over itself whenever it changes.
 *
 * Invariant: never more lines than the screen has, because what has scrolled away cannot be drawn over.
 */
import type { Row } from '../../kernel/database/types.ts';
import { valueText } from './changes.ts';
import { count, paint, printable, table } from './output.ts';

/** Beside the rows: the head, the line below, and where the cursor is left. */
const OTHER_LINES = 3;
const FEWEST_ROWS = 5;

export class ResultTable {
  readonly #stream: NodeJS.WriteStream;
  #drawn = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(rows: readonly Row[]): void {
    const lines = this.#lines(rows);
    const up = this.#drawn === 0 ? '' : `\u001B[${this.#drawn}A\r`;
    // Each line is cleared as it is written, and what is left of a longer table below: no flicker.
    this.#stream.write(`${up}${lines.map((line) => `${line}\u001B[K\n`).join('')}\u001B[J`);
    this.#drawn = lines.length;
  }

  #lines(rows: readonly Row[]): readonly string[] {
    const room = Math.max(FEWEST_ROWS, this.#stream.rows - OTHER_LINES);
    const shown = rows.slice(0, room);
    const names = Object.keys(shown[0] ?? {});
    const numbers = names.flatMap((name, index) => (shown.every((row) => isNumber(row[name])) ? [index] : []));
    const body = table({
      head: names.map(printable),
      rows: shown.map((row) =>
        names.map((name) => (typeof row[name] === 'string' ? printable(row[name]) : valueText(row[name]))),
      ),
      right: numbers,
    });
    const more = rows.length > shown.length ? `, ${rows.length - shown.length} not shown` : '';
    return [...(names.length === 0 ? [] : body), paint('dim', `${count(rows.length, 'row')}${more}`)];
  }
}

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint' || value === null;
