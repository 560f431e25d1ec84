/**
 * Checks of a plugin's life when all goes well: it starts, stops, is reloaded, and leaves nothing.
 *
 * Invariant: each check has a host of its own, so that none sees what another left.
 */
import { messageOf } from '../../../kernel/errors.ts';
import type { PluginContext } from '../../../kernel/plugins/types.ts';
import { garbageCollector, heldAfter } from './garbage.ts';
import { Trial, variant } from './trial.ts';
import type { Subject } from './trial.ts';
import type { Findings } from './types.ts';

/** How the finding on a plugin that does not run begins. */
export const INACTIVE = 'it does not become active: ';

/** It becomes active, provides all it declares, and logs no error. */
export function activates(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    const report = await trial.load().catch(messageOf);
    const why = typeof report === 'string' ? report : trial.whyNot(report);
    if (why !== undefined || typeof report === 'string') return [`${INACTIVE}${why}`];
    await trial.exercise();
    await trial.host.settled();
    const { id, provides } = report;
    const { services } = trial.host.plugins.inspect();
    const missing = Object.keys(provides).filter(
      (name) => !services.some((service) => service.name === name && service.provider === id),
    );
    return [
      ...missing.map(
        (name) => `it declares the service '${name}' and has not provided it: call ctx.provide('${name}', …)`,
      ),
      ...trial.errors(),
    ];
  });
}

export function deactivates(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    await trial.start();
    trial.host.forget();
    const errors = await trial.stop();
    await trial.host.settled();
    return [...new Set([...errors.map(messageOf), ...trial.errors().map((text) => text.replace('it logged: ', ''))])];
  });
}

/** What it registered is gone after it has stopped, and can be registered again. */
export function cleansUp(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    await trial.start();
    await trial.stop();
    const left = await trial.left('after it had stopped');
    if (left.length > 0) return left;
    const again = await trial.load();
    return again.state === 'active' ? [] : [`it did not start a second time: ${again.reasons.join(' ')}`];
  });
}

/** Reloads leave no more registrations than the first start. */
export function reloads(subject: Subject): Promise<Findings> {
  return Trial.run(subject, async (trial) => {
    await trial.start();
    const once = await trial.left('');
    const known = trial.errors();
    for (let round = 1; round <= subject.rounds; round++) {
      await trial.reload();
    }
    const many = await trial.left('');
    const more = many.filter((text) => !once.includes(text)).map((text) => text.trim().replace(' too many', ''));
    const found = more.map(
      (text) => `after ${subject.rounds} reloads it holds ${text}, more than after its first start`,
    );
    return [...found, ...trial.errors().filter((text) => !known.includes(text))];
  });
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
