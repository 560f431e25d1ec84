// Type-checked only, against the shipped declarations: as an ES module, and renamed to .cts as CommonJS.
import { GlyphError } from 'glyphcase';
import type { GlyphCase } from 'glyphcase';
import { definePlugin } from 'glyphcase/sdk';

export const plugin = definePlugin<{ prefix: string }>({
  name: 'greeter',
  version: '1.0.0',
  activate(ctx) {
    ctx.log.info(ctx.config.prefix.toUpperCase());
    // @ts-expect-error The config has no such key, and its type knows.
    ctx.log.info(ctx.config.suffix);
  },
});

// Names are known, and who declares more knows those too.
declare module 'glyphcase/sdk' {
  interface Events {
    'greeter:greeted': { readonly name: string };
  }
  interface Services {
    greeter: { greet(name: string): string };
  }
}
export const known = definePlugin({
  name: 'known',
  version: '1.0.0',
  requires: { capsule: '^1.0.0', greeter: '^1.0.0' },
  config: { type: 'object', properties: { times: { type: 'integer', default: 1 } } },
  snapshot: (ctx) => ({ heard: ctx.config.times }),
  activate(ctx) {
    ctx.on('capsule:end', (end) => ctx.log.info(end.toFixed() + (ctx.state?.heard.toFixed() ?? '')));
    ctx.on('greeter:greeted', ({ name }) => ctx.log.info(ctx.use('greeter').greet(name.repeat(ctx.config.times))));
    ctx.emit('nobody:knows', ctx.use('capsule').end);
    // @ts-expect-error The end of the log is a number.
    ctx.on('capsule:end', (end: string) => end);
    // @ts-expect-error A name is a text.
    ctx.emit('greeter:greeted', { name: 5 });
    // @ts-expect-error A greeter greets.
    ctx.use('greeter').greed();
  },
});
export const greet = (db: GlyphCase): string => db.plugins.use('greeter').greet('Ann');
// @ts-expect-error A greeter greets.
export const greed = (db: GlyphCase): string => db.plugins.use('greeter').greed();

export const codeOf = (error: unknown): string => (error instanceof GlyphError ? error.code : 'unknown');
