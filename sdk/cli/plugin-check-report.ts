/**
 * How the result of `glyphcase plugin check` looks on the terminal.
 *
 * Invariant: a check that failed shows what the plugin did, and what its author can do about it.
 */
import type { PluginCheck, PluginCheckName, PluginContractReport } from '../testing/index.ts';
import { formatDuration } from '../../kernel/durations.ts';
import { count, formatMs, paint, print, printable } from './output.ts';
import type { RunningCode } from './plugin-check-messages.ts';
import type { BrokenOff } from './plugin-check-watch.ts';

/** A service that a plugin requires and that cannot be had here. */
export interface MissingService {
  readonly service: string;
  readonly range: string;
  /** Version in which a built-in plugin provides it, when that is not in the range. */
  readonly builtin?: string;
  /** A service of a built-in plugin that has nearly this name. */
  readonly meant?: string;
}

/** What `plugin check --json` prints. */
export interface PluginCheckReport extends PluginContractReport {
  /** The path as it was given. */
  readonly file: string;
  readonly missing: readonly MissingService[];
  /** Errors that reached nobody: promises that rejected unheard, exceptions out of timers and listeners of its own. */
  readonly strays: readonly string[];
}

/** What `plugin check --json` prints of a plugin that could not be checked to the end. */
export interface BrokenOffReport {
  readonly file: string;
  readonly plugin?: string;
  readonly version?: string;
  readonly ok: false;
  readonly brokenOff: {
    /** `hangs`: its code never returned; `exits`: the process in which it was checked has ended. */
    readonly why: 'hangs' | 'exits';
    /** The code that ran then; `later` is a listener, a timer, a service, or what follows an `await`. */
    readonly code: RunningCode;
    readonly message: string;
  };
}

/** Code of a plugin, as a sentence begins. */
const CODE: Readonly<Record<RunningCode, string>> = {
  file: 'The code of its file, outside of all functions,',
  activate: 'Its activate',
  deactivate: 'Its deactivate',
  snapshot: 'Its snapshot',
  later: 'A function of its that is called later (a listener, a timer, a service)',
};

/** What to do about a check that fails. */
const REMEDIES: Readonly<Record<PluginCheckName, string>> = {
  definition: 'Correct the definition; docs/plugins.md, "The definition", lists its keys.',
  activates: 'Correct activate(ctx). Options it cannot do without are passed with --config, tables with --schema.',
  deactivates:
    'Throw nothing when it stops, and wait for nothing that may never come; what goes through ctx needs no deactivate.',
  'cleans-up': 'Register through ctx, which takes it back, and give back all else with ctx.defer(() => …).',
  reloads: 'Give back what every start takes with ctx.defer(() => …); let snapshot return at once, and throw nothing.',
  'is-freed': 'Let go of it in ctx.defer: a variable of the module or a listener elsewhere still holds the instance.',
  'bad-config': "Say in the `config` schema what each option may be: { type: 'object', properties: { … } }.",
  'without-optional': 'Take optional services with ctx.onService(name, …), which calls when they are there.',
  'late-optional': 'Take it with ctx.onService(name, …), and return a function that lets it go.',
  'failed-activation': 'Give back with ctx.defer(() => …), not in deactivate: that is not called when activate throws.',
  'hung-activation': 'Give back with ctx.defer(() => …), as soon as you have what is to be given back.',
  'hung-deactivation': 'Give back with ctx.defer(() => …), which runs even when deactivate hangs.',
  silent: 'Write with ctx.log.',
  'process-untouched': 'Take listeners off in ctx.defer(() => …), and define no global names.',
  'no-handles': 'Use ctx.timeout and ctx.every; close servers, sockets and watchers in ctx.defer(() => …).',
};

const INDENT = ' '.repeat(9);
/** More checks than these that were skipped for one reason are counted, not named. */
const NAMED = 3;

export function printCheckReport(report: PluginCheckReport): void {
  const { plugin, version, file, checks, missing, strays, ms } = report;
  print(`${paint('bold', `${plugin} ${version}`)}  ${paint('dim', printable(file))}`);
  for (const { name, sentence, ok, skipped } of checks) {
    if (ok && !skipped) print(`${paint('green', 'ok     ')}  ${name}: ${sentence}`);
  }
  for (const [why, names] of skippedByReason(checks)) {
    print(
      paint(
        'dim',
        `skipped  ${names.length > NAMED ? count(names.length, 'check') : names.join(', ')}: ${printable(why)}`,
      ),
    );
  }
  // Last, so that they are what one sees.
  if (!report.ok) print();
  for (const check of checks) if (!check.ok) printFailure(check, missing);
  for (const stray of strays) {
    print(`${paint('red', 'failed ')}  ${paint('bold', 'unheard')}: It lets an error go that nobody hears.`);
    detail('', stray);
    detail('fix:', 'Await the promise, or catch what the callback throws.');
  }
  print(`${countsOf(report)} ${paint('dim', formatMs(ms))}`);
}

/** Checks that were not made, by why that is; in the order of the checks. */
function skippedByReason(checks: readonly PluginCheck[]): ReadonlyMap<string, readonly string[]> {
  const reasons = new Map<string, string[]>();
  for (const { name, skipped, message = '' } of checks) {
    if (skipped) reasons.set(message, [...(reasons.get(message) ?? []), name]);
  }
  return reasons;
}

export function brokenOffReport(file: string, { code, exit, ...named }: BrokenOff, limit: number): BrokenOffReport {
  const how = typeof exit === 'number' ? `with exit code ${exit}` : `by ${exit}`;
  const message =
    exit === undefined
      ? `${CODE[code]} had not returned after ${formatDuration(limit)}, and nothing else could run meanwhile.`
      : `${CODE[code]} ran when the process ended, ${how}.`;
  return { file, ...named, ok: false, brokenOff: { why: exit === undefined ? 'hangs' : 'exits', code, message } };
}

export function printBrokenOff({ file, plugin, version, brokenOff }: BrokenOffReport): void {
  const { why, message } = brokenOff;
  const sentence = why === 'hangs' ? 'Its code does not return.' : 'It ends the process it runs in.';
  const title = plugin === undefined ? '' : `${paint('bold', printable(`${plugin} ${version}`))}  `;
  print(`${title}${paint('dim', printable(file))}`);
  print(`${paint('red', 'failed ')}  ${paint('bold', why)}: ${sentence}`);
  detail('', message);
  detail(
    'fix:',
    why === 'hangs'
      ? 'Look there for a loop without an end, or a call that waits (Atomics.wait, execSync).'
      : 'Throw an error instead of calling process.exit().',
  );
  print(`${paint('red', '1 failed')}, the checks were broken off`);
}

function printFailure({ name, sentence, message = '' }: PluginCheck, missing: readonly MissingService[]): void {
  print(`${paint('red', 'failed ')}  ${paint('bold', name)}: ${sentence}`);
  detail('', message);
  const fixes = name === 'activates' && missing.length > 0 ? fixesOf(missing) : [REMEDIES[name]];
  for (const fix of fixes) detail('fix:', fix);
}

function detail(label: string, text: string): void {
  const lines = text.split('\n').map(printable).join(`\n${INDENT}`);
  print(`${INDENT}${label === '' ? lines : `${paint('cyan', label)} ${lines}`}`);
}

/** What to do about required services that are not there. */
function fixesOf(missing: readonly MissingService[]): readonly string[] {
  const corrections = missing.flatMap(({ service, range, builtin, meant }) => {
    if (meant !== undefined) return [`Write '${meant}' for '${service}' in \`requires\`, if that is what you mean.`];
    if (builtin === undefined) return [];
    return [`This GlyphCase has '${service}' ${builtin}: take a range in \`requires\` that holds it, not ${range}.`];
  });
  const others = missing.filter(({ builtin }) => builtin === undefined).map(({ service }) => service);
  if (others.length === 0) return corrections;
  const names = others.map((service) => `${/^[a-z]\w*$/i.test(service) ? service : `'${service}'`}: …`);
  const list = others.map((service) => `'${service}'`).join(', ');
  const standIns = `runPluginContract(plugin, { services: { ${names.join(', ')} } })`;
  return [
    ...corrections,
    `If another plugin of yours provides ${list}, check this one in a test, with stand-ins: ${standIns}.`,
  ];
}

function countsOf({ checks, strays }: PluginCheckReport): string {
  const failed = checks.filter(({ ok }) => !ok).length + strays.length;
  const skipped = checks.filter((check) => check.skipped).length;
  const passed = checks.length - skipped - checks.filter(({ ok }) => !ok).length;
  return [
    ...(failed > 0 ? [paint('red', `${failed} failed`)] : []),
    paint('green', `${passed} ok`),
    ...(skipped > 0 ? [paint('dim', `${skipped} skipped`)] : []),
  ].join(', ');
}
