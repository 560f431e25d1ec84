/**
 * A plugin made ready to run, by whichever way its files can be loaded here.
 *
 * Invariant: making it ready runs nothing of it; `hash` is equal when, and only when, running it would do the same.
 */
import type { StackMapper } from './stack.ts';

export interface PluginBuild {
  /** Files inside the plugin's folder that it is made of, absolute; those of packages left out. */
  readonly inputs: readonly string[];
  readonly hash: string;
  readonly mapStack: StackMapper;
  /** Runs it, anew at every call, and returns what it exports. Throws what it throws. */
  run(): Promise<unknown>;
}
