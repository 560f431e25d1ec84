/**
 * What the terminal shows of a live query: the text, how it stands, and the rows.
 *
 * Invariant: it shows the result of the last difference it was told of, or, while there is none, why.
 */
import type { Row } from '../../kernel/database/types.ts';
import type { ChangeEvent, Explanation } from '../../plugins/capsule/types.ts';
import { clockTime, count, printable, shorten } from './output.ts';
import { tableLines } from './result-table.ts';
import type { Mark, Painter, Style, TableView } from './result-table.ts';
import type { Size } from './screen.ts';

export class QueryView {
  readonly #text: string;
  #names: readonly string[];
  #rows: readonly Row[] = [];
  #marks: TableView['marks'] = new Map();
  /** How it stands, as far as that does not depend on the number of rows. */
  #state: readonly string[] = [];
  #problem: { readonly message: string; readonly since: Date } | undefined;
  #isFirst = true;

  /** @param names the columns of the result, as they are before there is a row to tell. */
  constructor(sql: string, names: readonly string[]) {
    this.#text = printable(sql.trim().replace(/\s+/g, ' '));
    this.#names = [...new Set(names)];
  }

  /** @param now for a result in which nothing happened. */
  changed(events: readonly ChangeEvent[], rows: readonly Row[], mode: Explanation['mode'], now: Date): void {
    const when = clockTime(events.at(-1)?.timestamp ?? now);
    this.#marks = this.#isFirst ? new Map() : marksOf(events);
    this.#state = [mode, this.#isFirst ? `no change since ${when}` : `changed ${when}${tally(events)}`];
    this.#rows = rows;
    this.#names = namesOf(rows[0], this.#names);
    this.#problem = undefined;
    this.#isFirst = false;
  }

  /** There is no result at present. */
  failed(message: string, since: Date): void {
    this.#problem = { message: printable(message), since };
    this.#rows = [];
    this.#names = [];
  }

  lines(size: Size, paint: Painter): readonly string[] {
    const line = (style: Style, text: string): string => paint(style, shorten(text, size.columns));
    const title = line('bold', this.#text);
    if (this.#problem !== undefined) {
      const { message, since } = this.#problem;
      return [
        title,
        line('red', `cannot be run since ${clockTime(since)}: ${message}`),
        line('dim', 'Its rows come back when it can be run again.'),
      ];
    }
    const state = [count(this.#rows.length, 'row'), ...this.#state].join(' · ');
    const room = { ...size, rows: size.rows - 2 };
    const view = { rows: this.#rows, names: this.#names, marks: this.#marks };
    return [title, line('dim', state), ...tableLines(view, room, paint)];
  }
}

function marksOf(events: readonly ChangeEvent[]): TableView['marks'] {
  const marks = new Map<Row, Mark>();
  for (const { operation, newData, changedColumns = [] } of events) {
    if (newData === undefined) continue;
    if (operation === 'INSERT') marks.set(newData, 'new');
    else if (changedColumns.length > 0) marks.set(newData, changedColumns);
  }
  return marks;
}

/** ` (1 new, 2 changed, 3 gone)` */
function tally(events: readonly ChangeEvent[]): string {
  const words = { INSERT: 'new', UPDATE: 'changed', DELETE: 'gone' } as const;
  const parts = (['INSERT', 'UPDATE', 'DELETE'] as const).flatMap((operation) => {
    const number = events.filter((event) => event.operation === operation).length;
    return number === 0 ? [] : [`${number.toLocaleString('en')} ${words[operation]}`];
  });
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** As the statement has them, because a JavaScript object puts `1` before `a`; what a schema change brought comes last. */
function namesOf(row: Row | undefined, known: readonly string[]): readonly string[] {
  if (row === undefined) return known;
  const still = known.filter((name) => name in row);
  return [...still, ...Object.keys(row).filter((name) => !still.includes(name))];
}
