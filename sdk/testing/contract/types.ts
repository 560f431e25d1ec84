/** What `runPluginContract` takes and tells. */
import type { StandIns } from '../providers.ts';
import type { TestHost } from '../test-host.ts';

export interface PluginContractOptions {
  /** The plugin's options, when its defaults are not enough to run it. */
  readonly config?: unknown;
  /** Objects that stand in for services that no built-in plugin provides. */
  readonly services?: StandIns;
  /** How often it is reloaded. @defaultValue 20 */
  readonly rounds?: number;
  /** Path of the SQLite file it runs on. @defaultValue ':memory:' */
  readonly db?: string;
  /** SQL to run before the plugin is loaded, such as the tables it works with. */
  readonly schema?: string;
  /** Puts the plugin to use, after every start and reload: what it holds only then is checked too. */
  readonly exercise?: (host: TestHost) => void | Promise<void>;
  /** Whether a plugin that breaks the contract is an error. @defaultValue true */
  readonly throws?: boolean;
}

/** Name of a check of the contract. */
export type PluginCheckName =
  | 'definition'
  | 'activates'
  | 'deactivates'
  | 'cleans-up'
  | 'reloads'
  | 'is-freed'
  | 'bad-config'
  | 'without-optional'
  | 'late-optional'
  | 'failed-activation'
  | 'hung-activation'
  | 'hung-deactivation'
  | 'silent'
  | 'process-untouched'
  | 'no-handles';

export interface PluginCheck {
  readonly name: PluginCheckName;
  /** What a plugin that passes does, in a sentence. */
  readonly sentence: string;
  readonly ok: boolean;
  /** True when there was nothing to check, or no way to; `message` says why. */
  readonly skipped: boolean;
  /** What is wrong, in sentences, or why it was skipped. */
  readonly message?: string;
  readonly ms: number;
}

export interface PluginContractReport {
  readonly plugin: string;
  readonly version: string;
  /** Whether every check that was made has passed. */
  readonly ok: boolean;
  readonly checks: readonly PluginCheck[];
  readonly ms: number;
}
