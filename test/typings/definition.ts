/** `definePlugin`: the types of options and state, and what a definition may not be. Compiled, never run. */
import { definePlugin } from 'glyphcase/sdk';
import type { FromSchema, PluginContext, PluginDefinition } from 'glyphcase/sdk';
import { same } from './expect.ts';

export const fromSchema = definePlugin({
  name: 'from-schema',
  version: '1.0.0',
  config: {
    type: 'object',
    required: ['table'],
    properties: {
      table: { type: 'string' },
      every: { type: 'string', default: '1m' },
      size: { type: 'integer', minimum: 1 },
      mode: { enum: ['fast', 'safe'], default: 'safe' },
      exact: { const: true },
      names: { type: 'array', items: { type: ['string', 'null'] }, default: [] },
      limits: { type: 'object', properties: { rows: { type: 'number', default: 5 }, note: { type: 'string' } } },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      free: { type: 'object' },
      either: { anyOf: [{ type: 'string' }, { type: 'number' }] },
    },
  },
  activate(ctx) {
    same<
      typeof ctx.config,
      {
        readonly table: string;
        readonly every: string;
        readonly mode: 'fast' | 'safe';
        readonly names: readonly (string | null)[];
        readonly size?: number;
        readonly exact?: true;
        readonly limits?: { readonly rows: number; readonly note?: string };
        readonly labels?: Readonly<Record<string, string>>;
        readonly free?: Readonly<Record<string, unknown>>;
        readonly either?: unknown;
      }
    >(true);
    // @ts-expect-error There is no such option.
    ctx.log.info(ctx.config.tabel);
    // @ts-expect-error It may have been left out.
    ctx.log.info(ctx.config.size.toFixed());
    // @ts-expect-error Options are not to be written to.
    ctx.config.table = 'x';
  },
  deactivate: (ctx) => same<typeof ctx.config.table, string>(true),
});
same<
  typeof fromSchema extends PluginDefinition<infer Config> ? (Config extends { every: string } ? true : false) : false,
  true
>(true);

export const noSchema = definePlugin({
  name: 'no-schema',
  version: '1.0.0',
  activate: (ctx) => same<typeof ctx.config, unknown>(true),
});

const elsewhere: Readonly<Record<string, unknown>> = { type: 'object' };
export const schemaElsewhere = definePlugin({
  name: 'schema-elsewhere',
  version: '1.0.0',
  config: elsewhere,
  activate: (ctx) => same<typeof ctx.config, unknown>(true),
});

export const byHand = definePlugin<{ readonly rate: number }>({
  name: 'by-hand',
  version: '1.0.0',
  config: { type: 'object', properties: { rate: { type: 'number', default: 20 } } },
  activate(ctx) {
    same<typeof ctx.config, { readonly rate: number }>(true);
    same<typeof ctx.state, unknown>(true);
    // @ts-expect-error The options have no such key.
    ctx.log.info(ctx.config.rates);
  },
  snapshot: (ctx) => ctx.config.rate,
});

export const byHelper = definePlugin({
  name: 'by-helper',
  version: '1.0.0',
  activate: (ctx: PluginContext<{ readonly rate: number }>) => same<typeof ctx.config, { readonly rate: number }>(true),
});

same<FromSchema<{ type: 'array'; items: { type: 'boolean' } }>, readonly boolean[]>(true);
same<FromSchema<{ $ref: '#/definitions/x' }>, unknown>(true);
same<FromSchema<true>, unknown>(true);

/** What `snapshot` returns is what `ctx.state` is: it stands first, or takes no parameter. */
export const stateAbove = definePlugin({
  name: 'state-above',
  version: '1.0.0',
  config: { type: 'object', properties: { start: { type: 'number', default: 1 } } },
  snapshot(ctx) {
    same<typeof ctx.state, undefined>(true);
    return { heard: ctx.config.start, by: new Map<string, number>() };
  },
  activate(ctx) {
    same<typeof ctx.state, { heard: number; by: Map<string, number> } | undefined>(true);
    ctx.state?.by.get('x')?.toFixed();
    // @ts-expect-error On a first start there is none.
    ctx.log.info(ctx.state.heard.toFixed());
    // @ts-expect-error The state has no such member.
    ctx.log.info(ctx.state?.seen);
  },
});

let heard = 0;
export const stateBelow = definePlugin({
  name: 'state-below',
  version: '1.0.0',
  activate(ctx) {
    same<typeof ctx.state, { heard: number } | undefined>(true);
    heard = ctx.state?.heard ?? 0;
  },
  snapshot: () => ({ heard }),
});

/** The way that cannot be inferred: the state is `unknown` then, so nothing is taken for what it is not. */
export const stateUnknown = definePlugin({
  name: 'state-unknown',
  version: '1.0.0',
  activate(ctx) {
    same<typeof ctx.state, unknown>(true);
    // @ts-expect-error It is unknown.
    ctx.log.info(ctx.state?.heard);
  },
  snapshot: (ctx) => ({ heard: ctx.name.length }),
});

export const stateByHand = definePlugin<{ readonly start: number }, Map<string, number>>({
  name: 'state-by-hand',
  version: '1.0.0',
  activate: (ctx) => same<typeof ctx.state, Map<string, number> | undefined>(true),
  snapshot: (ctx) => new Map([['start', ctx.config.start]]),
});

definePlugin<unknown, number>({
  name: 'wrong-state',
  version: '1.0.0',
  activate: () => undefined,
  // @ts-expect-error The state was said to be a number.
  snapshot: () => 'text',
});

// @ts-expect-error `version` is missing.
definePlugin({ name: 'a', activate: () => undefined });
// @ts-expect-error `activate` is missing.
definePlugin({ name: 'a', version: '1.0.0' });
// @ts-expect-error There is no such key.
definePlugin({ name: 'a', version: '1.0.0', depends: {}, activate: () => undefined });
// @ts-expect-error A version range is a text.
definePlugin({ name: 'a', version: '1.0.0', requires: { capsule: 1 }, activate: () => undefined });
// @ts-expect-error There are two ways to reload.
definePlugin({ name: 'a', version: '1.0.0', reload: 'hot', activate: () => undefined });
