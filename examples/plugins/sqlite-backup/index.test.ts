/** The plugin `sqlite-backup`, as its author tests it: the contract, the schedule, and putting a backup back. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestHost, runPluginContract } from 'glyphcase/testing';
import type { TestHost } from 'glyphcase/testing';
import { afterEach, expect, test } from 'vitest';
import plugin from './index.ts';
import type { Backup, BackupService } from './index.ts';

const schema = 'CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT)';
const folders: string[] = [];
const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'sqlite-backup-'));
  folders.push(dir);
  return dir;
};
const backup = (host: TestHost): BackupService => host.use<BackupService>('backup');

/** Moves the clock, and lets the disk do what has been asked of it. */
async function advance(host: TestHost, duration: string): Promise<void> {
  const before = host.events.length + host.logs.length;
  await host.advance(duration);
  for (let wait = 0; wait < 400 && host.events.length + host.logs.length === before; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

test('keeps the contract of plugins, on a file and in memory', async () => {
  const db = join(folder(), 'app.db');
  const exercise = async (host: TestHost): Promise<void> => {
    await backup(host).now();
  };
  expect((await runPluginContract(plugin, { db, schema, exercise, rounds: 3 })).ok).toBe(true);
  expect((await runPluginContract(plugin, { rounds: 3 })).ok).toBe(true);
});

test('wrong arguments are refused, and so is a database in memory', async () => {
  await using host = await createTestHost({ plugins: [plugin] });
  await expect(host.plugins.reload('sqlite-backup', plugin, { every: 'often' })).rejects.toThrow('every');
  await expect(backup(host).restore('', 'x.db')).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
  await expect(backup(host).restore('nothing.db', 'x.db')).rejects.toThrow('There is no backup');
  await expect(backup(host).now()).rejects.toMatchObject({ code: 'GC_NOT_SUPPORTED' });
});

test('a backup is made when the newest is old enough, and the oldest go', async () => {
  const db = join(folder(), 'app.db');
  await using host = await createTestHost({ db, schema });
  await host.load(plugin, { every: '10m', keep: 2 });
  for (const _ of [1, 2, 3]) await advance(host, '11m');
  const made = host.events.filter(({ channel }) => channel === 'backup:made').map(({ payload }) => payload as Backup);
  expect(made).toHaveLength(3);
  const ages = made.map(({ createdAt }) => createdAt.getTime());
  expect((ages[1] ?? 0) - (ages[0] ?? 0)).toBeGreaterThanOrEqual(600_000);
  expect((await backup(host).list()).map(({ name }) => name)).toEqual([made[2]?.name, made[1]?.name]);
});

test('a backup goes back to a new file, and to no other', async () => {
  const dir = folder();
  await using host = await createTestHost({ db: join(dir, 'app.db'), schema, plugins: [plugin] });
  host.run("INSERT INTO notes (text) VALUES ('kept')");
  const { name, file } = await backup(host).now();
  host.run("INSERT INTO notes (text) VALUES ('later')");
  const to = join(dir, 'restored.db');
  await backup(host).restore(name, to);
  await using restored = await createTestHost({ db: to });
  expect(restored.db.all('SELECT text FROM notes')).toEqual([{ text: 'kept' }]);

  await expect(backup(host).restore(name, to)).rejects.toThrow(`${to} is there already`);
  writeFileSync(join(dir, 'other.db-wal'), 'of a database that was removed');
  await expect(backup(host).restore(file, join(dir, 'other.db'))).rejects.toThrow('other.db-wal is there already');
  expect(readdirSync(dir).filter((entry) => entry.includes('partial'))).toEqual([]);
});

test('a folder that cannot be written is told with what to do, and tried again', async () => {
  const dir = folder();
  writeFileSync(join(dir, 'backups'), 'a file in the way');
  await using host = await createTestHost({ db: join(dir, 'app.db'), schema });
  await host.load(plugin, { every: '1h' });
  await advance(host, '1m');
  const [error, ...others] = host.logs.filter(({ level }) => level === 'error');
  expect(others).toEqual([]);
  expect(error?.message).toMatch(/The backup failed: ENOTDIR.*A file stands where the folder should be.*again in 10 m/);
  rmSync(join(dir, 'backups'));
  await advance(host, '10m');
  expect(await backup(host).list()).toHaveLength(1);
});
