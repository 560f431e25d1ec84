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

// The raw handle has better-sqlite3's own types, not `any`.
export const isOpen: boolean = db.sqlite.open;
// @ts-expect-error No such member.
db.sqlite.noSuchMember;

export const codeOf = (error: unknown): string => (error instanceof GlyphError ? error.code : 'unknown');
