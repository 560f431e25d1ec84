/**
 * Follows a service as it comes and goes: `ctx.onService`, and the host's own.
 *
 * Invariants: `fn` is called once for each time a fitting service comes, and what it returned once when that one goes; what
 * either of them throws later than at the call reaches nobody but `fault`.
 */
import { inRange } from './services.ts';
import type { ServiceEntry, Services } from './services.ts';
import type { Disposer } from './types.ts';

/** Takes a service; what it returns lets go of it. */
export type ServiceUser = (service: unknown) => void | Disposer;

export interface FollowParts {
  readonly services: Services;
  fault(error: unknown, what: string): void;
}

/** Runs `fn` for as long as a fitting service is there. What `fn` throws for one that is there already is thrown here. */
export function followService(parts: FollowParts, name: string, range: string, fn: ServiceUser): Disposer {
  let undo: void | Disposer;
  const begin = (entry: ServiceEntry): void => {
    if (inRange(entry.version, range)) undo = fn(entry.service);
  };
  const end = (): void => {
    const last = undo;
    undo = undefined;
    if (typeof last === 'function') last();
  };
  const isolated =
    <Args extends unknown[]>(run: (...args: Args) => void) =>
    (...args: Args): void => {
      try {
        run(...args);
      } catch (error) {
        parts.fault(error, `onService '${name}'`);
      }
    };
  const present = parts.services.get(name);
  if (present !== undefined) begin(present);
  const unwatch = parts.services.watch(name, { came: isolated(begin), gone: isolated(end) });
  return () => {
    unwatch();
    end();
  };
}
