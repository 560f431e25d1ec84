/** Where GlyphCase reports to. The library is silent unless a logger is passed; the command line passes one that prints. */

/** The part of console, pino and winston that GlyphCase uses. `fields` are plain data for machines. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const nothing = (): void => {};

/** Says nothing; the library's default. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
