/**
 * What would become of plugins in a host, without starting them: the state of each, and why.
 *
 * The plugin host itself answers, given definitions that only pretend: they offer what they provide, and do nothing.
 * Invariant: the plugins' files are run, because only that tells what they are; their `activate` is not.
 */
import { createKernel } from '../../kernel/kernel.ts';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import type { PluginHost } from '../../kernel/plugins/host.ts';
import type { LoadTimings, PluginDefinition, Versions } from '../../kernel/plugins/types.ts';
import { builtinDefinitions } from '../builtin.ts';
import { VERSION } from '../version.ts';
import { evaluated } from './bring-in.ts';
import { inFile } from './errors.ts';
import { preparePluginFile } from './load.ts';

/** A plugin in a file, what it took to load, and what a host would make of it. */
export interface Surveyed extends LoadTimings {
  /** Undefined when the file cannot be loaded. */
  readonly name?: string;
  readonly version?: string;
  readonly file: string;
  /** `ready` would start; the others are the states it would be in. */
  readonly state: 'ready' | 'waiting' | 'incompatible' | 'failed';
  /** Why it is not `ready`, in sentences. */
  readonly reasons: readonly string[];
  readonly provides: Versions;
  readonly requires: Versions;
  readonly optional: Versions;
  /** Names of the commands it adds to `glyphcase`. */
  readonly commands: readonly string[];
}

/** Loads the plugins at these paths and tells what a host with the built-in ones would make of them together. */
export async function survey(paths: readonly string[]): Promise<readonly Surveyed[]> {
  const kernel = createKernel({ filename: ':memory:', version: VERSION });
  try {
    kernel.plugins.loadAll(builtinDefinitions().map(pretending));
    const files = new Map<string, string>();
    const found = await Promise.all(paths.map((path) => tryToLoad(path)));
    const admitted = found.map((one) => admit(one, kernel.plugins, files));
    await kernel.plugins.ready();
    return admitted.map((one) => tellOf(one, kernel.plugins));
  } finally {
    await kernel.close();
  }
}

interface Found {
  readonly path: string;
  readonly definition?: PluginDefinition;
  readonly measured?: LoadTimings;
  readonly error?: Error;
}

async function tryToLoad(path: string): Promise<Found> {
  try {
    const { definition, measured } = await evaluated(await preparePluginFile(path));
    return { path, definition, measured };
  } catch (error) {
    return { path, error: inFile(path, error) };
  }
}

function admit(found: Found, host: PluginHost, files: Map<string, string>): Found {
  const { path, definition } = found;
  if (definition === undefined) return found;
  const { name } = definition;
  const other = files.get(name);
  try {
    if (other !== undefined) {
      throw new GlyphError('GC_BAD_PLUGIN', `${path}: the plugin '${name}' comes from ${other} already`);
    }
    host.load(pretending(definition));
    files.set(name, path);
    return found;
  } catch (error) {
    return { path, definition, error: inFile(path, error) };
  }
}

/** Its options are the host's to give, so they are not looked at. */
function pretending({ name, version, glyphcase, requires, optional, provides }: PluginDefinition): PluginDefinition {
  return {
    name,
    version,
    ...(glyphcase === undefined ? {} : { glyphcase }),
    ...(requires === undefined ? {} : { requires }),
    ...(optional === undefined ? {} : { optional }),
    ...(provides === undefined ? {} : { provides }),
    activate(ctx) {
      for (const service of Object.keys(provides ?? {})) ctx.provide(service, {});
    },
  };
}

function tellOf({ path, definition, measured, error }: Found, host: PluginHost): Surveyed {
  const { name, version, provides = {}, requires = {}, optional = {}, commands = {} } = definition ?? {};
  const state = error === undefined && name !== undefined ? host.get(name)?.state : 'failed';
  const reasons = error === undefined ? (host.get(name ?? '')?.reasons ?? []) : [messageOf(error)];
  return {
    ...(name === undefined ? {} : { name }),
    ...(version === undefined ? {} : { version }),
    file: path,
    state: state === 'active' ? 'ready' : state === 'waiting' || state === 'incompatible' ? state : 'failed',
    reasons,
    provides,
    requires,
    optional,
    commands: Object.keys(commands),
    ...measured,
  };
}
