/**
 * `runPluginContract`: what every plugin has to stand, one check after the other, and the report.
 *
 * Invariants: no check keeps the others from running; the run ends, whatever the plugin does asynchronously; each failure
 * says in a sentence what the plugin did.
 */
import { GlyphError } from '../../../kernel/errors.ts';
import { checkDefinition } from '../../../kernel/plugins/definition.ts';
import type { PluginDefinition } from '../../../kernel/plugins/types.ts';
import type { AnyPlugin } from '../test-host.ts';
import { badConfig } from './config-checks.ts';
import { failedActivation, hungActivation, hungDeactivation } from './fault-checks.ts';
import { activates, cleansUp, deactivates, isFreed, reloads } from './life-checks.ts';
import { lateOptional, withoutOptional } from './optional-checks.ts';
import { counted, ofError, textOf, Told } from './findings.ts';
import type { Findings } from './findings.ts';
import { ProcessWatch } from './process-watch.ts';
import { NotStarted } from './trial.ts';
import type { Subject } from './trial.ts';
import type { PluginCheck, PluginCheckName, PluginContractOptions, PluginContractReport } from './types.ts';

interface Check {
  readonly name: PluginCheckName;
  readonly sentence: string;
  readonly run: (subject: Subject, watch: ProcessWatch) => Promise<Findings>;
  /** It says nothing of a plugin that does not become active. */
  readonly needsActive?: true;
}

const DEFINITION: Check = {
  name: 'definition',
  sentence: 'Its definition is right.',
  run({ definition }) {
    checkDefinition(definition);
    return Promise.resolve([]);
  },
};

const CHECKS: readonly Check[] = [
  { name: 'activates', sentence: 'It becomes active, provides what it declares, and logs no error.', run: activates },
  { name: 'deactivates', sentence: 'It stops in time and without an error.', run: deactivates, needsActive: true },
  {
    name: 'cleans-up',
    sentence: 'What it registered is gone after it has stopped; it starts again.',
    run: cleansUp,
  },
  { name: 'reloads', sentence: 'Reloads leave no more registrations than one start.', run: reloads, needsActive: true },
  {
    name: 'is-freed',
    sentence: 'Instances that were stopped can be collected as garbage.',
    run: isFreed,
    needsActive: true,
  },
  { name: 'bad-config', sentence: 'Wrong options are refused, and the key is named.', run: badConfig },
  { name: 'without-optional', sentence: 'It runs without its optional services.', run: withoutOptional },
  {
    name: 'late-optional',
    sentence: 'It takes an optional service that comes later, and lets it go.',
    run: lateOptional,
    needsActive: true,
  },
  {
    name: 'failed-activation',
    sentence: 'An activation that throws leaves nothing behind.',
    run: failedActivation,
    needsActive: true,
  },
  {
    name: 'hung-activation',
    sentence: 'An activation that never ends is cut off and leaves nothing.',
    run: hungActivation,
    needsActive: true,
  },
  {
    name: 'hung-deactivation',
    sentence: 'A stop that never ends is cut off and leaves nothing.',
    run: hungDeactivation,
    needsActive: true,
  },
];

/** Judged by what all the others did. */
const AFTERWARDS: readonly Check[] = [
  {
    name: 'silent',
    sentence: 'It writes nothing to the console; ctx.log is for that.',
    run: (_, watch) => Promise.resolve(counted(watch.written)),
  },
  {
    name: 'process-untouched',
    sentence: 'It leaves no listeners on `process` and no global names.',
    run: (_, watch) => Promise.resolve(watch.changes()),
  },
  {
    name: 'no-handles',
    sentence: 'It leaves no timer, server, connection, watched file, child process or worker.',
    run: (_, watch) => watch.handles(),
  },
];

/**
 * Runs a plugin through the contract that every plugin has to keep: in hosts of its own, with a clock that is moved by hand.
 * The built-in plugins it requires are loaded; for other services pass stand-ins.
 *
 * @throws GC_BAD_PLUGIN with a sentence for every failure, unless `throws: false`; GC_BAD_ARGUMENT
 * @example
 * ```ts
 * test('keeps the contract', () => runPluginContract(myPlugin));
 * ```
 */
export async function runPluginContract(
  plugin: AnyPlugin,
  options: PluginContractOptions = {},
): Promise<PluginContractReport> {
  const subject = subjectOf(plugin, options);
  const begun = performance.now();
  const watch = new ProcessWatch();
  const checks = await watch.run(async () => {
    const run = new Run(subject, watch);
    const definition = await run.check(DEFINITION);
    if (!definition.ok) return [definition];
    const done = [definition];
    for (const check of [...CHECKS, ...AFTERWARDS]) done.push(await run.check(check));
    return done;
  });
  const { name = '', version = '' } = (plugin as Partial<PluginDefinition> | null) ?? {};
  const ok = checks.every((check) => check.ok);
  const report = { plugin: name, version, ok, checks, ms: performance.now() - begun };
  if (!ok && options.throws !== false) throw failure(report);
  return report;
}

/** The checks of one plugin, one after the other. */
class Run {
  readonly #subject: Subject;
  readonly #watch: ProcessWatch;
  readonly #told = new Told();

  constructor(subject: Subject, watch: ProcessWatch) {
    this.#subject = subject;
    this.#watch = watch;
  }

  async check(check: Check): Promise<PluginCheck> {
    const { name, sentence } = check;
    const begun = performance.now();
    this.#watch.during = name;
    const findings = await this.#findings(check);
    const ms = performance.now() - begun;
    if ('skipped' in findings) return { name, sentence, ok: true, skipped: true, message: findings.skipped, ms };
    if (findings.length === 0) return { name, sentence, ok: true, skipped: false, ms };
    const message = counted(findings.map(textOf)).join('; ');
    return { name, sentence, ok: false, skipped: false, message, ms };
  }

  async #findings({ name, run, needsActive }: Check): Promise<Findings> {
    const { idle } = this.#subject.known;
    if (needsActive === true && idle !== undefined) return { skipped: idle };
    let findings: Findings;
    try {
      findings = await run(this.#subject, this.#watch);
    } catch (error) {
      findings = [error instanceof NotStarted ? error.finding : ofError(error)];
    }
    return 'skipped' in findings ? findings : this.#told.unheard(name, findings);
  }
}

function failure({ plugin, checks }: PluginContractReport): GlyphError {
  const failed = checks.filter(({ ok }) => !ok).map(({ name, message = '' }) => `\n- ${name}: ${message}`);
  return new GlyphError('GC_BAD_PLUGIN', `plugin '${plugin}' breaks the contract of plugins:${failed.join('')}`, {
    plugin,
    hint: 'docs/plugins.md, "Testing a plugin", says what each check asks for.',
  });
}

const KEYS: readonly string[] = ['config', 'services', 'rounds', 'db', 'schema', 'exercise', 'throws'];

function subjectOf(plugin: AnyPlugin, options: PluginContractOptions): Subject {
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key));
  const { config, services = {}, rounds = 20, db = ':memory:', schema, exercise } = options;
  const wrong =
    unknown === undefined
      ? Number.isInteger(rounds) && rounds >= 1
        ? undefined
        : `rounds is ${String(rounds)}, not a whole number from 1`
      : `there is no option '${unknown}'`;
  if (wrong !== undefined) {
    throw new GlyphError('GC_BAD_ARGUMENT', `runPluginContract(): ${wrong}`, {
      hint: `There are ${KEYS.join(', ')}.`,
    });
  }
  return { definition: plugin, config, services, rounds, db, schema, exercise, hangs: new Set(), known: {} };
}
