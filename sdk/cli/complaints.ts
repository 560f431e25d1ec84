/** A logger that shows what a command's host complains of, on stderr; the rest of what it says is for nobody here. */
import type { Logger } from '../../kernel/logger.ts';
import { note, paint, printable } from './output.ts';

const nothing = (): void => {};

export const complaints: Logger = {
  debug: nothing,
  info: nothing,
  warn: (message) => note(`${paint('yellow', 'warning:', process.stderr)} ${printable(message)}`),
  error: (message) => note(`${paint('red', 'error:', process.stderr)} ${printable(message)}`),
};
