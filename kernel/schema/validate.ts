/**
 * Validation of options and manifests against a JSON Schema (draft-07, by ajv).
 *
 * Invariants:
 * - The value passed in is never changed; what comes back is a copy with the schema's defaults filled in.
 * - An object schema that lists `properties` is closed unless it says otherwise: a misspelt key is a problem, with a
 *   suggestion, never silently ignored.
 */
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { GlyphError, messageOf } from '../errors.ts';
import type { JsonSchema } from '../plugins/types.ts';
import { problemsOf } from './problems.ts';
import type { Problem } from './problems.ts';

export { didYouMean, describeProblems } from './problems.ts';
export type { Problem } from './problems.ts';

/** Either the value with defaults, or what is wrong with it. */
export type Validated<T> =
  | { readonly value: T; readonly problems?: undefined }
  | { readonly problems: readonly Problem[]; readonly value?: undefined };

const ajv = new Ajv({
  useDefaults: true,
  allErrors: true,
  verbose: true,
  strictSchema: true,
  strictTypes: false,
  strictRequired: false,
  strictTuples: false,
  allowUnionTypes: true,
  validateFormats: false,
  logger: false,
});
// What editors read in a schema and a validator does not.
ajv.addVocabulary(['markdownDescription', 'enumDescriptions', 'markdownEnumDescriptions', 'defaultSnippets']);

const compiled = new WeakMap<JsonSchema, ValidateFunction>();

/**
 * Checks `value` against `schema`. `what` names the value in errors, such as `config of plugin 'metrics'`.
 * A missing value counts as an empty object where the schema is of type object.
 *
 * @throws GC_BAD_ARGUMENT when the schema itself is not a valid JSON Schema.
 * @example
 * ```ts
 * const result = validate<{ every: string }>(schema, { evry: '1m' }, { what: 'config' });
 * if (result.problems) console.error(describeProblems(result.problems)); // unknown key 'evry' (did you mean 'every'?)
 * ```
 */
export function validate<T = unknown>(schema: JsonSchema, value: unknown, options: { what: string }): Validated<T> {
  const check = compile(schema, options.what);
  const copy = copyPlain(value === undefined && schema['type'] === 'object' ? {} : value);
  if (check(copy)) return { value: copy as T };
  return { problems: problemsOf(check.errors as ErrorObject[]) };
}

function compile(schema: JsonSchema, what: string): ValidateFunction {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  try {
    // The $id is dropped: ajv keeps a register of them, and a reloaded schema would clash with its former self.
    const { $id: _id, ...rest } = closeObjects(schema) as Record<string, unknown>;
    const check = ajv.compile(rest);
    ajv.removeSchema(rest);
    compiled.set(schema, check);
    return check;
  } catch (error) {
    const message = `the JSON Schema for ${what} is wrong: ${messageOf(error)}`;
    throw new GlyphError('GC_BAD_ARGUMENT', message, {
      cause: error,
      hint: 'Correct the schema (JSON Schema draft-07).',
    });
  }
}

const COMPOSED = ['additionalProperties', 'patternProperties', 'unevaluatedProperties', 'allOf', 'if', '$ref'];
/** Below these, values are data and not schemas. */
const DATA = new Set(['default', 'const', 'enum', 'examples', 'required']);

/** A copy in which every object schema that lists its properties allows no others. */
function closeObjects(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map((item: unknown) => closeObjects(item));
  if (schema === null || typeof schema !== 'object') return schema;
  const entries = Object.entries(schema).map(([key, value]: [string, unknown]): [string, unknown] => {
    if (DATA.has(key)) return [key, value];
    return [key, key === 'properties' ? mapValues(value, closeObjects) : closeObjects(value)];
  });
  const copy = Object.fromEntries(entries) as Record<string, unknown>;
  const closes = isPlain(copy['properties']) && !COMPOSED.some((key) => key in copy);
  return closes ? { ...copy, additionalProperties: false } : copy;
}

function mapValues(object: unknown, each: (value: unknown) => unknown): unknown {
  if (!isPlain(object)) return object;
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, each(value)]));
}

/** Copies plain objects and arrays; anything else (functions, class instances) is kept as it is, because it may be an option too. */
function copyPlain(value: unknown, seen = new Map<unknown, unknown>()): unknown {
  if (!Array.isArray(value) && !isPlain(value)) return value;
  if (seen.has(value)) return seen.get(value);
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [] : {};
  seen.set(value, copy);
  for (const [key, item] of Object.entries(value)) {
    // defineProperty, since a plain assignment to `__proto__` would set the prototype instead of a key.
    Object.defineProperty(copy, key, {
      value: copyPlain(item, seen),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return copy;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
