/**
 * Errors that reach the process because nobody caught them: of a plain timer, an event handler or a promise of a plugin's own.
 *
 * Invariant: an error whose stack leads into a plugin's file stops that plugin and nothing else; any other ends the host, in
 * words, and after the database has been closed.
 */
import { dirname, resolve } from 'node:path';
import { messageOf } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import { isInside } from '../plugin-files/source.ts';
import { placesOf } from '../plugin-files/stack.ts';
import { explain, report } from './errors.ts';
import { isFolder } from './paths.ts';
import { placeText, withPlace } from './places.ts';

/** A plugin, and the file or folder it lies in. */
export interface PluginPlace {
  readonly name: string;
  readonly path: string;
}

export interface StrayOptions {
  readonly logger: Logger;
  readonly plugins: () => readonly PluginPlace[];
  /** Stops a plugin; false when it was not running. */
  crashed(name: string, what: string, error: unknown): boolean;
}

/** What is caught from now on. */
export interface Strays {
  /** Resolves with the first error that is no plugin's. */
  readonly fatal: Promise<{ readonly error: unknown }>;
  close(): void;
}

/** How long after the host's end it is still listened, in ms: longer than the process takes to end. */
const LINGER_MS = 1000;

const WHAT = {
  uncaughtException: 'a timer or event handler of its own',
  unhandledRejection: 'a promise that nobody waited for',
};

/** Begins to catch what nobody else does. */
export function catchStrays(options: StrayOptions): Strays {
  const { promise: fatal, resolve: end } = Promise.withResolvers<{ readonly error: unknown }>();
  /** What has been said of plugins that go on failing after they were stopped. */
  const said = new Set<string>();
  let isOver = false;
  const caught = (error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => {
    if (isOver) return;
    const name = culprit(error, options.plugins());
    if (name === undefined) end({ error });
    else blame(name, error, origin);
  };
  const blame = (name: string, error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => {
    if (options.crashed(name, WHAT[origin], error)) return;
    const message = `plugin '${name}' does not run, but ${WHAT[origin]} goes on until the host ends: ${messageOf(error)}`;
    if (said.has(message)) return;
    said.add(message);
    options.logger.error(message, { plugin: name, error });
  };
  const rejected = (error: unknown): void => caught(error, 'unhandledRejection');
  process.on('uncaughtException', caught).on('unhandledRejection', rejected);
  return {
    fatal,
    close() {
      isOver = true;
      // What a plugin has left behind may still throw while the process ends.
      const leave = (): void => void process.off('uncaughtException', caught).off('unhandledRejection', rejected);
      setTimeout(leave, LINGER_MS).unref();
    },
  };
}

/** Says that an error nobody caught ends the host. */
export function reportStray(error: unknown): void {
  const isOurs = placeText(error) === undefined && [...placesOf(error)].length > 0;
  if (isOurs) report(error);
  else
    explain(
      withPlace(`an error that nobody caught ends the host: ${messageOf(error)}`, error),
      'It does not tell which plugin it comes from. Errors of what a plugin begins through ctx, such as ctx.timeout, do.',
    );
}

/** The plugin whose file is the innermost in the error's stack; of a file that several may share, the only one beside it. */
export function culprit(error: unknown, plugins: readonly PluginPlace[]): string | undefined {
  const files = [...placesOf(error)].map(({ file }) => file);
  const located = plugins.map(({ name, path }) => ({ name, path: resolve(path) }));
  for (const file of files) {
    const [own] = located.filter(({ path }) => isInside(path, file)).sort((a, b) => b.path.length - a.path.length);
    if (own !== undefined) return own.name;
  }
  const singles = located.filter(({ path }) => !isFolder(path));
  for (const file of files) {
    const beside = singles.filter(({ path }) => isInside(dirname(path), file) && !file.includes('node_modules'));
    if (beside.length === 1) return beside[0]?.name;
  }
  return undefined;
}
