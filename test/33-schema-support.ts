/**
 * What the tests of schema changes share: a host that watches `users`, and ways to change that table.
 */
import { Statements } from '../sdk/statements.ts';
import { openHost, settle, sqlite3, tempFile } from './support.ts';
import type { Collected, Host } from './support.ts';

export const USERS = 'CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, age INTEGER)';

/** Runs a script as `GlyphCase.execute` does. */
export async function execute(host: Host, sql: string): Promise<void> {
  await new Statements({ db: host.db, hooks: host.kernel.hooks, logger: host.logger, slowMs: 10_000 }).execute(sql);
}

export const triggers = (host: Host | string, table: string): string[] =>
  sqlite3(
    typeof host === 'string' ? host : host.file,
    `SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '${table}' ORDER BY rowid`,
  )
    .split('\n')
    .filter((name) => name !== '');

export const resets = (collected: Collected): string[] =>
  collected.batches
    .filter(({ batch }) => batch.reset !== undefined)
    .map(({ batch, events }) => `${batch.reset?.reason ?? ''} ${events.length}`);

/** What a handler got, in short: `UPDATE users {"id":1,…}`. */
export const lines = (collected: Collected): string[] =>
  collected.events.map(
    (event) => `${event.operation} ${event.tableName} ${JSON.stringify(event.newData ?? event.oldData)}`,
  );

export interface Running {
  readonly host: Host;
  readonly live: Collected;
  readonly durable: Collected;
}

/** A host that watches `users`, with a subscriber that goes with it and one that lasts. */
export function watching(file: string = tempFile(), schema = USERS): Running {
  const host = openHost({ file, schema });
  const watcher = host.capsule.watch('users');
  return { host, live: host.collect(watcher), durable: host.collect(watcher, { name: 'mailer' }) };
}

/** Stops the host, changes the file as `scripts` say, starts another host; returns what the durable subscriber hears. */
export async function whileStopped({ host }: Running, ...scripts: readonly string[]): Promise<Running> {
  await host.flush();
  await host.close();
  sqlite3(host.file, ...scripts);
  const again = openHost({ file: host.file });
  const [watched] = again.db.all('SELECT table_or_query AS name FROM _capsule_watchers WHERE host_id IS NULL') as {
    name: string;
  }[];
  const watcher = again.capsule.watch(watched?.name ?? 'users');
  const running = { host: again, live: again.collect(watcher), durable: again.collect(watcher, { name: 'mailer' }) };
  await again.flush();
  await settle();
  return running;
}

/** A rebuild as https://sqlite.org/lang_altertable.html §7 describes it. */
export const REBUILD = `PRAGMA foreign_keys = OFF; BEGIN;
  CREATE TABLE new_users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age REAL);
  INSERT INTO new_users SELECT id, name, age FROM users; DROP TABLE users; ALTER TABLE new_users RENAME TO users; COMMIT`;

export const OTHER_ORDER = `PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; BEGIN;
  ALTER TABLE users RENAME TO old_users; CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age REAL);
  INSERT INTO users SELECT id, name, age FROM old_users; DROP TABLE old_users; COMMIT`;
