// Type-checked only, against the shipped declarations.
import { GlyphCase } from 'glyphcase';
import type { ChangeEvent, SchemaDefinition, Subscription, Watcher } from 'glyphcase';

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

// The raw handle has better-sqlite3's own types, not `any`.
export const isOpen: boolean = db.sqlite.open;
// @ts-expect-error No such member.
db.sqlite.noSuchMember;
