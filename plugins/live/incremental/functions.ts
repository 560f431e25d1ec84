/**
 * Which SQL functions give the same value whenever and in whatever order they are called.
 *
 * Invariant: a function that is not known to is taken for one that does not.
 */
import type { Database } from '../../../sdk/plugin.ts';

const DETERMINISTIC = 0x800;

/** Aggregates whose value does not depend on the order in which rows come, which SQL leaves open. */
const STEADY = new Set(['count', 'sum', 'total', 'avg', 'min', 'max']);
/** Marked as deterministic within one statement, not from one to the next. */
const BY_TIME = new Set(
  'date time datetime julianday unixepoch strftime timediff current_date current_time current_timestamp'.split(' '),
);

export interface Functions {
  /** Names in lower case. */
  readonly steady: ReadonlySet<string>;
  /** Of many rows one value. */
  readonly aggregates: ReadonlySet<string>;
}

export function functionsOfDatabase(db: Database): Functions {
  const all = db.prepareRead('SELECT lower(name) AS name, type, flags, builtin FROM pragma_function_list').all() as {
    name: string;
    type: string;
    flags: number;
    builtin: number;
  }[];
  const isSteady = ({ name, type, flags, builtin }: (typeof all)[number]): boolean =>
    builtin === 1 && (type === 's' ? (flags & DETERMINISTIC) !== 0 && !BY_TIME.has(name) : STEADY.has(name));
  const moody = new Set(all.filter((one) => !isSteady(one)).map(({ name }) => name));
  return {
    steady: new Set(all.map(({ name }) => name).filter((name) => !moody.has(name))),
    aggregates: new Set(all.filter(({ type }) => type !== 's').map(({ name }) => name)),
  };
}
