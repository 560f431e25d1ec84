/**
 * Gives the plugin host what a file has become: loads it, reloads it, or takes its new name.
 *
 * Invariant: whatever is wrong ends up in `file.error`, and what ran before runs on.
 */
import { GlyphError } from '../../kernel/errors.ts';
import type { PluginHost } from '../../kernel/plugins/host.ts';
import type { PluginReport } from '../../kernel/plugins/types.ts';
import { badFile } from './errors.ts';
import type { PreparedPlugin } from './load.ts';
import type { LoadedVersion, TrackedFile } from './tracked-file.ts';

/** What became of a file; `kept` when it compiles to what runs already. */
export type BroughtIn = 'loaded' | 'reloaded' | 'kept';

/** Loads or reloads what has changed; undefined when that failed. `taken` names the file that has a name already. */
export async function bringIn(
  file: TrackedFile,
  prepared: PreparedPlugin,
  host: PluginHost,
  taken: (name: string) => string | undefined,
): Promise<BroughtIn | undefined> {
  if (file.loaded?.hash === prepared.hash) {
    file.error = undefined;
    return 'kept';
  }
  return await attempt(file, async () => {
    const next = await evaluated(prepared);
    const { name } = next.definition;
    const other = taken(name);
    if (other !== undefined) {
      const message = `the plugin '${name}' comes from ${other} already`;
      file.fail(badFile(file.options.label, message, { hint: 'Rename one of the two, or delete one.' }), {
        retry: true,
      });
      return undefined;
    }
    return await replace(file, next, host);
  });
}

/** Loads the file anew, changed or not. */
export async function reloadFrom(
  file: TrackedFile,
  prepared: PreparedPlugin,
  host: PluginHost,
  config: unknown,
): Promise<void> {
  await attempt(file, async () => replace(file, await evaluated(prepared), host, config));
}

/** Runs the plugin's file, and measures that. @throws GC_BAD_PLUGIN */
export async function evaluated(prepared: PreparedPlugin): Promise<LoadedVersion> {
  const { hash, loadedInMs } = prepared;
  const begun = performance.now();
  const definition = await prepared.load();
  return { definition, hash, measured: { loadedInMs, evaluatedInMs: performance.now() - begun } };
}

async function attempt<Done>(file: TrackedFile, change: () => Promise<Done>): Promise<Done | undefined> {
  file.error = undefined;
  try {
    return await change();
  } catch (error) {
    file.fail(error);
    return undefined;
  }
}

/** Options are kept by a reload unless others are given. */
async function replace(
  file: TrackedFile,
  next: LoadedVersion,
  host: PluginHost,
  given?: unknown,
): Promise<'loaded' | 'reloaded'> {
  const { name } = next.definition;
  const before = file.loaded;
  const isLoaded = before !== undefined && host.get(before.definition.name) !== undefined;
  if (!isLoaded) host.load(next.definition, given ?? file.options.configOf(name), next.measured);
  else if (before.definition.name === name) await reload(file, next, host, given);
  else await rename(before, next, file, host);
  file.loaded = next;
  return isLoaded ? 'reloaded' : 'loaded';
}

async function reload(file: TrackedFile, next: LoadedVersion, host: PluginHost, given: unknown): Promise<void> {
  const { name } = next.definition;
  try {
    await host.reload(name, next.definition, given, next.measured);
  } catch (error) {
    // Where nothing ran before, the new version has taken the place of the old one, and is the one to be tried again.
    if (host.get(name)?.state !== 'active') file.loaded = next;
    throw error;
  }
}

async function rename(before: LoadedVersion, next: LoadedVersion, file: TrackedFile, host: PluginHost): Promise<void> {
  const [oldName, newName] = [before.definition.name, next.definition.name];
  if (host.get(newName) !== undefined) {
    throw new GlyphError('GC_BAD_PLUGIN', `plugin '${newName}' is loaded already, so '${oldName}' keeps its name`);
  }
  const load = ({ definition, measured }: LoadedVersion): PluginReport =>
    host.load(definition, file.options.configOf(definition.name), measured);
  await host.unload(oldName);
  try {
    load(next);
  } catch (error) {
    load(before);
    throw error;
  }
}
