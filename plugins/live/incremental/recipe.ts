/**
 * Finds out how a query can be kept current by what changes, or why it cannot.
 *
 * Invariant: a recipe is given only where it was proven that a change reaches no other rows than those it leads to.
 */
import type { Token } from '../../../sdk/plugin.ts';
import { readSelect } from '../select/reader.ts';
import type { Core, SelectText } from '../select/types.ts';
import type { OrderTerm } from './compare.ts';
import type { LogRules } from './from-log.ts';
import { isHiddenRowid, NotIncremental, refuse } from './names.ts';
import type { ColumnRef } from './names.ts';
import { plainOf } from './plain.ts';
import { orderOf } from './order.ts';
import type { Order } from './order.ts';
import { valueAt } from './parameters.ts';
import type { ValueOf } from './parameters.ts';
import { Reading } from './reading.ts';
import type { CoreReading, Schema } from './reading.ts';
import { rewrite } from './rewrite.ts';
import type { Statements } from './rewrite.ts';
import { chooseRoot } from './root.ts';
import type { Root } from './root.ts';
import { tallyOf } from './tally.ts';
import { switchesOf } from './switches.ts';
import type { Switch } from './switches.ts';

/** One of the SELECTs that UNION ALL joins. */
export interface Arm {
  readonly root: Root;
  readonly statements: Statements;
}

export interface Recipe extends LogRules {
  readonly arms: readonly Arm[];
  /** Number of columns of the result. Behind them stands the key, and behind that the number of the arm, when they are several. */
  readonly width: number;
  /** Undefined without ORDER BY. */
  readonly order: readonly OrderTerm[] | undefined;
  readonly limit: ValueOf | undefined;
  readonly offset: ValueOf | undefined;
  /** Columns that a parameter or literal must be equal to, by which queries are told apart. */
  readonly switches: readonly Switch[];
  /** VACUUM changes what the result is divided by. */
  readonly isRenumbered: boolean;
}

export interface NoRecipe {
  /** A clause. */
  readonly why: string;
}

/**
 * @param width the number of columns of the result
 * @throws nothing that is due to the query
 */
export function findRecipe(sql: string, width: number, schema: Schema): Recipe | NoRecipe {
  const text = readSelect(sql);
  if ('refused' in text) return { why: text.refused };
  try {
    return recipeOf(text, width, schema);
  } catch (error) {
    if (error instanceof NotIncremental) return { why: error.message };
    throw error;
  }
}

/** `?` and `?2` count those before them, which another arm may have. */
const isNameless = ({ type, text }: Token): boolean => type === 'parameter' && text.startsWith('?');

function recipeOf(text: SelectText, width: number, schema: Schema): Recipe {
  const { select, tokens } = text;
  const isLimited = select.limit !== undefined;
  const isOrdered = select.orderBy.length > 0;
  if (isLimited && !isOrdered) refuse('it has a LIMIT without ORDER BY');
  if (select.arms.length > 1 && tokens.some(isNameless))
    refuse('a parameter without a name stands in what UNION ALL joins');
  if (isOrdered && select.arms.length > 1) refuse('it sorts what UNION ALL joins');
  const limit =
    select.limit === undefined ? undefined : (valueAt(tokens, select.limit) ?? refuse('its LIMIT is worked out'));
  const offset =
    select.offset === undefined ? undefined : (valueAt(tokens, select.offset) ?? refuse('its OFFSET is worked out'));
  let order: Order | undefined;
  let switches: readonly Switch[] = [];
  let rules: LogRules = { plain: undefined, tally: undefined };
  for (const core of select.arms) assertNumbersFirst(text, core);
  const arms = select.arms.map((core, index): Arm & { readonly ref: ColumnRef } => {
    const { reading, root, occurrences } = readArm(text, core, schema);
    if (isOrdered) order = orderOf(text, reading, width);
    if (select.arms.length === 1) switches = switchesOf(reading, occurrences);
    rules = {
      plain: plainOf(select, reading, root, switches),
      tally: tallyOf(select, reading, root, occurrences, schema.functions.aggregates),
    };
    const statements = rewrite(text, core, {
      key: root.sql,
      columns: [...(order?.columns ?? []), ...(select.arms.length > 1 ? [String(index)] : [])],
      ordered: isOrdered,
      limited: isLimited,
    });
    return { root, statements, ref: root.ref };
  });
  return {
    arms,
    width,
    order: order?.terms,
    limit,
    offset,
    switches,
    ...rules,
    isRenumbered: arms.some(({ ref }) => isHiddenRowid(ref.column)),
  };
}

/** A parameter that is added takes the next free number, and `?2` behind it would be the same one. */
function assertNumbersFirst({ tokens }: SelectText, { where, fromEnd }: Core): void {
  const added = where?.to ?? fromEnd;
  const isNumbered = ({ type, text }: Token): boolean => type === 'parameter' && text.startsWith('?') && text !== '?';
  if (tokens.slice(added).some(isNumbered)) refuse('a numbered parameter stands behind its WHERE');
}

function readArm(
  text: SelectText,
  core: Core,
  schema: Schema,
): { readonly reading: CoreReading; readonly root: Root; readonly occurrences: Reading['occurrences'] } {
  const reading = new Reading(schema);
  const { select } = text;
  const [arm] = reading.arms(text, { ...select, arms: [core] }, new Map(), undefined);
  if (arm === undefined) return refuse('it was not understood');
  const root = chooseRoot(arm, reading.occurrences, reading.missing);
  if (root.routes.length === 0) refuse('a change of any of its tables may reach every row');
  return { reading: arm, root, occurrences: reading.occurrences };
}
