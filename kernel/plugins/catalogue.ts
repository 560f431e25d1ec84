/**
 * What is known by name: the events of the bus and the services of plugins, each with its type.
 *
 * The kernel knows its own event. The host adds those of the built-in plugins (sdk/events.ts, sdk/services.ts), and any
 * plugin its own, by declaration merging.
 * Invariant: types only. A name that nobody has declared works all the same; what it stands for is then `unknown`.
 */
import type { StateChange } from './state.ts';

/**
 * Event → payload.
 *
 * @example
 * ```ts
 * declare module 'glyphcase/sdk' {
 *   interface Events {
 *     'metrics:tick': { readonly requests: number };
 *   }
 * }
 * ctx.on('metrics:tick', ({ requests }) => ctx.log.debug(`${requests} requests`));
 * ```
 */
export interface Events {
  /** A plugin has changed its state. */
  readonly 'plugin:state': StateChange;
}

/**
 * Service → its interface.
 *
 * @example
 * ```ts
 * declare module 'glyphcase/sdk' {
 *   interface Services {
 *     metrics: MetricsService;
 *   }
 * }
 * ctx.use('metrics').count('requests');
 * ```
 */
// The kernel offers no service itself: this is the table that plugins add theirs to.
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Services {}

/** The name of an event; editors offer those that are declared, and any other is accepted. */
export type EventName = keyof Events | (string & {});

/** What listeners of an event are given; of one that nobody has declared, what is said in its place. */
export type EventPayload<Name, Otherwise = unknown> = Name extends keyof Events ? Events[Name] : Otherwise;

/** `never` for the name of a declared service, so that its type cannot be mistaken for another. */
export type Undeclared<Name> = Name extends keyof Services ? never : unknown;
