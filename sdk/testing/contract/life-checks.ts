/**
 * Checks of a plugin's life when all goes well: it starts, stops, is reloaded, and leaves nothing.
 *
 * Invariant: each check has a host of its own, so that none sees what another left.
 */
import { messageOf } from '../../../kernel/errors.ts';
import type { PluginContext, PluginReport } from '../../../kernel/plugins/types.ts';
import { surplusText } from './census.ts';
import { causeOf, ofError, prefixed } from './findings.ts';
import type { Finding, Findings } from './findings.ts';
import { garbageCollector, heldAfter } from './garbage.ts';
import { optionalOf, providerFor, untried } from './optional-checks.ts';
import { leftCause, NotStarted, Trial, variant } from './trial.ts';
import type { Subject } from './trial.ts';

/** Why nothing more can be said of a plugin that does not run. */
const INACTIVE = 'It does not become active.';
const NOT_ALONE = 'It does not become active without its optional services.';
const NOT_AGAIN = 'It does not start again.';

/** It becomes active, provides all it declares, and logs no error. That it needs its optional services for it is another check's affair. */
export async function activates(subject: Subject): Promise<Findings> {
  const alone = await Trial.run(subject, activation);
  if (alone.isActive) return alone.findings;
  subject.known.idle = INACTIVE;
  const optional = optionalOf(subject);
  const { lacks } = alone;
  if (lacks !== undefined && optional.includes(lacks) && providerFor(subject, lacks) === undefined) {
    subject.known.idle = NOT_ALONE;
    subject.known.needsOptional = true;
    return untried([lacks]);
  }
  if (optional.length === 0) return alone.findings;
  const together = await Trial.run(subject, activation, 'optional too');
  if (!together.isActive) return alone.findings;
  subject.known.idle = NOT_ALONE;
  subject.known.needsOptional = true;
  return together.findings;
}

interface Activation {
  readonly isActive: boolean;
  readonly findings: readonly Finding[];
  /** The service that it asked for in vain. */
  readonly lacks?: string | undefined;
}

async function activation(trial: Trial): Promise<Activation> {
  let report: PluginReport;
  try {
    report = await trial.load();
  } catch (error) {
    return { isActive: false, findings: [prefixed('it does not become active: ', ofError(error))] };
  }
  const why = trial.whyNot(report);
  if (why !== undefined) {
    const findings = [prefixed('it does not become active: ', why)];
    return { isActive: false, findings, lacks: trial.lackedService(report) };
  }
  await trial.exercise();
  await trial.host.settled();
  const { id, provides } = report;
  const { services } = trial.host.plugins.inspect();
  const missing = Object.keys(provides).filter(
    (name) => !services.some((service) => service.name === name && service.provider === id),
  );
  const unprovided = missing.map(
    (name) => `it declares the service '${name}' and has not provided it: call ctx.provide('${name}', …)`,
  );
  return { isActive: true, findings: [...unprovided, ...trial.errors()] };
}

export async function deactivates(subject: Subject): Promise<Findings> {
  try {
    return await Trial.run(subject, async (trial) => {
      await trial.start();
      trial.host.forget();
      const errors = await trial.stop();
      await trial.host.settled();
      const causes = new Set(errors.map(messageOf));
      const logged = trial.errors().filter((finding) => !causes.has(causeOf(finding)));
      return [...errors.map(ofError), ...logged];
    });
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    subject.known.again = error.finding;
    subject.known.idle = NOT_AGAIN;
    return { skipped: NOT_AGAIN };
  }
}

/** What it registered is gone after it has stopped, and can be registered again. */
export function cleansUp(subject: Subject): Promise<Findings> {
  const { again, idle } = subject.known;
  if (again !== undefined) return Promise.resolve([prefixed('it became active once and not again: ', again)]);
  if (idle !== undefined) return Promise.resolve({ skipped: idle });
  return Trial.run(subject, async (trial) => {
    await trial.start();
    await trial.stop();
    const left = await trial.left('after it had stopped');
    if (left.length > 0) return left;
    const why = trial.whyNot(await trial.load());
    return why === undefined ? [] : [prefixed('it did not start a second time: ', why)];
  });
}

/** Reloads leave no more registrations than the first start. */
export function reloads(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    await trial.start();
    const once = new Map((await trial.extra()).map(({ what, more }) => [what, more]));
    const known = new Set(trial.errors().map(causeOf));
    for (let round = 1; round <= subject.rounds; round++) {
      await trial.reload();
    }
    const grown = (await trial.extra()).filter(({ what, more }) => more > (once.get(what) ?? 0));
    const found = grown.map((one) => ({
      text: `after ${subject.rounds} reloads it holds ${surplusText(one)}, after its first start ${once.get(one.what) ?? 'none'}`,
      cause: leftCause(one),
    }));
    const errors = trial.errors().filter((finding) => !known.has(causeOf(finding)));
    return [...found, ...lostStates(trial), ...errors];
  });
}

/** A reload goes on without a state that cannot be had, and only warns. */
function lostStates({ host }: Trial): readonly Finding[] {
  const warnings = host.logs.filter(({ level, fields }) => level === 'warn' && fields['phase'] === 'snapshot');
  return warnings.map(({ fields }) => prefixed('its state is lost in a reload: ', ofError(fields['error'])));
}

/** Instances that were replaced can be collected. */
export function isFreed(subject: Subject): Promise<Findings> {
  const collect = garbageCollector();
  if (collect === undefined) {
    return Promise.resolve({ skipped: 'The garbage collector cannot be reached: run Node with --expose-gc.' });
  }
  return Trial.run(subject, async (trial) => {
    const contexts: WeakRef<PluginContext>[] = [];
    const { definition, rounds } = subject;
    const noted = variant(definition, {
      activate(ctx) {
        contexts.push(new WeakRef(ctx));
        return definition.activate(ctx);
      },
    });
    await trial.start(noted);
    for (let round = 1; round <= rounds; round++) {
      await trial.reload();
    }
    await trial.stop();
    await trial.host.settled();
    trial.host.forget();
    const held = await heldAfter(collect, contexts);
    if (held === 0) return [];
    return [
      `${held} of ${contexts.length} instances are still in memory after they were stopped: something outside, such as ` +
        'a module variable, a timer or a service, holds a function or object made in activate',
    ];
  });
}
