/**
 * Tells of each reaction of a skill once it has committed: which changes, and how long it took.
 *
 * It stands between the plugin `skills` and the service `capsule`, which is where a reaction is handed over.
 * Invariant: what it passes on is the service unchanged; a reaction that was rolled back is not told of.
 */
import type { PluginContext, PluginDefinition } from '../../kernel/plugins/types.ts';
import type { CapsuleService, ChangeEvent, Reaction } from '../../plugins/capsule/types.ts';

export interface ReactionReport {
  readonly skill: string;
  readonly events: readonly ChangeEvent[];
  /** Time its `on_data_changed` took, in ms. */
  readonly ms: number;
}

/** The plugin `skills`, whose reactions are reported. */
export function metered<Config>(
  definition: PluginDefinition<Config>,
  report: (reaction: ReactionReport) => void,
): PluginDefinition<Config> {
  return {
    ...definition,
    activate(ctx) {
      const use = <Service>(name: string): Service =>
        name === 'capsule' ? (meteredCapsule(ctx.use(name), report) as Service) : ctx.use<Service>(name);
      // The context's own members, and its getters, stay what they are.
      return definition.activate(Object.create(ctx, { use: { value: use } }) as PluginContext<Config>);
    },
  };
}

function meteredCapsule(capsule: CapsuleService, report: (reaction: ReactionReport) => void): CapsuleService {
  return {
    react: (reaction) => capsule.react(meteredReaction(reaction, report)),
    watch: (table, filter, params) => capsule.watch(table, filter, params),
    unwatch: (watcher) => capsule.unwatch(watcher),
    subscribe: (watcher, handler, options) => capsule.subscribe(watcher, handler, options),
    unsubscribe: (subscription) => capsule.unsubscribe(subscription),
    canWatch: (table) => capsule.canWatch(table),
    keep: (table, options) => capsule.keep(table, options),
    recreateTriggers: (table) => capsule.recreateTriggers(table),
    look: () => capsule.look(),
    boundary: (from, size, end) => capsule.boundary(from, size, end),
    deliver: (to) => capsule.deliver(to),
    settled: (seq) => capsule.settled(seq),
    prune: () => capsule.prune(),
    stats: () => capsule.stats(),
    get end() {
      return capsule.end;
    },
    get position() {
      return capsule.position;
    },
    get batchSize() {
      return capsule.batchSize;
    },
  };
}

function meteredReaction(reaction: Reaction, report: (reaction: ReactionReport) => void): Reaction {
  const skill = reaction.name.replace(/^skill:/, '');
  let events: ChangeEvent[] = [];
  let ms = 0;
  const forget = (): void => {
    events = [];
    ms = 0;
  };
  return {
    ...reaction,
    handle(part) {
      const started = performance.now();
      reaction.handle(part);
      ms += performance.now() - started;
      events.push(...part);
    },
    committed() {
      reaction.committed?.();
      const done = { skill, events, ms };
      forget();
      report(done);
    },
    failed(error, attempt) {
      forget();
      return reaction.failed(error, attempt);
    },
  };
}
