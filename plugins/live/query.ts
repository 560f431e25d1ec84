/** One query with its parameters: its result, who watches it, and what its subscribers are told. */
import type { GlyphError } from '../../sdk/plugin.ts';
import { difference } from './difference.ts';
import { toEvents } from './events.ts';
import type { Cause, UnroutedEvent } from './events.ts';
import type { Maintained } from './maintainer.ts';
import { Result } from './result.ts';
import type { Shape } from './shape.ts';
import type { Snapshot } from './snapshot.ts';
import type { Subscriber } from './subscriber.ts';

export class Query implements Maintained {
  readonly shape: Shape;
  readonly params: readonly unknown[];
  readonly code: string;
  readonly result = new Result();
  /** Ids of the watchers that share it. */
  readonly watchers = new Set<string>();
  readonly subscribers = new Set<Subscriber>();
  /** The end of the log when it was last brought up to date; -1 when it never was. */
  at = -1;
  /** The plan its result was made with. */
  plan = 0;
  /** Why it has no result at present. */
  problem: GlyphError | undefined;
  /** What made the result what it is. */
  cause: Cause | undefined;
  #last: { readonly before: Snapshot; readonly after: Snapshot; readonly events: readonly UnroutedEvent[] } | undefined;

  constructor(shape: Shape, params: readonly unknown[], code: string) {
    this.shape = shape;
    this.params = params;
    this.code = code;
  }

  /** Somebody may ask for what leads from the present snapshot to a later one than the next. */
  get held(): boolean {
    if (this.subscribers.size > 1) return true;
    for (const subscriber of this.subscribers) if (subscriber.lags) return true;
    return false;
  }

  /** What leads from an earlier snapshot to the present one. Subscribers that keep pace share the answer. */
  eventsSince(before: Snapshot): readonly UnroutedEvent[] {
    const after = this.result.snapshot;
    if (this.#last?.before === before && this.#last.after === after) return this.#last.events;
    const { ordered } = this.result;
    const changes = this.result.changesSince(before) ?? difference(before, after, ordered);
    const events =
      changes.length === 0 ? [] : toEvents(changes, { before, after, ordered, cause: this.cause as Cause });
    this.#last = { before, after, events };
    return events;
  }

  /** Lets go of an answer nobody will ask for again. */
  forgetDifference(): void {
    this.#last = undefined;
  }
}
