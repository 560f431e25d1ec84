/**
 * `db.ready`: waits for everything that starts with a host.
 *
 * Invariant: who closes before that is told so by GC_CLOSED if they wait, and by nothing at all if they do not.
 */
import { GlyphError } from '../kernel/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { SkillsService } from '../plugins/skills/types.ts';
import type { PluginFiles } from './plugin-files/plugin-files.ts';
import type { StartReport } from './types.ts';

export interface ReadyOptions {
  /** When the constructor was called, on the clock of `performance.now()`. */
  readonly started: number;
  /** Whether this host has the service `skills`. */
  readonly skills: boolean;
  readonly isClosing: () => boolean;
  /** Ends the host. */
  readonly close: () => Promise<void>;
  /** The plugins that come from files. */
  readonly files: PluginFiles;
}

/**
 * Resolves once every plugin and skill has started, or said why not.
 *
 * @throws GC_CLOSED when it is closed before that; GC_PLUGIN_FAILED for a plugin with `onFailure: 'abort'`, and it is closed then
 */
export function whenReady(
  { db, plugins }: Pick<Kernel, 'db' | 'plugins'>,
  options: ReadyOptions,
): Promise<StartReport> {
  const assertOpen = (): void => {
    if (options.isClosing()) throw closedError(db);
  };
  const start = async (): Promise<StartReport> => {
    await options.files.ready();
    await plugins.ready();
    assertOpen();
    const aborted = plugins.aborted();
    if (aborted !== undefined) {
      await options.close();
      throw aborted;
    }
    const skills = options.skills ? plugins.use<SkillsService>('skills') : undefined;
    await skills?.ready();
    assertOpen();
    const ms = performance.now() - options.started;
    return { plugins: options.files.reports(plugins.list()), skills: skills?.list() ?? [], ms };
  };
  const ready = start();
  // Not everybody waits for it, and a rejection that nobody handles would end the process.
  ready.catch(() => undefined);
  return ready;
}

export const closedError = ({ filename }: { readonly filename: string }): GlyphError =>
  new GlyphError('GC_CLOSED', `The database ${filename} is closed`);
