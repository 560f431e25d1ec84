/**
 * `glyphcase plugin check`: runs a plugin through the contract that every plugin has to keep, and says what fails.
 *
 * Invariant: what the plugin does by itself (output, promises that reject unheard, timers it leaves) neither ends the check
 * nor gets into its result.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { messageOf } from '../../../kernel/errors.ts';
import type { PluginDefinition } from '../../../kernel/plugins/types.ts';
import type { PluginContractReport } from '../../testing/index.ts';
import { Failure, UsageError } from '../errors.ts';
import { examples } from '../options.ts';
import { printPrettyJson } from '../output.ts';
import { printCheckReport } from '../plugin-check-report.ts';
import type { MissingService, PluginCheckReport } from '../plugin-check-report.ts';

interface CheckOptions {
  readonly config?: string;
  readonly schema?: string;
  readonly json?: true;
}

export function addPluginCheck(plugin: Command): void {
  plugin
    .command('check')
    .summary('check that a plugin keeps the contract')
    .description(
      'Runs a plugin in throwaway hosts, with the built-in plugins it requires, and checks that it keeps the contract of plugins: it starts, stops, leaks nothing, ' +
        'survives reloads, refuses wrong options, never hangs for long. Ends with 1 when a check fails.',
    )
    .argument('<path>', 'file or folder of the plugin')
    .option('--config <json>', 'its options, when it cannot run with its defaults')
    .option('--schema <file>', 'SQL to run first: the tables it works with')
    .option('--json', 'the report as JSON')
    .addHelpText(
      'after',
      examples(
        ['glyphcase plugin check plugins/slow-log', 'a folder'],
        ['glyphcase plugin check mail.ts --config \'{"from":"me@a.org"}\'', 'one that needs an option'],
      ),
    )
    .action(check);
}

async function check(path: string, { config, schema, json }: CheckOptions): Promise<void> {
  const given = config === undefined ? {} : { config: parsed(config) };
  const sql = schema === undefined ? {} : { schema: readFileSync(schema, 'utf8') };
  const report = await keepingApart(async (strays) => {
    const [{ loadPluginFile }, { runPluginContract }] = await Promise.all([
      import('../../plugin-files/load.ts'),
      import('../../testing/index.ts'),
    ]);
    const { definition } = await loadPluginFile(path);
    const missing = await missingServices(definition);
    const contract = await runPluginContract(definition, { ...given, ...sql, throws: false });
    return reportOf(path, contract, missing, strays);
  });
  if (json === true) printPrettyJson(report);
  else printCheckReport(report);
  if (!report.ok) throw new Failure();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--config is not JSON: ${messageOf(error)}`, 'For instance: --config \'{"port":8080}\'');
  }
}

const reportOf = (
  file: string,
  contract: PluginContractReport,
  missing: readonly MissingService[],
  strays: readonly string[],
): PluginCheckReport => ({
  ...contract,
  file,
  ok: contract.ok && strays.length === 0,
  missing,
  strays: [...new Set(strays)],
});

/** The services it requires that no built-in plugin provides in a version it takes. */
async function missingServices({ name, requires = {} }: PluginDefinition): Promise<readonly MissingService[]> {
  const [{ providerOf }, { default: semver }] = await Promise.all([
    import('../../testing/providers.ts'),
    import('semver'),
  ]);
  return Object.entries(requires).flatMap(([service, range]) => {
    const provider = providerOf(service, range, {});
    const version = provider?.name === name ? undefined : provider?.provides?.[service];
    if (version === undefined) return [{ service, range }];
    return semver.satisfies(version, range) ? [] : [{ service, range, builtin: version }];
  });
}

/** Runs `fn` with what the plugin prints sent to stderr, and what it lets fail unheard gathered instead of fatal. */
async function keepingApart<T>(fn: (strays: readonly string[]) => Promise<T>): Promise<T> {
  const strays: string[] = [];
  const stray = (error: unknown): void => void strays.push(messageOf(error));
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  process.on('uncaughtException', stray).on('unhandledRejection', stray);
  try {
    return await fn(strays);
  } finally {
    stdout.write = write;
    // The listeners stay: what the plugin has left running may still fail before the process has ended.
  }
}
