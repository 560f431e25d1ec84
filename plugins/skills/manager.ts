/**
 * All skills of a host: found in folders, loaded, listed, called; the service `skills`.
 *
 * Invariant: one skill per id. What skills wait for is looked at again whenever it may have come: a table when the schema
 * moved, a function when it was registered.
 */
import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Database, Disposer } from '../../sdk/plugin.ts';
import { Control } from './control.ts';
import { inOrder } from './dependencies.ts';
import type { LuaExtension } from './extensions.ts';
import { isSkillFolder, skillFolders } from './folder.ts';
import { HostState } from './host-state.ts';
import { inLua } from './notes.ts';
import { createPeers, noSuchSkill } from './peers.ts';
import type { Runtime } from './runtime.ts';
import { Skill } from './skill.ts';
import type { RegisteredFunction, SkillLogLine, SkillReport, SkillsService, VersionOptions } from './types.ts';
import { uninstall } from './uninstall.ts';
import { toLua } from './values.ts';
import { FolderWatcher } from './watcher.ts';

/** How often the file is looked at for tables that skills wait for, and for what other processes decide, in ms. */
const POLL_MS = 200;

export class SkillsManager implements SkillsService {
  readonly #runtime: Runtime;
  readonly #skills = new Map<string, Skill>();
  /** Those that are being taken out, by id: who comes in their place begins when they have ended. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #host: HostState;
  readonly #schemaVersion: ReturnType<Database['prepare']>;
  readonly #control: Control;
  /** Skills whose dependents are about to be looked at. */
  #moving = 0;
  readonly #dataVersion: ReturnType<Database['prepare']>;
  #seenSchema = -1;
  #seenData = -1;
  #watcher: FolderWatcher | undefined;
  #ready: Promise<void> = Promise.resolve();
  #closed = false;
  #resting = false;
  #restarting = false;

  constructor(parts: Omit<Runtime, 'peers'>) {
    const peers = createPeers({ db: parts.ctx.db, skills: this.#skills, moved: (id) => this.#moved(id) });
    const runtime = { ...parts, peers };
    this.#runtime = runtime;
    this.#control = new Control(runtime.store);
    this.#host = new HostState(runtime);
    this.#schemaVersion = runtime.ctx.db.prepareRead('PRAGMA main.schema_version').pluck();
    this.#dataVersion = runtime.ctx.db.prepareRead('PRAGMA data_version').pluck();
  }

  /** Begins to load what lies in the folders. */
  start(): void {
    const { ctx } = this.#runtime;
    ctx.clock.interval(() => {
      this.lookAtSchema();
      this.#lookAtControl();
    }, POLL_MS);
    if (ctx.config.watch && ctx.config.dirs.length > 0) this.#watch();
    this.#ready = this.#startAll();
  }

  #watch(): void {
    const { ctx } = this.#runtime;
    this.#watcher = new FolderWatcher({
      dirs: ctx.config.dirs,
      clock: ctx.clock,
      log: ctx.log,
      known: () => [...this.#skills.values()].map((skill) => skill.dir),
      changed: (folder) => void this.#folderChanged(folder),
    });
    this.#watcher.start();
  }

  /** Another instance of the plugin has taken over: what runs goes on as its. */
  takeOver(): void {
    for (const skill of this.#skills.values()) skill.running?.takeOver();
  }

  list(): readonly SkillReport[] {
    return [...this.#skills.values()].map((skill) => skill.report()).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get(id: string): SkillReport | undefined {
    return this.#skills.get(id)?.report();
  }

  why(id: string): readonly string[] {
    return this.#find(id).why();
  }

  async load(folder: string, options: VersionOptions = {}): Promise<SkillReport> {
    if (typeof folder !== 'string' || folder === '')
      throw new GlyphError('GC_BAD_ARGUMENT', 'skills.load() takes the path of a skill folder');
    const dir = resolve(folder);
    if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new GlyphError('GC_BAD_ARGUMENT', `There is no folder ${dir}`, {
        hint: 'Pass the folder that holds manifest.json.',
      });
    }
    const skill = this.#adopt(dir);
    await skill.refresh(options.force === true, options.force);
    return skill.report();
  }

  async unload(id: string): Promise<void> {
    const skill = this.#find(id);
    await this.#leave(id, () => skill.remove());
  }

  async reload(id: string, options: VersionOptions = {}): Promise<SkillReport> {
    const skill = this.#find(id);
    await skill.refresh(true, options.force);
    return skill.report();
  }

  async uninstall(id: string, options: { readonly keepData?: boolean } = {}): Promise<void> {
    const skill = this.#skills.get(id);
    if (skill === undefined && !this.#runtime.store.knows(id)) throw noSuchSkill(id, this.#skills.keys());
    if (options.keepData === true) {
      if (skill !== undefined) await this.unload(id);
      return;
    }
    await this.#leave(id, () => (skill === undefined ? uninstall(this.#runtime, id, undefined) : skill.uninstall()));
  }

  async enable(id: string): Promise<SkillReport> {
    const skill = this.#find(id);
    await skill.enable();
    return skill.report();
  }

  async disable(id: string): Promise<SkillReport> {
    const skill = this.#find(id);
    await skill.disable();
    return skill.report();
  }

  async call(id: string, fn: string, ...args: readonly unknown[]): Promise<unknown> {
    const skill = this.#find(id);
    if (typeof fn !== 'string' || fn === '')
      throw new GlyphError('GC_BAD_ARGUMENT', 'skills.call() takes the name of a function of the skill');
    const { ctx, peers } = this.#runtime;
    return await inLua(ctx.db, () => peers.call(skill.id, fn, args.map(toLua))[0] ?? null);
  }

  execute(source: string, options: { readonly name?: string } = {}): Promise<unknown> {
    return this.#host.execute(source, options.name);
  }

  callFunction(name: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.#host.call(name, args);
  }

  registerFunction(name: string, fn: RegisteredFunction): Disposer {
    return this.#runtime.functions.register(name, fn);
  }

  /** A function of the host has come. */
  functionCame(name: string): void {
    this.#host.define(name);
    void this.#recheck((skill) => skill.isWaiting);
  }

  extend(extension: LuaExtension): Disposer {
    return this.#runtime.extensions.add(extension);
  }

  /** The host is about to close, and what plugins take back from Lua then is no change: nothing is started again for that. */
  rest(): void {
    this.#resting = true;
  }

  /** What Lua can call has changed: whatever runs is started again, soon and once for many changes; not if it is undone by then. */
  extensionsChanged(): void {
    if (this.#restarting || this.#resting) return;
    this.#restarting = true;
    queueMicrotask(() => {
      this.#restarting = false;
      if (this.#resting || !this.#runtime.extensions.areStale) return;
      this.#host.close();
      for (const skill of this.#skills.values()) if (skill.running !== undefined) void skill.refresh(true);
    });
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  async settled(): Promise<void> {
    await this.#ready;
    for (;;) {
      await Promise.all([...this.#skills.values()].map((skill) => skill.settled()));
      if (this.#watcher?.busy !== true && this.#moving === 0 && !this.#runtime.actionQueue.busy) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  logs(id?: string): readonly SkillLogLine[] {
    return this.#runtime.logs.read(id);
  }

  /** Looks whether tables have come or gone. About a microsecond when the schema has not moved. */
  lookAtSchema(): void {
    const { ctx, store } = this.#runtime;
    const { db } = ctx;
    // Nothing waits for a table, and nothing can lose one; the skill that comes looks for itself.
    if (this.#closed || this.#skills.size === 0 || !db.reader.open || (db.inMemory && db.busy)) return;
    const version = this.#schemaVersion.get() as number;
    if (version === this.#seenSchema) return;
    this.#seenSchema = version;
    store.forgetDropped();
    void this.#recheck(() => true);
  }

  /** Looks what other processes have decided about skills, if anybody has written anything. */
  #lookAtControl(): void {
    const { db } = this.#runtime.ctx;
    if (this.#closed || this.#skills.size === 0 || db.inMemory || db.busy || !db.reader.open) return;
    const version = this.#dataVersion.get() as number;
    if (version === this.#seenData) return;
    this.#seenData = version;
    this.#control.look(this.#skills);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.rest();
    this.#watcher?.close();
    for (const skill of inOrder([...this.#skills.values()]).toReversed()) {
      try {
        await skill.remove();
      } catch (error) {
        this.#runtime.ctx.log.error(`Stopping the skill ${skill.id} failed: ${messageOf(error)}`, { error });
      }
    }
    this.#host.close();
    this.#runtime.logs.flush();
    this.#runtime.ctx.db.flushDeferred();
  }

  async #startAll(): Promise<void> {
    // After whoever opens the database has had its say: functions to register, tables to define.
    await Promise.resolve();
    for (const dir of this.#runtime.ctx.config.dirs) {
      for (const folder of skillFolders(dir)) await this.#tryAdopt(folder)?.refresh();
    }
  }

  /** Who depends on a skill looks at it again, once that one has come to rest. */
  #moved(id: string): void {
    const look = async (): Promise<void> => {
      await this.#skills.get(id)?.settled();
      await this.#recheck((skill) => id in skill.dependencies);
    };
    this.#moving += 1;
    void look().finally(() => (this.#moving -= 1));
  }

  async #recheck(which: (skill: Skill) => boolean): Promise<void> {
    for (const skill of [...this.#skills.values()].filter(which)) await skill.recheck();
  }

  async #folderChanged(folder: string): Promise<void> {
    if (this.#closed) return;
    const known = [...this.#skills.values()].find((skill) => skill.dir === folder);
    if (isSkillFolder(folder)) await (known ?? this.#tryAdopt(folder))?.refresh();
    else if (known !== undefined) await this.unload(known.id);
  }

  #tryAdopt(folder: string): Skill | undefined {
    try {
      return this.#closed ? undefined : this.#adopt(folder);
    } catch (error) {
      this.#runtime.ctx.log.error(messageOf(error), { error });
      return undefined;
    }
  }

  /** The skill of a folder. @throws GC_BAD_ARGUMENT when another folder holds a skill of that id */
  #adopt(dir: string): Skill {
    const id = basename(dir);
    const known = this.#skills.get(id);
    if (known !== undefined && known.dir !== dir) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `There are two skills "${id}": in ${known.dir}, which is loaded, and in ${dir}`,
        {
          hint: 'Remove or rename one of the two folders.',
          skill: id,
        },
      );
    }
    this.#runtime.lease.want();
    const skill = known ?? new Skill(this.#runtime, id, dir, this.#leaving.get(id));
    this.#skills.set(id, skill);
    return skill;
  }

  #leave(id: string, end: () => Promise<void>): Promise<void> {
    this.#skills.delete(id);
    const before = this.#leaving.get(id);
    const ended = before === undefined ? end() : before.then(end);
    const gone = (): void => {
      if (this.#leaving.get(id) === leaving) this.#leaving.delete(id);
    };
    const leaving = ended.then(gone, gone);
    this.#leaving.set(id, leaving);
    return ended;
  }

  #find(id: string): Skill {
    const skill = this.#skills.get(id);
    if (skill !== undefined) return skill;
    throw noSuchSkill(id, this.#skills.keys());
  }
}
