/**
 * The last lines of a terminal, drawn over themselves.
 *
 * Invariants: a drawing never has more lines than the screen, nor a line that reaches its edge, because what has scrolled away
 * or wrapped cannot be drawn over; only lines that changed are written, in one piece; the cursor is visible between drawings,
 * so however the program ends, the terminal is as it was.
 */
import { shorten, visibleLength } from './output.ts';

const ESC = '\u001B[';
/** The terminal shows all of a frame at once, without a cursor running through it, and wraps nothing (if we mistook a width). */
const BEGIN = `${ESC}?2026h${ESC}?25l${ESC}?7l`;
const END = `${ESC}?7h${ESC}?25h${ESC}?2026l`;
const TO_LINE_END = `${ESC}K`;
const NEXT = '\r\n';
const ALL_BELOW = `${ESC}J`;
/** Of a terminal that does not tell. */
const USUAL_SIZE = { columns: 80, rows: 24 };

/** What of a terminal's stream is needed. */
export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
}

/** How much room a drawing has. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export class Screen {
  readonly #terminal: Terminal;
  #drawn: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** One line is for the cursor, and one column stays free: there a terminal waits with the wrap. */
  get size(): Size {
    const { columns, rows } = this.#terminal;
    return {
      columns: Math.max(1, (columns > 0 ? columns : USUAL_SIZE.columns) - 1),
      rows: Math.max(1, (rows > 0 ? rows : USUAL_SIZE.rows) - 1),
    };
  }

  /** Shows these lines in place of those drawn before. Plain lines that are too long are cut; painted ones have to fit. */
  draw(wanted: readonly string[]): void {
    const { columns, rows } = this.size;
    const lines = wanted.slice(0, rows).map((line) => (visibleLength(line) > columns ? shorten(line, columns) : line));
    const before = this.#drawn;
    if (lines.length === before.length && lines.every((line, index) => line === before[index])) return;
    const body = lines.map((line, index) => (line === before[index] ? NEXT : `${line}${TO_LINE_END}${NEXT}`)).join('');
    const rest = lines.length < before.length ? ALL_BELOW : '';
    this.#terminal.write(`${BEGIN}${up(before.length)}${body}${rest}${END}`);
    this.#drawn = lines;
  }

  /** Takes the drawing away, so that something else can be printed in its place. False when there is none. */
  erase(): boolean {
    if (this.#drawn.length === 0) return false;
    this.#terminal.write(`${up(this.#drawn.length)}${ALL_BELOW}`);
    this.#drawn = [];
    return true;
  }

  /** The terminal has another size. Most wrap anew what is on them, so the drawing may now take more lines. */
  resized(): void {
    const { columns, rows } = this.size;
    const wrapped = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(visibleLength(line) / (columns + 1))),
      0,
    );
    if (wrapped > 0) this.#terminal.write(`${up(Math.min(wrapped, rows))}${ALL_BELOW}`);
    this.#drawn = [];
  }

  /** Leaves the drawing where it is: the next one comes below. */
  forget(): void {
    this.#drawn = [];
  }

  /** Leaves the drawing, and the cursor at the start of the line below, where the terminal may have shown a `^C`. */
  end(): void {
    if (this.#drawn.length > 0) this.#terminal.write(`\r${TO_LINE_END}`);
    this.forget();
  }
}

const up = (lines: number): string => (lines === 0 ? '\r' : `${ESC}${lines}A\r`);
