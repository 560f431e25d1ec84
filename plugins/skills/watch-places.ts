/**
 * Where the watches of a Lua state stand, for the state that takes its place: the next version of the skill, or the same one
 * after its state was killed.
 *
 * Invariant: a watch takes the place of one that watched the same, of several in the order in which they were made; each place
 * is taken once.
 */
import type { LuaValue } from '../../sdk/lua-types.ts';
import type { Standing } from '../../sdk/live-types.ts';

export interface WatchPlace {
  /** What is watched, see {@link codeOfWatch}. */
  readonly code: string;
  /** On a table: what comes after this `seq` is still to be told. */
  readonly seq?: number;
  /** On a SELECT. */
  readonly standing?: Standing;
}

/** Places that are still to be taken. */
export class WatchPlaces {
  #left: WatchPlace[];

  constructor(places: readonly WatchPlace[]) {
    this.#left = [...places];
  }

  take(code: string): WatchPlace | undefined {
    const at = this.#left.findIndex((place) => place.code === code);
    return at < 0 ? undefined : this.#left.splice(at, 1)[0];
  }

  /** What asks from now on is new. */
  end(): void {
    this.#left = [];
  }
}

type Params = readonly LuaValue[] | Readonly<Record<string, LuaValue>>;

/** The same text for the same watch. */
export function codeOfWatch(kind: 'table' | 'query', text: string, filter: string | undefined, params: Params): string {
  return JSON.stringify([kind, text, filter ?? null, params], coded);
}

/** Values of different kinds never look the same, and named parameters have no order. */
function coded(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { integer: String(value) };
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { number: `${value}` };
  if (value instanceof Uint8Array) return { blob: Buffer.from(value).toString('base64') };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return { named: Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) };
}
