/**
 * `glyphcase plugin check`: runs a plugin through the contract that every plugin has to keep, and says what fails.
 *
 * Invariant: it ends, and says why, whatever the plugin does.
 */
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { parseDuration } from '../../../kernel/durations.ts';
import { messageOf } from '../../../kernel/errors.ts';
import { Failure, UsageError } from '../errors.ts';
import { examples } from '../options.ts';
import { printPrettyJson } from '../output.ts';
import { brokenOffReport, printBrokenOff, printCheckReport } from '../plugin-check-report.ts';

interface CheckOptions {
  readonly config?: string;
  readonly schema?: string;
  readonly timeout: number;
  readonly json?: true;
}

/** As long as the plugin host waits for `activate`. */
const TIMEOUT = '10s';
/** Below this the check would take its own work for the plugin's, in ms. */
const SHORTEST_MS = 500;

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
    .addOption(
      new Option('--timeout <duration>', 'how long its code may run without a pause before it counts as hung')
        .argParser(duration)
        .default(parseDuration(TIMEOUT, '--timeout'), TIMEOUT),
    )
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

async function check(path: string, { config, schema, timeout, json }: CheckOptions): Promise<void> {
  if (config !== undefined) assertJson(config);
  // Before a process is started for it.
  if (schema !== undefined) readFileSync(schema);
  const [{ assertMayBePlugin }, { watchedCheck }] = await Promise.all([
    import('../plugin-check-target.ts'),
    import('../plugin-check-watch.ts'),
  ]);
  assertMayBePlugin(path);
  const request = { path, ...(config === undefined ? {} : { config }), ...(schema === undefined ? {} : { schema }) };
  const outcome = await watchedCheck(request, timeout);
  if ('report' in outcome) {
    if (json === true) printPrettyJson(outcome.report);
    else printCheckReport(outcome.report);
    if (outcome.report.ok) return;
  } else {
    const broken = brokenOffReport(path, outcome.brokenOff, timeout);
    if (json === true) printPrettyJson(broken);
    else printBrokenOff(broken);
  }
  throw new Failure();
}

function assertJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--config is not JSON: ${messageOf(error)}`, 'For instance: --config \'{"port":8080}\'');
  }
}

function duration(text: string): number {
  let ms: number;
  try {
    ms = parseDuration(/^\d+$/.test(text) ? Number(text) : text, '--timeout');
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
  if (ms >= SHORTEST_MS) return ms;
  throw new InvalidArgumentError(`It must be ${SHORTEST_MS}ms or more.`);
}
