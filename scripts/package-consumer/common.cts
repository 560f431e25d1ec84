// Type-checked only: a CommonJS consumer, against the declarations that are shipped for require().
import { GlyphCase, GlyphError } from 'glyphcase';
import type { ChangeEvent, Watcher } from 'glyphcase';
import { connectLiveSource } from 'glyphcase/channel';
import type { LiveSource } from 'glyphcase/channel';
import { useQuery } from 'glyphcase/react';
import { definePlugin } from 'glyphcase/sdk';
import type { PluginContext } from 'glyphcase/sdk';
import { createTestHost } from 'glyphcase/testing';

// A class is a value and a type.
class Tasks extends GlyphCase {
  watcher(): Watcher {
    return this.watch('tasks');
  }
}

export async function count(db: GlyphCase): Promise<number> {
  const tasks = new Tasks('tasks.db');
  tasks.subscribe(tasks.watcher(), (events: readonly ChangeEvent[]) => console.log(events.length));
  // @ts-expect-error No such member.
  db.noSuchMember();
  return (await db.query<{ n: number }>('SELECT count(*) AS n FROM tasks'))[0]?.n ?? 0;
}

export const plugin = definePlugin<{ prefix: string }>({
  name: 'greeter',
  version: '1.0.0',
  activate(ctx) {
    ctx.log.info(ctx.config.prefix.toUpperCase());
    // @ts-expect-error The config has no such key, and its type knows.
    ctx.log.info(ctx.config.suffix);
  },
});

// Names are known here as well, and who declares more knows those too.
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

export const codeOf = (error: unknown): string => (error instanceof GlyphError ? error.code : 'unknown');
export const source: LiveSource = connectLiveSource(new MessageChannel().port1);
export const rows = (): readonly { id: number }[] => useQuery<{ id: number }>('SELECT id FROM tasks').data;
export const host = createTestHost;
export type Context = PluginContext<{ prefix: string }>;
