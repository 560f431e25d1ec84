/** `defineCommand`: the types of what `run` is given, the plugin's options among them. Compiled, never run. */
import { defineCommand, definePlugin } from 'glyphcase/sdk';
import type { CommandContext, FromSchema } from 'glyphcase/sdk';
import { same } from './expect.ts';

const schema = { type: 'object', properties: { rate: { type: 'number', default: 20 } } } as const;
interface Rate {
  readonly rate: number;
}

export const gross = defineCommand({
  summary: 'print prices with tax',
  arguments: { net: { summary: 'prices without tax', type: 'number', many: true } },
  options: { round: { summary: 'to whole units', type: 'boolean' } },
  run(ctx: CommandContext<FromSchema<typeof schema>>, { net }, { round }) {
    same<typeof ctx.config, Rate>(true);
    same<typeof net, readonly number[]>(true);
    same<typeof round, boolean>(true);
    // @ts-expect-error There is no such option.
    ctx.print(ctx.config.rates);
  },
});

export const anyPlugins = defineCommand({ summary: 'x', run: (ctx) => same<typeof ctx.config, unknown>(true) });

export const fromSchema = definePlugin({
  name: 'from-schema',
  version: '1.0.0',
  config: schema,
  commands: {
    gross,
    anyPlugins,
    inside: defineCommand({ summary: 'x', run: (ctx: CommandContext<Rate>) => ctx.print(ctx.config.rate) }),
    plain: { summary: 'x', run: (ctx) => same<typeof ctx.config, Rate>(true) },
  },
  activate: (ctx) => same<typeof ctx.config, Rate>(true),
});

export const byHand = definePlugin<Rate>({
  name: 'by-hand',
  version: '1.0.0',
  commands: { rate: defineCommand({ summary: 'x', run: (ctx) => same<typeof ctx.config, Rate>(true) }) },
  activate: () => undefined,
});

export const anothers = definePlugin({
  name: 'anothers',
  version: '1.0.0',
  config: { type: 'object', properties: { rate: { type: 'string', default: '20 %' } } },
  // @ts-expect-error The command takes a number for the rate.
  commands: { gross },
  activate: () => undefined,
});
