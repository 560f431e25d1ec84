/**
 * Checks of a plugin's life when things go wrong, on copies whose phases throw or never end.
 *
 * Invariant: the copies run the plugin's own code first, so that all it registers has to be undone.
 */
import { messageOf } from '../../../kernel/errors.ts';
import { isTimeout } from '../../../kernel/time-limit.ts';
import type { PluginContext } from '../../../kernel/plugins/types.ts';
import { ofError } from './findings.ts';
import type { Finding, Findings } from './findings.ts';
import { Trial, variant } from './trial.ts';
import type { Subject } from './trial.ts';

const never = (): Promise<never> => new Promise<never>(() => undefined);

/** An activation that throws when everything is registered leaves nothing. */
export function failedActivation(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    const fails = (): never => {
      throw new Error('thrown by the contract');
    };
    const report = await trial.load(variant(subject.definition, { activate: (ctx) => then(subject, ctx, fails) }));
    if (report.state === 'active') return ['it is active although its activate threw'];
    return [
      ...unlessPlanned(report.error, 'thrown by the contract'),
      ...(await stoppedClean(trial, 'its activate had thrown')),
    ];
  });
}

/** An activation that never ends is cut off by its limit, and leaves nothing. */
export function hungActivation(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    const hang = (): Promise<never> => {
      trial.hurried = true;
      return never();
    };
    const report = await trial.load(variant(subject.definition, { activate: (ctx) => then(subject, ctx, hang) }));
    trial.hurried = false;
    const found = isTimeoutOf('activate', report.error)
      ? []
      : [`its activate never ended, and it is ${report.state} instead of cut off: ${messageOf(report.error ?? '')}`];
    return [...found, ...(await stoppedClean(trial, 'its activate had hung'))];
  });
}

/** A deactivation that never ends is cut off by its limit, and leaves nothing. */
export function hungDeactivation(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    const { definition } = subject;
    const deactivate = async (ctx: PluginContext): Promise<void> => {
      try {
        await definition.deactivate?.(ctx);
      } finally {
        trial.hurried = true;
        await never();
      }
    };
    await trial.start(variant(definition, { deactivate }));
    const errors = await trial.stop();
    trial.hurried = false;
    const found = errors.some((error) => isTimeoutOf('deactivate', error))
      ? errors.filter((error) => !isTimeoutOf('deactivate', error)).map(ofError)
      : ['its deactivate never ended, and nobody was told'];
    return [...found, ...(await trial.left('after its deactivate had hung'))];
  });
}

/** Runs the plugin's own activate, then something else; synchronous when both are. */
function then({ definition }: Subject, ctx: PluginContext, next: () => void | Promise<void>): void | Promise<void> {
  const result = definition.activate(ctx);
  return result instanceof Promise ? result.then(next) : next();
}

/** A failed plugin is unloaded, or the host would try it again. */
async function stoppedClean(trial: Trial, what: string): Promise<readonly Finding[]> {
  const errors = await trial.stop();
  return [...errors.map(ofError), ...(await trial.left(`after ${what}`))];
}

const isTimeoutOf = (phase: string, error: unknown): boolean => isTimeout(error) && error.phase === phase;

/** Failures of the plugin's own code before the planned one. */
const unlessPlanned = (error: Error | undefined, planned: string): readonly Finding[] =>
  error === undefined || error.message.includes(planned) ? [] : [ofError(error)];
