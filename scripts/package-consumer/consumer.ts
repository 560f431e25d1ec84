// Type-checked only, against the shipped declarations.
import { GlyphCase, GlyphError } from 'glyphcase';
import type { ChangeEvent, SchemaDefinition, Subscription, Watcher } from 'glyphcase';
import { definePlugin } from 'glyphcase/sdk';

export const schema: SchemaDefinition = {
  tables: [
    {
      name: 'tasks',
      columns: [
        { name: 'id', type: 'INTEGER', primary: true },
        { name: 'title', type: 'TEXT', notNull: true },
      ],
      capsule: { watch: true },
    },
  ],
};

const db = new GlyphCase({ filename: ':memory:', schema });
const watcher: Watcher = db.watch('tasks', 'title = ?', ['write the docs']);
const subscription: Subscription = db.subscribe(watcher, (events: readonly ChangeEvent[]) => {
  for (const event of events)
    console.log(event.operation satisfies 'INSERT' | 'UPDATE' | 'DELETE', event.newData?.['title']);
});
db.unsubscribe(subscription);

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
export const greeting: string = db.plugins.use('greeter').greet('Ann');
// @ts-expect-error A greeter greets.
db.plugins.use('greeter').greed();

// The raw handle has better-sqlite3's own types, not `any`.
export const isOpen: boolean = db.sqlite.open;
// @ts-expect-error No such member.
db.sqlite.noSuchMember;

export const codeOf = (error: unknown): string => (error instanceof GlyphError ? error.code : 'unknown');
