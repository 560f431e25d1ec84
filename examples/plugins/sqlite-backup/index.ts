/**
 * The plugin `sqlite-backup`: online backups on a schedule, each verified.
 *
 * Invariants: one backup at a time; a failure is told with what to do and tried again, and disturbs nothing else; older
 * backups are removed only when a newer one is in its place.
 */
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { definePlugin, formatDuration, GlyphError, parseDuration } from 'glyphcase/sdk';
import type { PluginContext } from 'glyphcase/sdk';
import { copyDatabase } from './copy.ts';
import { explained } from './problems.ts';
import { restoreBackup } from './restore.ts';
import type { Restored } from './restore.ts';
import { BackupFolder } from './store.ts';
import type { Backup } from './store.ts';

export type { Backup } from './store.ts';
export type { Restored } from './restore.ts';

export interface BackupConfig {
  /** Age of the newest backup at which the next is made: `'1h'`; `'never'` leaves it to `now()`. */
  readonly every: string;
  /** Folder; a relative one lies beside the database. */
  readonly dir: string;
  /** How many stay. */
  readonly keep: number;
  /** Opens each copy, checks it and counts its rows. */
  readonly verify: boolean;
}

/** The service `backup`. */
export interface BackupService {
  /** Makes a backup, or waits for the one under way. @throws GC_DISK_FULL, GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_NOT_SUPPORTED */
  now(): Promise<Backup>;
  /** Those in the folder, newest first. */
  list(): Promise<readonly Backup[]>;
  /**
   * Writes a backup, by its name or path, to a file that does not exist.
   * @throws GC_BAD_ARGUMENT, GC_DISK_FULL, GC_CANNOT_OPEN, GC_NOT_A_DATABASE
   */
  restore(file: string, to: string): Promise<Restored>;
}

/** How often it looks whether a backup is due, in ms: clocks are set, machines sleep, and other hosts make backups too. */
const LOOK_MS = 60_000;
/** After a failure it waits so long, in ms. */
const RETRY_MS = 600_000;

export default definePlugin<BackupConfig>({
  name: 'sqlite-backup',
  version: '1.0.0',
  glyphcase: '^1.0.0',
  provides: { backup: '1.0.0' },
  config: {
    type: 'object',
    properties: {
      every: { type: 'string', pattern: '^(never|\\d+(\\.\\d+)?(ms|s|m|h|d))$', default: '1h' },
      dir: { type: 'string', minLength: 1, default: 'backups' },
      keep: { type: 'integer', minimum: 1, default: 5 },
      verify: { type: 'boolean', default: true },
    },
  },
  activate(ctx) {
    const backups = new Backups(ctx);
    ctx.provide<BackupService>('backup', backups);
    // What is under way ends before the host closes its connections.
    ctx.defer(() => backups.close(), 'backup under way');
    if (ctx.config.every === 'never') return;
    if (ctx.db.inMemory) {
      ctx.log.warn('A database in memory is not backed up: there is no file that another connection could read');
      return;
    }
    const every = parseDuration(ctx.config.every);
    ctx.every(Math.max(1, Math.min(every, LOOK_MS)), () => void backups.look(every));
  },
});

class Backups implements BackupService {
  readonly #ctx: PluginContext<BackupConfig>;
  readonly #folder: BackupFolder;
  #running: Promise<Backup> | undefined;
  #looking = false;
  #failedAt: number | undefined;

  constructor(ctx: PluginContext<BackupConfig>) {
    const { dir } = ctx.config;
    const { filename } = ctx.db;
    this.#ctx = ctx;
    this.#folder = new BackupFolder(isAbsolute(dir) ? dir : join(dirname(resolve(filename)), dir), filename);
  }

  now(): Promise<Backup> {
    this.#running ??= this.#make().finally(() => (this.#running = undefined));
    return this.#running;
  }

  list(): Promise<readonly Backup[]> {
    return this.#folder.list();
  }

  async restore(file: string, to: string): Promise<Restored> {
    for (const path of [file, to]) {
      if (typeof path !== 'string' || path === '') {
        throw new GlyphError(
          'GC_BAD_ARGUMENT',
          'restore(file, to) takes the name of a backup and the path of a new file',
        );
      }
    }
    const restored = await restoreBackup(this.#ctx.db.sqlite, resolve(this.#folder.dir, file), to);
    this.#ctx.log.info(`Restored ${file} to ${restored.file}: ${restored.rows} rows`);
    return restored;
  }

  /** Makes a backup if one is due. Never rejects. */
  async look(every: number): Promise<void> {
    const now = this.#ctx.clock.now();
    if (this.#looking || this.#running !== undefined || this.#stopped()) return;
    if (this.#failedAt !== undefined && now - this.#failedAt < Math.min(every, RETRY_MS)) return;
    this.#looking = true;
    try {
      const [newest] = await this.list();
      if (newest !== undefined && now - newest.createdAt.getTime() < every) return;
      await this.now();
      this.#failedAt = undefined;
    } catch (thrown) {
      if (this.#stopped()) return;
      this.#failedAt = now;
      const error = explained(thrown, 'The backup');
      const again = formatDuration(Math.min(every, RETRY_MS));
      this.#ctx.log.error(`${error.message}. ${error.hint} It is tried again in ${again}.`, { error });
      this.#ctx.emit('backup:failed', { error });
    } finally {
      this.#looking = false;
    }
  }

  async close(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  #stopped(): boolean {
    return this.#ctx.signal.aborted;
  }

  async #make(): Promise<Backup> {
    const { db, clock, config, signal, log } = this.#ctx;
    if (db.inMemory) {
      throw new GlyphError('GC_NOT_SUPPORTED', 'A database in memory cannot be backed up', {
        hint: 'Use a file, or `VACUUM INTO` from your own code.',
      });
    }
    if (this.#stopped()) throw stopped();
    const { partial, to } = this.#folder.place(clock.now());
    try {
      await this.#folder.prepare();
      const { verify, keep } = config;
      await copyDatabase({ host: db.sqlite, from: db.filename, partial, to, verify, signal });
      const [made] = (await this.list()).filter(({ file }) => file === to);
      if (made === undefined) throw new Error(`${to} is not there any more`);
      const removed = await this.#folder.prune(keep);
      log.info(
        `Backup ${made.name}: ${made.bytes} bytes${verify ? ', verified' : ''}; ${removed.length} older removed`,
      );
      if (!this.#stopped()) this.#ctx.emit('backup:made', made);
      return made;
    } catch (error) {
      throw this.#stopped() ? stopped() : explained(error, `The backup to ${to}`);
    }
  }
}

const stopped = (): GlyphError => new GlyphError('GC_SCOPE_CLOSED', 'The plugin `sqlite-backup` has stopped');
