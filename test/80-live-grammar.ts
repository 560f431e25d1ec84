/** Random cases for the property of live queries: a schema, SELECTs with their parameters, and writes. */
import fc from 'fast-check';
import { Choices, numbers } from './80-live-grammar-choices.ts';
import { schemas } from './80-live-grammar-schema.ts';
import type { Schema } from './80-live-grammar-schema.ts';
import { SelectBuilder } from './80-live-grammar-selects.ts';
import type { Shape } from './80-live-grammar-selects.ts';
import { FIXED } from './80-live-grammar-fixed.ts';
import { selects } from './80-live-grammar-plain.ts';
import { works } from './80-live-grammar-works.ts';
import type { Work } from './80-live-grammar-works.ts';

export { selects } from './80-live-grammar-plain.ts';
export type { Transaction, Work } from './80-live-grammar-works.ts';

export interface Query {
  readonly sql: string;
  readonly params: unknown[] | Record<string, unknown>;
}

export interface Case {
  readonly schema: Schema;
  readonly inMemory: boolean;
  readonly queries: readonly Query[];
  readonly works: readonly Work[];
}

/** One shape with one, two or three sets of parameters. */
const queries = (joins: number): fc.Arbitrary<Query[]> =>
  fc.tuple(numbers(90), numbers(30), selects).map(([shape, params, plain]) => {
    const c = new Choices(params);
    if (c.chance(8)) return [{ sql: c.pick([plain, ...FIXED]), params: [] }];
    if (c.chance(8)) return [{ sql: plain, params: [] }];
    const built = new SelectBuilder(new Choices(shape), { joins }).build();
    // Without names they keep UNION ALL from being incremental.
    const style = c.pick(
      built.sql.includes('UNION ALL') ? ([':a', ':a', ':a', ':a', '?1'] as const) : (['?', '?', '?1', ':a'] as const),
    );
    const sets = built.parameters.length === 0 ? 1 : 1 + c.next(3);
    return Array.from({ length: sets }, () => bound(built, style, c));
  });

/** The text with parameters in one of the ways to write them, and values for them. */
function bound({ sql, parameters }: Shape, style: '?' | '?1' | ':a', choices: Choices): Query {
  const values = parameters.map(({ draw }) => draw(choices));
  const inText: unknown[] = [];
  const text = sql.replaceAll(/«(\d+)»/g, (_, number: string) => {
    inText.push(values[Number(number)]);
    return style === '?' ? '?' : style === '?1' ? `?${Number(number) + 1}` : `:p${number}`;
  });
  if (style === '?') return { sql: text, params: inText };
  if (style === '?1') return { sql: text, params: values };
  return { sql: text, params: Object.fromEntries(values.map((value, index) => [`p${index}`, value])) };
}

export const cases: fc.Arbitrary<Case> = fc.constantFrom(false, false, true).chain((bulk) =>
  fc.record({
    schema: schemas,
    inMemory: fc.boolean(),
    // Many rows, joined several times, would be too many.
    queries: fc.array(queries(bulk ? 1 : 3), { minLength: 1, maxLength: 5 }).map((all) => all.flat()),
    works: fc.array(works(bulk), { minLength: 1, maxLength: 6 }),
  }),
);
