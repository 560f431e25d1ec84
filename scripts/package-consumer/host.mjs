// The first program of a stranger: open, watch, write, see the event.
import { GlyphCase } from 'glyphcase';

const db = new GlyphCase(':memory:');
await db.ready;
await db.execute('CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)');
db.subscribe(db.watch('tasks'), (events) => {
  for (const event of events) console.log(event.operation, event.tableName, event.newData.title);
});
await db.insert('tasks', { title: 'write the docs' });
await db.flush();
await db.close();
