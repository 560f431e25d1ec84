/**
 * The folder of backups: their names, which are there, and which may go.
 *
 * Invariants: nothing is removed but what has the name of a backup of this database, or of a copy that a program left
 * behind when it ended; the newest backups stay.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';

export interface Backup {
  readonly name: string;
  readonly file: string;
  readonly createdAt: Date;
  readonly bytes: number;
}

/** app-20260131T235959123Z.db */
const STAMP = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(\d{3})Z$/;

export class BackupFolder {
  readonly dir: string;
  readonly #prefix: string;

  /** @param database path of the database; its name is the beginning of its backups' names */
  constructor(dir: string, database: string) {
    this.dir = dir;
    this.#prefix = `${basename(database, extname(database))}-`;
  }

  /** Where the backup of a moment grows, and where it is put. Unix epoch in ms. */
  place(now: number): { readonly partial: string; readonly to: string } {
    const name = `${this.#prefix}${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}.db`;
    return { partial: join(this.dir, `.${name}.${process.pid}.partial`), to: join(this.dir, name) };
  }

  async prepare(): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    for (const name of await readdir(this.dir)) if (this.#isLeft(name)) await rm(join(this.dir, name), { force: true });
  }

  /** Newest first. */
  async list(): Promise<readonly Backup[]> {
    const names = await readdir(this.dir).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    const backups: Backup[] = [];
    for (const name of names) {
      const createdAt = this.#timeOf(name);
      const file = join(this.dir, name);
      // Another program may have removed it since.
      const found = createdAt === undefined ? undefined : await stat(file).catch(() => undefined);
      if (createdAt !== undefined && found?.isFile() === true)
        backups.push({ name, file, createdAt, bytes: found.size });
    }
    return backups.sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  }

  /** Removes the oldest, up to `keep` that stay. Resolves to those removed. */
  async prune(keep: number): Promise<readonly Backup[]> {
    const old = (await this.list()).slice(keep);
    for (const { file } of old) await rm(file, { force: true });
    return old;
  }

  #timeOf(name: string): Date | undefined {
    if (!name.startsWith(this.#prefix) || !name.endsWith('.db')) return undefined;
    const parts = STAMP.exec(name.slice(this.#prefix.length, -'.db'.length));
    if (parts === null) return undefined;
    const [year, month, day, hour, minute, second, ms] = parts.slice(1);
    const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
    return Number.isNaN(time.getTime()) ? undefined : time;
  }

  /** A copy whose program has ended before it. */
  #isLeft(name: string): boolean {
    const parts = /^\.(.+)\.(\d+)\.partial(?:-journal|-wal|-shm)?$/.exec(name);
    return parts !== null && this.#timeOf(parts[1] ?? '') !== undefined && !isRunning(Number(parts[2]));
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
