/**
 * A terminal for tests: a real pseudo-terminal in which a program runs, and what its screen then shows.
 *
 * The screen knows no more than the table of a live query needs; any other sequence is kept in `unknown`.
 */
import { execPath } from 'node:process';
import { visibleLength } from '../sdk/cli/output.ts';
import { start, until } from './support.ts';

/** Runs argv in a pseudo-terminal of that size; resizes it, and types, as the lines of JSON on stdin say. */
const PTY = `
import fcntl, json, os, pty, select, signal, struct, sys, termios
size = lambda fd, rows, columns: fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    size(0, int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
while True:
    ready = select.select([fd, 0], [], [])[0]
    if fd in ready:
        try: data = os.read(fd, 65536)
        except OSError: break
        if not data: break
        os.write(1, data)
    if 0 in ready:
        line = sys.stdin.readline()
        if not line: break
        command = json.loads(line)
        if 'resize' in command: size(fd, *command['resize'])
        else: os.write(fd, command['keys'].encode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** Around what a terminal is to show at once. */
const [BEGIN, END] = ['\u001B[?2026h', '\u001B[?2026l'];

/** What a screen shows after some output; lines wrap, and what leaves at the top is gone. */
export class Display {
  readonly #columns: number;
  readonly #rows: number;
  #lines: string[][] = [[]];
  #at = { row: 0, column: 0 };
  #wraps = true;
  isCursorVisible = true;
  readonly unknown: string[] = [];

  constructor(rows: number, columns: number) {
    this.#rows = rows;
    this.#columns = columns;
  }

  get lines(): readonly string[] {
    return this.#lines.map((line) =>
      Array.from(line, (cell) => cell)
        .join('')
        .trimEnd(),
    );
  }

  /** Where the cursor is, from 0. */
  get cursor(): { readonly row: number; readonly column: number } {
    return this.#at;
  }

  feed(output: string): this {
    // eslint-disable-next-line no-control-regex
    for (const [part] of output.matchAll(/\u001B\[[0-9;?]*[A-Za-z]|\u001B.|[^]/gu)) this.#one(part);
    return this;
  }

  #one(part: string): void {
    const at = this.#at;
    if (part === '\r') at.column = 0;
    else if (part === '\n') this.#down();
    else if (part.startsWith('\u001B')) this.#sequence(part.slice(1));
    else if (part < ' ' || (part >= '\u007F' && part <= '\u009F')) this.unknown.push(part);
    else this.#put(part);
  }

  #sequence(sequence: string): void {
    const at = this.#at;
    const line = this.#lines[at.row] as string[];
    if (/^\[\d+A$/.test(sequence)) at.row = Math.max(0, at.row - Number.parseInt(sequence.slice(1), 10));
    else if (sequence === '[K') line.length = Math.min(line.length, at.column);
    else if (sequence === '[J') {
      line.length = Math.min(line.length, at.column);
      this.#lines.length = at.row + 1;
    } else if (sequence.startsWith('[?7')) this.#wraps = sequence.endsWith('h');
    else if (sequence.startsWith('[?25')) this.isCursorVisible = sequence.endsWith('h');
    else if (!sequence.startsWith('[?2026') && !/^\[[0-9;]*m$/.test(sequence)) this.unknown.push(sequence);
  }

  #put(character: string): void {
    const width = visibleLength(character);
    if (this.#at.column + width > this.#columns) {
      if (this.#wraps) {
        this.#down();
        this.#at.column = 0;
      } else this.#at.column = this.#columns - width;
    }
    const line = this.#lines[this.#at.row] as string[];
    while (line.length < this.#at.column) line.push(' ');
    line.splice(this.#at.column, width, character, ...(width === 2 ? [''] : []));
    this.#at.column += width;
  }

  #down(): void {
    this.#at.row += 1;
    if (this.#at.row === this.#lines.length) this.#lines.push([]);
    if (this.#lines.length <= this.#rows) return;
    this.#lines.shift();
    this.#at.row -= 1;
  }
}

export interface InTerminal {
  /** All that was written. */
  readonly output: string;
  /** The program's exit code. */
  readonly ended: Promise<number | null>;
  /** What is on the screen, if it had this size from the start. */
  display(): Display;
  shows(text: string | RegExp): Promise<void>;
  resize(rows: number, columns: number): void;
  type(keys: string): void;
}

/** Starts Node with these arguments in a terminal. */
export function inTerminal(
  args: readonly string[],
  {
    rows = 24,
    columns = 80,
    env = {},
  }: { rows?: number; columns?: number; env?: Readonly<Record<string, string>> } = {},
): InTerminal {
  const settings = Object.entries({ TERM: 'xterm-256color', ...env }).map(([name, value]) => `${name}=${value}`);
  const program = ['env', '-u', 'NO_COLOR', '-u', 'FORCE_COLOR', '-u', 'CI', ...settings, execPath, ...args];
  const child = start('python3', ['-c', PTY, String(rows), String(columns), ...program]);
  let size = { rows, columns };
  const send = (command: object): void => void child.stdin?.write(`${JSON.stringify(command)}\n`);
  const display = (): Display => new Display(size.rows, size.columns).feed(child.output);
  return {
    get output() {
      return child.output;
    },
    ended: child.ended,
    display,
    async shows(text) {
      const isShown = (): boolean => {
        const shown = display().lines.join('\n');
        return typeof text === 'string' ? shown.includes(text) : text.test(shown);
      };
      // A drawing that has begun is to be complete.
      const isWhole = (): boolean => child.output.lastIndexOf(BEGIN) <= child.output.lastIndexOf(END);
      await until(() => (isShown() && isWhole()) || child.exitCode !== null).catch(() => undefined);
      if (!isShown()) throw new Error(`"${String(text)}" is not on the screen:\n${display().lines.join('\n')}`);
    },
    resize(nextRows, nextColumns) {
      size = { rows: nextRows, columns: nextColumns };
      send({ resize: [nextRows, nextColumns] });
    },
    type: (keys) => send({ keys }),
  };
}
