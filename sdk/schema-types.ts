/**
 * What a JSON Schema says of a value, as a TypeScript type: how `definePlugin` knows the type of `ctx.config`.
 *
 * It reads `type`, `enum`, `const`, `properties` with `required` and `default`, `additionalProperties` of maps, and `items`.
 * Invariant: what it does not read becomes `unknown`, never a type that a checked value might not have.
 */
import type { JsonSchema } from '../kernel/plugins/types.ts';

interface Primitives {
  readonly string: string;
  readonly number: number;
  readonly integer: number;
  readonly boolean: boolean;
  readonly null: null;
}

/** Shows the keys in editors, and not how they came about. */
type Flat<T> = { readonly [Key in keyof T]: T[Key] };

type ItemsOf<Schema> = Schema extends { readonly items: infer Items extends JsonSchema }
  ? readonly FromSchema<Items>[]
  : readonly unknown[];

/** Keys that are there when the value has been checked: needed, or with a default. */
type PresentKeys<Schema, Properties> = {
  readonly [Key in keyof Properties]: Properties[Key] extends { readonly default: unknown }
    ? Key
    : Schema extends { readonly required: readonly (infer Needed)[] }
      ? Extract<Key, Needed>
      : never;
}[keyof Properties];

type ObjectOf<Schema> = Schema extends { readonly properties: infer Properties }
  ? Flat<
      { [Key in PresentKeys<Schema, Properties>]: FromSchema<Properties[Key]> } & {
        [Key in Exclude<keyof Properties, PresentKeys<Schema, Properties>>]?: FromSchema<Properties[Key]>;
      }
    >
  : Schema extends { readonly additionalProperties: infer Values extends JsonSchema }
    ? Readonly<Record<string, FromSchema<Values>>>
    : Readonly<Record<string, unknown>>;

type OfType<Schema, Type> = Type extends keyof Primitives
  ? Primitives[Type]
  : Type extends 'array'
    ? ItemsOf<Schema>
    : Type extends 'object'
      ? ObjectOf<Schema>
      : unknown;

/**
 * The type of what a JSON Schema, written as a literal, lets pass; `unknown` where it cannot be told.
 *
 * @example
 * ```ts
 * type Options = FromSchema<{ type: 'object'; properties: { every: { type: 'string'; default: '1m' } } }>; // { every: string }
 * ```
 */
export type FromSchema<Schema> = Schema extends { readonly const: infer Value }
  ? Value
  : Schema extends { readonly enum: readonly (infer Value)[] }
    ? Value
    : Schema extends { readonly type: readonly (infer Type)[] }
      ? OfType<Schema, Type>
      : Schema extends { readonly type: infer Type }
        ? OfType<Schema, Type>
        : unknown;
