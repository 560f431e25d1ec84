/**
 * A host that uses a little of everything: handlers, live queries, a durable subscription, Lua, a skill with a schedule.
 *
 * Invariant: when the promise resolves, all of it has happened once, so whatever it needs of the process it has.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GlyphCase } from '../../sdk/index.ts';

/** A folder of skills with one that reacts, watches and has a schedule. */
export function writeSkill(folder: string): string {
  const skills = join(folder, 'skills');
  mkdirSync(join(skills, 'counter'), { recursive: true });
  const manifest = {
    id: 'counter',
    name: 'Counter',
    version: '1.0.0',
    main: 'main.lua',
    watches: ['tasks'],
    permissions: { database: { read: ['tasks'], write: [] }, schedule: true },
  };
  writeFileSync(join(skills, 'counter', 'manifest.json'), JSON.stringify(manifest));
  writeFileSync(
    join(skills, 'counter', 'main.lua'),
    `local seen = 0
     function on_data_changed() seen = seen + 1 end
     function count() return seen end
     glyphcase.watch("tasks", function() end)
     scheduler.every("1h", function() end)`,
  );
  return skills;
}

export async function useEverything(db: GlyphCase): Promise<void> {
  await db.execute('CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT)');
  const { promise, resolve } = Promise.withResolvers<void>();
  db.subscribe(db.watch('tasks'), () => resolve());
  db.subscribe(db.watch('SELECT count(*) AS n FROM tasks'), () => undefined, { initial: true });
  db.subscribe(db.watch('tasks', 'title = ?', ['write']), () => undefined, { name: 'mailer', debounce: 5 });
  db.onAction('note', () => undefined);
  db.dispatch('note');
  await db.executeLuaScript('return crypto.sha256("secret")');
  await db.insert('tasks', { title: 'write' });
  await db.flush();
  await promise;
}
