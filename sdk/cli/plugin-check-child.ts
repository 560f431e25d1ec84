/**
 * The process in which `glyphcase plugin check` runs the plugin. Importing this file runs it.
 *
 * Invariants: what the plugin does by itself (output, promises that reject unheard, timers it leaves) neither ends the check
 * nor gets into its result; which of its code runs is said before it runs.
 */
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { messageOf } from '../../kernel/errors.ts';
import type { PluginContext, PluginDefinition } from '../../kernel/plugins/types.ts';
import type { PluginContractReport } from '../testing/index.ts';
import { thrownAt } from '../testing/contract/call-site.ts';
import { endWithParent } from './plugin-check-guard.ts';
import { say, toPlain } from './plugin-check-messages.ts';
import type { CheckRequest, RunningCode } from './plugin-check-messages.ts';
import type { MissingService, PluginCheckReport } from './plugin-check-report.ts';

/** How often it says that it is alive, in ms. */
const ALIVE_MS = 100;

const strays: string[] = [];
const stray = (error: unknown): void => void strays.push(`${messageOf(error)}${thrownAt(error)}`);
process.on('uncaughtException', stray).on('unhandledRejection', stray);
enableCompileCache();
// Places in stack traces are then those of the plugin's sources, whatever it is compiled to.
process.setSourceMapsEnabled(true);
endWithParent();
void main();

/** Ends the process as soon as there is a result: what the plugin has left running is no longer of interest. */
async function main(): Promise<void> {
  try {
    say({ report: await check(JSON.parse(process.argv[2] ?? '{}') as CheckRequest) });
  } catch (error) {
    say({ failed: toPlain(error) });
  }
  process.exit();
}

async function check({ path, config, schema }: CheckRequest): Promise<PluginCheckReport> {
  const given = config === undefined ? {} : { config: JSON.parse(config) as unknown };
  const sql = schema === undefined ? {} : { schema: readFileSync(schema, 'utf8') };
  const [{ preparePluginFile }, { runPluginContract }] = await Promise.all([
    import('../plugin-files/load.ts'),
    import('../testing/index.ts'),
  ]);
  const prepared = await preparePluginFile(path);
  setInterval(() => say({ alive: true }), ALIVE_MS).unref();
  say({ runs: 'file' });
  const definition = await prepared.load();
  say({ runs: 'later' });
  say({ plugin: definition.name, version: definition.version });
  const missing = await missingServices(definition);
  const contract = await runPluginContract(announced(definition), { ...given, ...sql, throws: false });
  return reportOf(path, contract, missing);
}

/** The same plugin, which says when a phase begins and ends. */
function announced(definition: PluginDefinition): PluginDefinition {
  const during = <Result>(code: RunningCode, run: () => Result): Result => {
    const over = (): void => say({ runs: 'later' });
    say({ runs: code });
    let result: Result;
    try {
      result = run();
    } catch (error) {
      over();
      throw error;
    }
    if (result instanceof Promise) result.then(over, over);
    else over();
    return result;
  };
  return {
    ...definition,
    activate: (ctx) => during('activate', () => definition.activate(ctx)),
    ...('deactivate' in definition && {
      deactivate: (ctx: PluginContext) => during('deactivate', () => definition.deactivate?.(ctx)),
    }),
    ...('snapshot' in definition && {
      snapshot: (ctx: PluginContext) => during('snapshot', () => definition.snapshot?.(ctx)),
    }),
  };
}

const reportOf = (
  file: string,
  contract: PluginContractReport,
  missing: readonly MissingService[],
): PluginCheckReport => ({
  ...contract,
  file,
  ok: contract.ok && strays.length === 0,
  missing,
  strays: [...new Set(strays)],
});

/** The services it requires that no built-in plugin provides in a version it takes. */
async function missingServices({ name, requires = {} }: PluginDefinition): Promise<readonly MissingService[]> {
  const [{ likelyService, providerOf }, { default: semver }] = await Promise.all([
    import('../testing/providers.ts'),
    import('semver'),
  ]);
  return Object.entries(requires).flatMap(([service, range]) => {
    const provider = providerOf(service, range, {});
    const version = provider?.name === name ? undefined : provider?.provides?.[service];
    if (version === undefined) {
      const meant = likelyService(service);
      return [{ service, range, ...(meant === undefined ? {} : { meant }) }];
    }
    return semver.satisfies(version, range) ? [] : [{ service, range, builtin: version }];
  });
}
