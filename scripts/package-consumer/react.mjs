// A stranger's page, rendered in the process that has no database yet: the hooks alone load none.
import { createElement } from 'react';
import { GlyphCaseProvider, liveSource, useQuery } from 'glyphcase/react';
import { databaseLoaded } from './loaded.mjs';

const loaded = databaseLoaded();
const { GlyphCase } = await import('glyphcase');
const db = new GlyphCase(':memory:');
await db.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO tasks VALUES (1, 'write')");
const [task] = liveSource(db).observe({ sql: 'SELECT title FROM tasks' }).getSnapshot().rows;
const element = createElement(GlyphCaseProvider, { db });
console.log(`${typeof useQuery}, ${element.type.name}, ${task.title}, ${loaded}`);
await db.close();
