/**
 * A program that never closes its host. Arguments: what it does with it, and a folder.
 *
 * It prints a line when everything is done that it means to do; whether it ends then is the question.
 */
import { join } from 'node:path';
import { GlyphCase } from '../../sdk/index.ts';
import { useEverything, writeSkill } from './use.ts';

const [what, folder = ''] = process.argv.slice(2);
const file = what === 'memory' ? ':memory:' : join(folder, 'app.db');
const skills = what === 'skill' ? { dir: writeSkill(folder) } : false;
const db = new GlyphCase(file, { skills });
await db.ready;
if (what === 'rejections') {
  // Nobody waits for any of this.
  const slow = { name: 'slow', version: '1.0.0', activate: () => new Promise<void>((end) => setTimeout(end, 20)) };
  await new GlyphCase(':memory:', { plugins: [slow] }).close();
  db.onAction('fail', () => Promise.reject(new Error('nobody listens')));
  db.dispatch('fail');
  await db.execute('CREATE TABLE failing (id INTEGER PRIMARY KEY)');
  const watcher = db.watch('failing');
  db.subscribe(watcher, () => Promise.reject(new Error('a handler that fails')));
  await db.insert('failing', {});
  await db.flush();
  db.unwatch(watcher);
} else {
  await db.execute('CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)');
  if (what !== 'writes' && what !== 'skill') await useEverything(db);
}
process.stdout.write('done\n');
