/**
 * Checks of services a plugin can do without: it runs while they are missing, takes them when they come, and lets go of
 * them when they go.
 *
 * Invariant: a plugin is blamed for not taking a service only when it has asked for it in `activate`, in vain, and has no
 * `onService` that would tell it.
 */
import type { PluginContext, PluginDefinition } from '../../../kernel/plugins/types.ts';
import { likelyService, providerOf } from '../providers.ts';
import { labelsIn } from './census.ts';
import { prefixed } from './findings.ts';
import type { Finding, Findings } from './findings.ts';
import { Trial, variant } from './trial.ts';
import type { Subject } from './trial.ts';

export const optionalOf = ({ definition }: Subject): readonly string[] => Object.keys(definition.optional ?? {});

export async function withoutOptional(subject: Subject): Promise<Findings> {
  const names = optionalOf(subject);
  if (names.length === 0) return { skipped: 'It has no optional services.' };
  const { idle, needsOptional } = subject.known;
  if (idle !== undefined && needsOptional !== true) return { skipped: idle };
  return Trial.run(subject, async (trial) => {
    const report = await trial.load();
    if (report.state === 'active') return trial.errors();
    const why = trial.whyNot(report) ?? report.reasons.join(' ');
    return [prefixed(`it does not run without ${list(names)}: `, why)];
  });
}

export async function lateOptional(subject: Subject): Promise<Findings> {
  const names = optionalOf(subject);
  if (names.length === 0) return { skipped: 'It has no optional services.' };
  const unprovided = names.filter((name) => providerFor(subject, name) === undefined);
  if (unprovided.length > 0) return untried(unprovided);
  const found: Finding[] = [];
  for (const name of names) found.push(...(await comesAndGoes(subject, name)));
  return found;
}

/** What cannot be checked because nobody provides these services here. */
export function untried(services: readonly string[]): Findings {
  const meant = services.flatMap((service) => likelyService(service) ?? []);
  const advice = meant.length === 0 ? 'pass a stand-in in the option `services`' : `did you mean ${list(meant)}?`;
  return { skipped: `Nobody provides ${list(services)} here: ${advice}${meant.length === 0 ? '.' : ''}` };
}

function comesAndGoes(subject: Subject, service: string): Promise<readonly Finding[]> {
  return Trial.run(subject, async (trial) => {
    const { host } = trial;
    const inVain = new Set<string>();
    const { name } = await trial.start(noting(subject.definition, inVain)).then(({ id }) => ({ name: id }));
    const provider = providerFor(subject, service) as PluginDefinition;
    const owns = host.plugins.get(name)?.owns;
    const follows = owns !== undefined && labelsIn(owns).includes(`onService ${service}`);
    host.begin(provider);
    await trial.wait(host.plugins.ready(), `loading who provides '${service}'`);
    await host.settled();
    const found: Finding[] = [...stillActive(trial, name, `after '${service}' had come`)];
    if (inVain.has(service) && !follows) {
      found.push(
        `it asks for '${service}' in activate only, so one that comes later is never taken: use ctx.onService('${service}', …)`,
      );
    }
    await trial.wait(host.unload(provider.name), `unloading who provides '${service}'`);
    await host.settled();
    found.push(...stillActive(trial, name, `after '${service}' had gone`), ...trial.errors());
    return found;
  });
}

function stillActive({ host }: Trial, name: string, when: string): readonly string[] {
  const report = host.plugins.get(name);
  return report?.state === 'active'
    ? []
    : [`it is ${report?.state ?? 'gone'} ${when}: ${report?.reasons.join(' ') ?? ''}`];
}

export const providerFor = ({ definition, services }: Subject, service: string): PluginDefinition | undefined =>
  providerOf(service, definition.optional?.[service] ?? '*', services);

/** A copy that notes which services its activate asks for in vain. */
function noting(definition: PluginDefinition, inVain: Set<string>): PluginDefinition {
  let isActivating = true;
  const wrapped = (ctx: PluginContext): PluginContext =>
    Object.create(ctx, {
      use: {
        value: (service: string): unknown => {
          try {
            return ctx.use(service);
          } catch (error) {
            if (isActivating) inVain.add(service);
            throw error;
          }
        },
      },
    }) as PluginContext;
  return variant(definition, {
    activate(ctx) {
      const over = (): void => {
        isActivating = false;
      };
      const result = definition.activate(wrapped(ctx));
      if (result instanceof Promise) return result.finally(over);
      over();
      return result;
    },
  });
}

const list = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');
