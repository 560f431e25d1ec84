/**
 * One skill by its id: which state it is in, why, and the way from one state to the next.
 *
 * Invariants: its operations run one after the other; a new version takes over only when it has been activated, in the
 * transaction that activates it; whatever fails, the version that ran before goes on. What it cannot do is said in
 * `reasons`, in sentences.
 */
import { messageOf } from '../../sdk/plugin.ts';
import type { UnitState } from '../../sdk/plugin.ts';
import { activate, stop } from './activation.ts';
import { afterFailedStart, isOutside, pauseAfter } from './failures.ts';
import { readFolder } from './folder.ts';
import type { SkillFolder } from './folder.ts';
import { readManifest } from './manifest.ts';
import { complete } from './permissions.ts';
import { reportOf } from './report.ts';
import { approvalOf, unmet } from './requirements.ts';
import { Retry } from './retry.ts';
import { Running } from './running.ts';
import type { Runtime } from './runtime.ts';
import type { Manifest, SkillReport } from './types.ts';

export class Skill {
  readonly id: string;
  readonly dir: string;
  readonly #runtime: Runtime;
  #state: UnitState = 'discovered';
  #reasons: readonly string[] = [];
  #error: Error | undefined;
  #running: Running | undefined;
  #manifest: Manifest | undefined;
  /** Hash of the files that were last looked at, whatever came of it. */
  #hash: string | undefined;
  #failures = 0;
  readonly #retry: Retry;
  #activatedInMs: number | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Something outside its folder is missing. */
  #blocked = false;
  #gone = false;

  constructor(runtime: Runtime, id: string, dir: string) {
    this.#runtime = runtime;
    this.id = id;
    this.dir = dir;
    this.#retry = new Retry(runtime.ctx.clock, () => void this.refresh(true));
  }

  get running(): Running | undefined {
    return this.#running;
  }

  get state(): UnitState {
    return this.#state;
  }

  /** Whether something outside its folder may let it start: a table, a function, a permission. */
  get isWaiting(): boolean {
    const error = this.#error;
    return (
      this.#blocked ||
      (this.#retry.at !== undefined && error !== undefined && 'code' in error && error.code === 'GC_NO_SUCH_TABLE')
    );
  }

  report(): SkillReport {
    const { id, dir } = this;
    return reportOf({
      id,
      dir,
      state: this.#state,
      reasons: this.#reasons,
      error: this.#error,
      retryAt: this.#retry.at,
      activatedInMs: this.#activatedInMs,
      failures: this.#failures,
      running: this.#running,
      manifest: this.#running?.manifest ?? this.#manifest,
    });
  }

  why(): readonly string[] {
    const { version } = this.report();
    const { at } = this.#retry;
    const retry = at === undefined ? [] : [`It is tried again at ${new Date(at).toISOString()}.`];
    return [`Skill ${this.id}${version === '' ? '' : ` ${version}`} is ${this.#state}.`, ...this.#reasons, ...retry];
  }

  /** Makes what runs agree with what is in the folder. `again` also when the files are the same, or failed before. */
  refresh(again = false): Promise<void> {
    return this.#enqueue(() => this.#refresh(again));
  }

  /** Looks again whether what it waits for has come. */
  recheck(): Promise<void> {
    return this.#enqueue(() => (this.isWaiting ? this.#refresh(true, true) : this.#checkTables()));
  }

  enable(): Promise<void> {
    return this.#enqueue(async () => {
      const { store, ctx } = this.#runtime;
      store.setEnabled(this.id, true, ctx.clock.now());
      this.#failures = 0;
      if (this.#state === 'disabled' || this.#state === 'quarantined') this.#setState('discovered');
      this.#readManifest();
      if (this.#manifest !== undefined) store.approve(this.id, approvalOf(this.#manifest), ctx.clock.now());
      await this.#refresh(true);
    });
  }

  disable(): Promise<void> {
    return this.#enqueue(async () => {
      this.#runtime.store.setEnabled(this.id, false, this.#runtime.ctx.clock.now());
      await this.#stop();
      this.#setDisabled();
    });
  }

  /** Stops it for good; its data and its place in the log stay. A quarantine or a ban outlives it. */
  remove(): Promise<void> {
    return this.#enqueue(async () => {
      this.#gone = true;
      await this.#stop();
      if (this.#state !== 'quarantined' && this.#state !== 'disabled') this.#setState('discovered');
    });
  }

  /** Resolves when none of its operations is under way. */
  async settled(): Promise<void> {
    for (let last: unknown; last !== this.#queue;) {
      last = this.#queue;
      await last;
    }
  }

  #enqueue(operation: () => Promise<void> | void): Promise<void> {
    const next = this.#queue.then(async () => {
      try {
        if (!this.#gone) await operation();
      } catch (error) {
        this.#fail(error);
      }
    });
    this.#queue = next;
    return next;
  }

  async #refresh(again: boolean, quietly = false): Promise<void> {
    const { store, version } = this.#runtime;
    const row = store.read(this.id);
    if (row?.enabled === 0) {
      this.#setDisabled();
      return;
    }
    let folder: SkillFolder;
    let manifest: Manifest;
    let reasons: readonly string[];
    try {
      folder = readFolder(this.dir);
      const isSame = folder.hash === this.#hash;
      if (isSame && !again) return;
      if (folder.hash === this.#running?.folder.hash && (!again || quietly)) {
        this.#takenBack(folder.hash);
        return;
      }
      const stays = this.#state === 'discovered' && row?.state === 'quarantined' && row.hash === folder.hash && !again;
      this.#hash = folder.hash;
      if (!isSame) this.#failures = 0;
      manifest = readManifest(folder, version);
      this.#manifest = manifest;
      if (stays) {
        this.#setQuarantined([`It was quarantined: ${row.error ?? 'it failed too often'}`]);
        return;
      }
      reasons = unmet(this.#runtime, manifest, row?.approved);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#blocked = reasons.length > 0;
    if (this.#blocked) this.#wait(reasons);
    else await this.#activate(folder, manifest);
  }

  /** An edit was undone: what runs is what the files say. */
  #takenBack(hash: string): void {
    this.#blocked = false;
    if (this.#hash === hash) return;
    this.#hash = hash;
    this.#manifest = this.#running?.manifest;
    this.#error = undefined;
    this.#reasons = [];
    this.#setState('active');
  }

  async #activate(folder: SkillFolder, manifest: Manifest): Promise<void> {
    this.#retry.cancel();
    const old = this.#running;
    if (old === undefined) this.#setState('activating');
    const started = performance.now();
    const next = new Running({
      runtime: this.#runtime,
      folder,
      manifest,
      granted: complete(manifest.permissions),
      reactionFailed: (error) => this.#reactionFailed(error),
      reactionSucceeded: () => this.#reactionSucceeded(),
      quarantine: (error) => this.#quarantine(error),
    });
    try {
      await activate(next, old);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#running = next;
    this.#activatedInMs = performance.now() - started;
    this.#failures = 0;
    this.#error = undefined;
    this.#reasons = [];
    this.#setState('active');
  }

  async #stop(): Promise<void> {
    this.#retry.cancel();
    const running = this.#running;
    if (running === undefined) return;
    this.#setState('deactivating');
    this.#running = undefined;
    await stop(running);
  }

  #wait(reasons: readonly string[]): void {
    this.#reasons =
      this.#running === undefined ? reasons : reasons.map((reason) => `The new version is not started: ${reason}`);
    if (this.#running !== undefined) return;
    this.#error = undefined;
    this.#setState('waiting');
  }

  /** A table it watches may have been dropped. */
  async #checkTables(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const reasons = unmet(this.#runtime, running.manifest, this.#runtime.store.read(this.id)?.approved);
    if (!reasons.some((reason) => reason.startsWith('waiting (table'))) return;
    await this.#stop();
    this.#blocked = true;
    this.#wait(reasons);
  }

  /** Something about its files, or its start, is wrong. What runs goes on. */
  #fail(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
    this.#error = error;
    this.#runtime.logs.add(this.id, 'error', error.message);
    if (this.#running !== undefined) {
      this.#reasons = [`The new version failed, version ${this.#running.manifest.version} goes on: ${error.message}`];
      this.#setState('active');
      return;
    }
    this.#reasons = [error.message];
    if (!isOutside(error)) this.#failures += 1;
    const next = afterFailedStart(error, this.#failures);
    if (next === 'quarantined') this.#setQuarantined([`It failed ${times(this.#failures)}: ${error.message}`]);
    else if (typeof next === 'string') this.#setState(next);
    else {
      this.#retry.in(next);
      this.#setState('failed');
    }
  }

  #reactionFailed(thrown: unknown): number | 'stop' {
    const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
    this.#error = error;
    if (!isOutside(error)) this.#failures += 1;
    const pause = pauseAfter(error, this.#failures);
    this.#runtime.logs.add(
      this.id,
      'error',
      `${error.message}${pause === 'stop' ? '' : ` (tried again in ${pause / 1000} s)`}`,
    );
    if (pause === 'stop') this.#quarantine(error);
    else this.#reasons = [`on_data_changed failed ${times(this.#failures)} and is tried again: ${error.message}`];
    return pause;
  }

  #reactionSucceeded(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#error = undefined;
    this.#reasons = [];
  }

  /** Takes it out of service at once: nothing of it runs any more, its cursor is kept. */
  #quarantine(error: Error): void {
    this.#running?.goSilent();
    this.#error = error;
    void this.#enqueue(async () => {
      await this.#stop();
      this.#setQuarantined([`It failed ${times(this.#failures)}: ${error.message}`]);
    });
  }

  #setQuarantined(reasons: readonly string[]): void {
    this.#reasons = [...reasons, `Correct its files, or let it try again: glyphcase skill enable ${this.id}`];
    this.#setState('quarantined');
  }

  #setDisabled(): void {
    this.#reasons = [`It was disabled; glyphcase skill enable ${this.id} lets it run again.`];
    this.#setState('disabled');
  }

  #readManifest(): void {
    try {
      this.#manifest = readManifest(readFolder(this.dir), this.#runtime.version);
    } catch {
      // What is wrong with it is said when it is started.
    }
  }

  #setState(to: UnitState): void {
    const from = this.#state;
    this.#state = to;
    const { store, ctx } = this.#runtime;
    if (from !== to && !ctx.scope.closed) ctx.emit('skill:state', { id: this.id, from, to });
    if (to === 'activating' || to === 'deactivating') return;
    store.recordState(this.id, {
      state: to,
      version: this.#manifest?.version,
      hash: this.#hash,
      error: this.#error?.message,
      attempts: this.#failures,
      activatedMs: this.#activatedInMs,
      now: ctx.clock.now(),
    });
  }
}

const times = (failures: number): string => (failures === 1 ? 'once' : `${failures} times in a row`);
