/**
 * One version of a skill as it runs: its Lua state, its hooks, its reaction.
 *
 * Invariants: it runs from the files it was loaded with, so it can be started again whatever happens to the folder; an
 * instance whose start was rolled back, or that was killed, is dropped and made anew before the next use.
 */
import type { ReactionHandle } from '../../sdk/capsule-types.ts';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Disposer } from '../../sdk/plugin.ts';
import { Background } from './background.ts';
import type { SkillFolder } from './folder.ts';
import { SkillGuard } from './guard.ts';
import { tapHooks } from './hooks.ts';
import { Instance } from './instance.ts';
import { configOf, limitsOf } from './manifest.ts';
import { inLua, notesOf } from './notes.ts';
import type { GrantedPermissions } from './permissions.ts';
import { createReaction } from './reactions.ts';
import type { Runtime } from './runtime.ts';
import type { Manifest } from './types.ts';
import type { WatchPlace } from './watch-places.ts';

/** Hooks that fail so badly, or limits that strike what it does by itself, so often in a row take a skill out of service. */
const MAX_KILLS = 5;
/** A success makes up for so little of a failure, or one that fails every other time would hold up everybody for ever. */
const FORGIVEN = 1 / 50;
const LIMITS: ReadonlySet<string> = new Set(['GC_LUA_TIME', 'GC_LUA_MEMORY']);

export interface RunningOptions {
  readonly runtime: Runtime;
  readonly folder: SkillFolder;
  readonly manifest: Manifest;
  readonly granted: GrantedPermissions;
  /** A reaction failed. Returns ms until the next attempt, or `stop`. */
  readonly reactionFailed: (error: unknown) => number | 'stop';
  readonly reactionSucceeded: () => void;
  /** Its hooks fail so badly that nobody can write any more. */
  readonly quarantine: (error: Error, failures: number) => void;
  /** Its state was killed and cannot be made anew: nothing of it runs any more. */
  readonly lost: (error: unknown) => void;
}

export class Running {
  readonly id: string;
  readonly runtime: Runtime;
  readonly folder: SkillFolder;
  readonly manifest: Manifest;
  readonly granted: GrantedPermissions;
  /** Calls of `on_data_changed` that were committed. */
  reactions = 0;
  readonly #options: RunningOptions;
  readonly #guard: SkillGuard;
  #instance: Instance | undefined;
  #background: Background;
  /** Where the watches of an earlier instance stand, for the next one to go on from there. */
  #places: readonly WatchPlace[] = [];
  /** The version that took its place. */
  #successor: Running | undefined;
  #handle: ReactionHandle | undefined;
  #untap: Disposer | undefined;
  #kills = 0;
  #reviving = false;
  #live = false;

  constructor(options: RunningOptions) {
    const { runtime, folder, manifest, granted } = options;
    this.#options = options;
    this.id = manifest.id;
    this.runtime = runtime;
    this.folder = folder;
    this.manifest = manifest;
    this.granted = granted;
    this.#background = new Background(runtime.ctx.db);
    this.#guard = new SkillGuard(manifest.id, runtime.ctx.db, runtime.store, granted);
  }

  get memoryBytes(): number | undefined {
    return this.#instance?.memoryBytes;
  }

  get cursor(): number | undefined {
    return this.#handle?.cursor;
  }

  /** Whether its reaction may be called: it is live, and this host holds the lease. */
  get mayReact(): boolean {
    return this.#live && this.runtime.lease.mayRun();
  }

  defines(name: string): boolean {
    return this.#instance?.has(name) === true;
  }

  /** Where its watches stand. */
  get places(): readonly WatchPlace[] {
    return this.#instance?.places ?? this.#places;
  }

  /** Its watches go on from where those of an older version stand, behind what that one still does. Before {@link prepare}. */
  succeed(old: Running): void {
    this.#places = old.places;
    this.#background = old.#background;
  }

  /** The other version has taken its place. */
  yieldTo(successor: Running): void {
    this.#successor = successor;
    this.close();
  }

  /** Its first instance: the script has run, nothing else. Inside a transaction. @throws what the script throws */
  prepare(): Instance {
    this.#instance ??= this.#build();
    return this.#instance;
  }

  /** The instance to call; started anew when the last one was killed. Inside a transaction. */
  instance(): Instance {
    if (this.#instance?.dead === false) return this.#instance;
    const { db } = this.runtime.ctx;
    this.#drop(this.#instance);
    this.#instance = this.#build();
    const built = this.#instance;
    if (db.current !== undefined) {
      notesOf(db.current).add({
        committed: () => {
          if (this.#live) this.#begin(built);
        },
        rolledBack: () => this.#drop(built),
      });
    }
    built.callIfThere('on_activate');
    return built;
  }

  /** Calls `on_activate` and begins to react. Inside the transaction that activates it. */
  activate(): void {
    this.prepare().callIfThere('on_activate');
    this.react();
  }

  /** Listens to the tables of its manifest, if it has anything to call. Inside a transaction. */
  react(): void {
    const { watches } = this.manifest;
    if (watches.length === 0 || !this.defines('on_data_changed')) return;
    const { reactionFailed, reactionSucceeded } = this.#options;
    this.#handle = this.runtime.capsule.react(
      createReaction(this, { failed: reactionFailed, succeeded: reactionSucceeded }),
    );
  }

  /** Takes part from now on: hooks run, reactions may. Nothing is written. */
  goLive(): void {
    if (this.#live) return;
    this.#live = true;
    if (this.#instance !== undefined) this.#begin(this.#instance);
    this.#untap = tapHooks(this);
    this.#handle?.resume();
  }

  /** Another instance of the plugin has taken over: the hooks of the one before went with it. */
  takeOver(): void {
    if (!this.#live) return;
    this.#untap?.();
    this.#untap = tapHooks(this);
  }

  /** Takes part no more. Its cursor stays stored. */
  goSilent(): void {
    this.#live = false;
    this.#untap?.();
    this.#untap = undefined;
  }

  /** Ends the reaction. */
  stopReacting(): void {
    this.#handle?.stop();
    this.#handle = undefined;
  }

  /** Tries the failed reaction again, now. */
  resume(): void {
    this.#handle?.resume();
  }

  /** Calls `on_deactivate`, whose failure is only logged. Inside a transaction. */
  deactivate(): void {
    const { db } = this.runtime.ctx;
    const instance = this.#instance;
    instance?.leave();
    if (instance === undefined || instance.dead) return;
    try {
      db.savepoint(() => instance.callIfThere('on_deactivate'));
    } catch (error) {
      this.runtime.logs.add(this.id, 'error', `on_deactivate failed: ${messageOf(error)}`, error);
    }
  }

  /** Starts it again after its replacement failed. Inside a transaction. */
  revive(): void {
    this.#drop(this.#instance);
    this.instance();
    if (this.#handle === undefined) this.react();
  }

  /** Gives everything back but what is stored. Idempotent. */
  close(): void {
    this.goSilent();
    this.stopReacting();
    this.#drop(this.#instance);
  }

  hookSucceeded(): void {
    this.#kills = Math.max(0, this.#kills - FORGIVEN);
  }

  /** A hook went beyond its limits; every write of everybody else waits for that. */
  hookFailed(error: Error): void {
    this.#kills += 1;
    if (this.#kills > MAX_KILLS - 1) this.#options.quarantine(error, MAX_KILLS);
  }

  /** What it does by itself succeeded or failed; only limits count, for everything else it is its own affair. */
  #inBackground(error: unknown): void {
    if (error === undefined) this.hookSucceeded();
    else if (!(error instanceof GlyphError)) return;
    else if (error.code === 'GC_CASCADE') this.#options.quarantine(error, 1);
    else if (LIMITS.has(error.code)) this.hookFailed(error);
  }

  /** Its state was killed: jobs and watches would stay away until somebody calls it, so it is started anew by itself, once. */
  #reviveSoon(): void {
    if (!this.#live || this.#reviving) return;
    this.#reviving = true;
    const { db } = this.runtime.ctx;
    const revive = async (): Promise<void> => {
      try {
        if (this.#live && db.sqlite.open) await inLua(db, () => this.instance());
      } catch (error) {
        this.#options.lost(error);
      } finally {
        this.#reviving = false;
      }
    };
    // Not within the transaction that is being rolled back.
    db.outside(() => queueMicrotask(() => void revive()));
  }

  #build(): Instance {
    const { manifest, folder, runtime } = this;
    const { configs } = runtime.ctx.config;
    const instance = new Instance({
      id: this.id,
      runtime,
      guard: this.#guard,
      granted: this.granted,
      dependencies: Object.keys(manifest.dependencies),
      json: manifest.json,
      killed: () => this.#reviveSoon(),
      inBackground: (error) => this.#inBackground(error),
      background: this.#background,
      places: this.#places,
      heir: () => this.#heir(),
      functions: this.granted.functions.includes('*') ? runtime.functions.names : this.granted.functions,
      modules: folder.files,
      values: {
        'glyphcase.config': configOf(manifest, Object.hasOwn(configs, this.id) ? configs[this.id] : undefined),
      },
      ...limitsOf(manifest),
    });
    try {
      instance.load(folder.files.get(manifest.main) ?? '', manifest.main);
    } catch (error) {
      instance.close();
      throw error;
    }
    return instance;
  }

  /** The instance that runs in its place, or its own; none when it was stopped. */
  #heir(): Instance | undefined {
    if (this.#successor !== undefined) return this.#successor.#heir();
    return this.#live ? this.instance() : undefined;
  }

  #begin(instance: Instance): void {
    instance.goLive();
    this.#places = [];
  }

  #drop(instance: Instance | undefined): void {
    this.#places = instance?.places ?? this.#places;
    instance?.close();
    if (this.#instance === instance) this.#instance = undefined;
  }
}
