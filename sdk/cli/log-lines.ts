/** How a line of a log looks on the terminal. */
import { clockTime, paint, printable } from './output.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

const COLOUR = { debug: 'dim', info: 'white', warn: 'yellow', error: 'red' } as const;

/** `14:03:22 order-totals warn  the message`, with the skill or plugin it is about; more lines of one message are indented below the first. */
export function logLine(line: {
  readonly skill?: string;
  readonly plugin?: string;
  readonly at: number;
  readonly level: Level;
  readonly message: string;
}): string {
  const time = paint('dim', clockTime(new Date(line.at)));
  const about = line.skill ?? line.plugin;
  const who = about === undefined ? '' : `${paint('cyan', printable(about))} `;
  const word = line.level === 'info' ? '' : `${paint(COLOUR[line.level], line.level)} `;
  const [first = '', ...rest] = line.message.trimEnd().replaceAll('\t', ' ').split('\n').map(printable);
  return [`${time} ${who}${word}${first}`, ...rest.map((text) => `         ${text}`)].join('\n');
}
