/**
 * `ctx.watch`: a subscription to the changes of a table, or of a query's result, that belongs to a plugin.
 *
 * The kernel knows no more of the services `capsule` and `live` than `parking.ts` says.
 * Invariants:
 * - The handler is called only while the plugin is live and the service is there.
 * - A reload, of the plugin or of the service, loses nothing and tells nothing twice.
 */
import { GlyphError, messageOf } from '../errors.ts';
import { firstKeyword } from '../sql/index.ts';
import { isThenable } from '../time-limit.ts';
import { Gate } from './parking.ts';
import type { Parking, WatchHandler, WatchService } from './parking.ts';
import type { Disposer, WatchOptions } from './types.ts';

export interface WatchParts {
  /** Runs the function for as long as the service is there. @throws GC_BAD_PLUGIN when it is not declared */
  follow(service: string, fn: (service: unknown) => Disposer): Disposer;
  /** Makes a registration as soon as the plugin is live. */
  register(label: string, make: () => Disposer): Disposer;
  readonly parking: Parking;
  /** How many watches of each key the instance has made. */
  readonly made: Map<string, number>;
  faulted(what: string, error: unknown): void;
}

const QUERIES: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES']);
const OPTIONS: readonly string[] = ['where', 'params', 'name', 'from', 'filter', 'initial', 'debounce'];

/** @throws GC_BAD_ARGUMENT, GC_BAD_OPTION, GC_BAD_PLUGIN, and what the service throws for a wrong table, filter or query */
export function watchRows(parts: WatchParts, text: string, handler: WatchHandler, options: WatchOptions): Disposer {
  check(text, handler, options);
  const { where, params, filter, ...rest } = options;
  const isQuery = QUERIES.has(firstKeyword(text));
  if (isQuery && where !== undefined) {
    throw new GlyphError('GC_BAD_OPTION', 'watch(): a query takes no `where`; write the condition into it');
  }
  const label = `watch ${isQuery ? 'a query' : text}`;
  const key = keyOf(parts, [text, where, params, rest.name, rest.debounce]);
  const given = guarded(parts, label, filter === undefined ? handler : filtered(handler, filter));
  let ended = false;

  const subscribe = (service: WatchService, watcher: { readonly id: string }): Gate => {
    const known = parts.parking.take(key, service);
    if (known instanceof Gate) {
      service.unwatch(watcher);
      known.open(given);
      return known;
    }
    const place = known === undefined || isQuery ? {} : { from: known };
    return new Gate(service, watcher, given, { ...rest, ...place });
  };
  const begin = (service: WatchService): Disposer => {
    // Made at once also by an instance whose handlers are held back: a mistake is then the author's, at the call.
    const watcher = isQuery ? service.watch(text, params) : service.watch(text, where, params);
    let gate: Gate | undefined;
    const off = parts.register(`${label}: handler`, () => {
      gate = subscribe(service, watcher);
      return () => {
        if (gate === undefined) return;
        if (ended) gate.end();
        else parts.parking.park(key, gate);
      };
    });
    return () => {
      off();
      if (gate === undefined) service.unwatch(watcher);
    };
  };
  const stop = parts.follow(isQuery ? 'live' : 'capsule', (service) => begin(service as WatchService));
  return () => {
    ended = true;
    stop();
  };
}

function check(text: unknown, handler: unknown, options: object): void {
  if (typeof text !== 'string' || text.trim() === '') {
    throw new GlyphError('GC_BAD_ARGUMENT', `watch(tableOrQuery, handler): ${String(text)} is no table and no query`);
  }
  if (typeof handler !== 'function') {
    throw new GlyphError('GC_BAD_ARGUMENT', `watch('${text}', handler): the handler is not a function`);
  }
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option));
  if (unknown === undefined) return;
  throw new GlyphError('GC_BAD_OPTION', `watch(): there is no option '${unknown}'`, {
    hint: `There are ${OPTIONS.join(', ')}.`,
  });
}

/** Tells the watches of one plugin apart in a way that its next instance repeats. */
function keyOf({ made }: WatchParts, what: readonly unknown[]): string {
  const key = JSON.stringify(what, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
  const count = (made.get(key) ?? 0) + 1;
  made.set(key, count);
  return `${key} ${count}`;
}

function filtered(handler: WatchHandler, filter: NonNullable<WatchOptions['filter']>): WatchHandler {
  return (events, batch) => {
    const wanted = events.filter(filter);
    return wanted.length > 0 || batch.reset !== undefined ? handler(wanted, batch) : undefined;
  };
}

/** What the handler throws counts as the plugin's failure; the service, which has to know too, deals with the delivery. */
function guarded(parts: WatchParts, label: string, handler: WatchHandler): WatchHandler {
  const faulted = (error: unknown): never => {
    parts.faulted(label, error);
    throw error instanceof Error ? error : new Error(messageOf(error));
  };
  return (events, batch) => {
    let result: unknown;
    try {
      result = handler(events, batch);
    } catch (error) {
      return faulted(error);
    }
    return isThenable(result) ? result.then(undefined, faulted) : result;
  };
}
