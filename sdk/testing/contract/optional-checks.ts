/**
 * Checks of services a plugin can do without: it runs while they are missing, takes them when they come, and lets go of
 * them when they go.
 *
 * Invariant: a plugin is blamed for not taking a service only when it has asked for it in `activate`, in vain, and has no
 * `onService` that would tell it.
 */
import { messageOf } from '../../../kernel/errors.ts';
import type { PluginContext, PluginDefinition } from '../../../kernel/plugins/types.ts';
import { providerOf } from '../providers.ts';
import { labelsIn } from './census.ts';
import { Trial, variant } from './trial.ts';
import type { Subject } from './trial.ts';
import type { Findings } from './types.ts';

const optionalOf = ({ definition }: Subject): readonly string[] => Object.keys(definition.optional ?? {});

export async function withoutOptional(subject: Subject): Promise<Findings> {
  const names = optionalOf(subject);
  if (names.length === 0) return { skipped: 'It has no optional services.' };
  return Trial.run(subject, async (trial) => {
    const report = await trial.load();
    if (report.state === 'active') return trial.errors();
    const why = report.error === undefined ? report.reasons.join(' ') : messageOf(report.error);
    return [`it does not run without ${list(names)}: ${why}`];
  });
}

export async function lateOptional(subject: Subject): Promise<Findings> {
  const names = optionalOf(subject);
  if (names.length === 0) return { skipped: 'It has no optional services.' };
  const untried = names.filter((name) => providerFor(subject, name) === undefined);
  if (untried.length > 0) {
    return { skipped: `Nobody provides ${list(untried)} here: pass a stand-in in the option \`services\`.` };
  }
  const found: string[] = [];
  for (const name of names) found.push(...(await comesAndGoes(subject, name)));
  return found;
}

function comesAndGoes(subject: Subject, service: string): Promise<readonly string[]> {
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
    const found = [...stillActive(trial, name, `after '${service}' had come`)];
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

const providerFor = ({ definition, services }: Subject, service: string): PluginDefinition | undefined =>
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
