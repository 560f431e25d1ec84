// The same package from CommonJS: Node ≥ 22.12 can require() an ES module that has no top-level await.
const { GlyphCase } = require('glyphcase');

async function main() {
  const db = new GlyphCase(':memory:');
  await db.execute('CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)');
  await db.insert('tasks', { title: 'write the docs' });
  const rows = await db.query('SELECT * FROM tasks');
  console.log(`${rows.length} row`);
  await db.close();
}

main();
