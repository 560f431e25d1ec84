/**
 * One skill by its id: which state it is in, why, and the way from one state to the next.
 *
 * Invariants: its operations run one after the other; a new version takes over only when it has been activated, in the
 * transaction that activates it; whatever fails, the version that ran before goes on. What it cannot do is said in
 * `reasons`, in sentences.
 */
import { GlyphError, isOutside, messageOf, Operations } from '../../sdk/plugin.ts';
import type { UnitState } from '../../sdk/plugin.ts';
import { activate, stop } from './activation.ts';
import { afterFailedStart, FIRST_PAUSE_MS, pauseAfter } from './failures.ts';
import { readFolder } from './folder.ts';
import type { SkillFolder } from './folder.ts';
import { readManifest } from './manifest.ts';
import { complete } from './permissions.ts';
import { reportOf, sentencesOf } from './report.ts';
import { approvalOf, missingAfterAll, unmet } from './requirements.ts';
import { Retry } from './retry.ts';
import { Running } from './running.ts';
import type { Runtime } from './runtime.ts';
import { Status, times } from './status.ts';
import type { Manifest, SkillReport } from './types.ts';
import { uninstall } from './uninstall.ts';

interface RefreshOptions {
  /** Also when the files are the same, or failed before. */
  readonly again: boolean;
  /** What runs from these files already goes on. */
  readonly quietly?: boolean;
  /** Also when an older version takes the place of a newer one. */
  readonly force?: boolean;
}

const QUIETLY: RefreshOptions = { again: true, quietly: true };

export class Skill {
  readonly id: string;
  readonly dir: string;
  readonly #runtime: Runtime;
  readonly #status: Status;
  #running: Running | undefined;
  readonly #retry: Retry;
  readonly #operations = new Operations();
  /** Something outside its folder is missing. */
  #blocked = false;
  #gone = false;

  /** @param after begins when this has ended: a predecessor of its id may still be on its way out */
  constructor(runtime: Runtime, id: string, dir: string, after?: Promise<void>) {
    this.#runtime = runtime;
    this.id = id;
    this.dir = dir;
    this.#status = new Status(id, runtime);
    this.#retry = new Retry(runtime.ctx.clock, () => void this.#enqueue(() => this.#refresh(QUIETLY)));
    if (after !== undefined) void this.#operations.add(() => after);
  }

  get running(): Running | undefined {
    return this.#running;
  }

  get state(): UnitState {
    return this.#status.state;
  }

  /** Of the running version, or else of the newest files that could be read. */
  get dependencies(): Readonly<Record<string, string>> {
    return (this.#running?.manifest ?? this.#status.manifest)?.dependencies ?? {};
  }

  /** Whether something outside its folder may let it start: a table, a function, a permission. */
  get isWaiting(): boolean {
    const { error, hash } = this.#status;
    const goesOn = this.#running !== undefined && this.#running.folder.hash !== hash;
    const lacksTable = error instanceof GlyphError && error.code === 'GC_NO_SUCH_TABLE';
    return this.#blocked || (lacksTable && (goesOn || this.#retry.at !== undefined));
  }

  report(): SkillReport {
    const { id, dir } = this;
    return reportOf({ id, dir, status: this.#status, retryAt: this.#retry.at, running: this.#running });
  }

  why(): readonly string[] {
    return sentencesOf(this.report());
  }

  /** Makes what runs agree with what is in the folder. `again` also when the files are the same, or failed before; `force` also by an older version. */
  refresh(again = false, force = false): Promise<void> {
    return this.#enqueue(() => this.#refresh({ again, force }));
  }

  /** Looks again whether what it waits for has come. */
  recheck(): Promise<void> {
    return this.#enqueue(() => (this.isWaiting ? this.#refresh(QUIETLY) : this.#checkNeeds()));
  }

  enable(): Promise<void> {
    return this.#enqueue(async () => {
      const { store, ctx } = this.#runtime;
      store.setEnabled(this.id, true, ctx.clock.now());
      this.#status.failures = 0;
      if (this.#status.state === 'disabled' || this.#status.state === 'quarantined') this.#status.set('discovered');
      this.#tryToRead();
      if (this.#status.manifest !== undefined)
        store.approve(this.id, approvalOf(this.#status.manifest), ctx.clock.now());
      await this.#refresh({ again: true });
    });
  }

  disable(): Promise<void> {
    return this.#enqueue(async () => {
      this.#runtime.store.setEnabled(this.id, false, this.#runtime.ctx.clock.now());
      await this.#stop();
      this.#status.disabled();
    });
  }

  /** Stops it for good; its data and its place in the log stay. A quarantine or a ban outlives it. */
  remove(): Promise<void> {
    return this.#enqueue(async () => {
      this.#gone = true;
      await this.#stop();
      if (this.#status.state !== 'quarantined' && this.#status.state !== 'disabled') this.#status.set('discovered');
    });
  }

  /** Stops it for good and removes its data. */
  uninstall(): Promise<void> {
    return this.#enqueue(async () => {
      this.#gone = true;
      this.#retry.cancel();
      const version = this.#running ?? this.#loadable();
      this.#running = undefined;
      await uninstall(this.#runtime, this.id, version);
      this.#runtime.peers.moved(this.id);
    });
  }

  /** Resolves when none of its operations is under way. */
  settled(): Promise<void> {
    return this.#operations.settled();
  }

  #enqueue(operation: () => Promise<void> | void): Promise<void> {
    return this.#operations.add(async () => {
      try {
        if (!this.#gone) await operation();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  async #refresh({ again, quietly = false, force = false }: RefreshOptions): Promise<void> {
    const { store, version } = this.#runtime;
    const row = store.read(this.id);
    if (row?.enabled === 0) {
      this.#status.disabled();
      return;
    }
    let folder: SkillFolder;
    let manifest: Manifest;
    let reasons: readonly string[];
    try {
      folder = readFolder(this.dir);
      const isSame = folder.hash === this.#status.hash;
      if (isSame && !again) return;
      if (folder.hash === this.#running?.folder.hash && (!again || quietly)) {
        this.#takenBack(folder.hash);
        return;
      }
      const stays =
        this.#status.state === 'discovered' && row?.state === 'quarantined' && row.hash === folder.hash && !again;
      this.#status.hash = folder.hash;
      if (!isSame) this.#status.failures = 0;
      manifest = readManifest(folder, version);
      this.#status.manifest = manifest;
      if (stays) {
        const before = row.error ?? 'it failed too often';
        this.#status.error = new GlyphError('GC_SKILL_FAILED', before, { skill: this.id });
        this.#status.quarantined(`It was quarantined: ${before}`);
        return;
      }
      reasons = unmet(this.#runtime, { manifest, folder, row });
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#blocked = reasons.length > 0;
    if (this.#blocked) this.#wait(reasons);
    else await this.#activate(folder, manifest, force);
  }

  /** An edit was undone: what runs is what the files say. */
  #takenBack(hash: string): void {
    this.#blocked = false;
    if (this.#status.hash === hash) return;
    this.#status.hash = hash;
    this.#status.manifest = this.#running?.manifest;
    this.#status.well();
    this.#status.set('active');
  }

  async #activate(folder: SkillFolder, manifest: Manifest, force: boolean): Promise<void> {
    this.#retry.cancel();
    const old = this.#running;
    if (old === undefined) this.#status.set('activating');
    const started = performance.now();
    const next = this.#runningOf(folder, manifest);
    try {
      await activate(next, old, { force });
    } catch (error) {
      const reasons = missingAfterAll(this.#runtime, manifest, error);
      this.#blocked = reasons.length > 0;
      if (this.#blocked) this.#wait(reasons);
      else this.#fail(error);
      return;
    }
    this.#running = next;
    this.#status.activatedInMs = performance.now() - started;
    this.#status.well();
    this.#status.set('active');
    this.#runtime.peers.moved(this.id);
  }

  #runningOf(folder: SkillFolder, manifest: Manifest): Running {
    const running: Running = new Running({
      runtime: this.#runtime,
      folder,
      manifest,
      granted: complete(manifest.permissions),
      reactionFailed: (error) => this.#reactionFailed(running, error),
      reactionSucceeded: () => this.#status.failures > 0 && this.#status.well(),
      quarantine: (error, failures) => this.#quarantine(running, error, failures),
      lost: (error) => void this.#enqueue(() => this.#lost(running, error)),
    });
    return running;
  }

  async #stop(): Promise<void> {
    this.#retry.cancel();
    const running = this.#running;
    if (running === undefined) return;
    this.#status.set('deactivating');
    this.#running = undefined;
    await stop(running);
    this.#runtime.peers.moved(this.id);
  }

  #wait(reasons: readonly string[]): void {
    this.#status.reasons =
      this.#running === undefined ? reasons : reasons.map((reason) => `The new version is not started: ${reason}`);
    if (this.#running !== undefined) return;
    this.#status.error = undefined;
    this.#status.set('waiting');
  }

  /** A table it watches may have been dropped, a skill it needs may have stopped. */
  async #checkNeeds(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { manifest, folder } = running;
    const reasons = unmet(this.#runtime, { manifest, folder, row: this.#runtime.store.read(this.id) });
    if (!reasons.some((reason) => /^waiting \((table|skill)/.test(reason))) return;
    await this.#stop();
    this.#blocked = true;
    this.#wait(reasons);
  }

  /** Something about its files, or its start, is wrong. What runs goes on. */
  #fail(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
    this.#status.error = error;
    this.#runtime.logs.add(this.id, 'error', error.message, error);
    if (this.#running !== undefined) {
      this.#status.reasons = [
        `The new version failed, version ${this.#running.manifest.version} goes on: ${error.message}`,
      ];
      this.#status.set('active');
      if (isOutside(error)) this.#retry.in(FIRST_PAUSE_MS);
      return;
    }
    this.#status.reasons = [error.message];
    if (!isOutside(error)) this.#status.failures += 1;
    const next = afterFailedStart(error, this.#status.failures);
    if (next === 'quarantined') this.#status.quarantined(`It failed ${times(this.#status.failures)}: ${error.message}`);
    else if (typeof next === 'string') this.#status.set(next);
    else {
      this.#retry.in(next);
      this.#status.set('failed');
    }
  }

  #reactionFailed(running: Running, thrown: unknown): number | 'stop' {
    const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
    this.#status.error = error;
    if (!isOutside(error)) this.#status.failures += 1;
    const pause = pauseAfter(error, this.#status.failures);
    this.#runtime.logs.add(
      this.id,
      'error',
      `${error.message}${pause === 'stop' ? '' : ` (tried again in ${pause / 1000} s)`}`,
      error,
    );
    if (pause === 'stop') this.#quarantine(running, error, this.#status.failures);
    else
      this.#status.reasons = [
        `on_data_changed failed ${times(this.#status.failures)} and is tried again: ${error.message}`,
      ];
    return pause;
  }

  /** It had to be started anew and could not be: what is left of it is stopped, and its start tried again later. */
  async #lost(running: Running, error: unknown): Promise<void> {
    if (running !== this.#running) return;
    await this.#stop();
    this.#fail(error);
  }

  /** Takes it out of service at once: nothing of it runs any more, its cursor is kept. */
  #quarantine(running: Running, error: Error, failures: number): void {
    running.goSilent();
    this.#status.error = error;
    void this.#enqueue(async () => {
      // A new version has nothing to do with it.
      if (running !== this.#running) return;
      await this.#stop();
      this.#status.quarantined(`It failed ${times(failures)}: ${error.message}`);
    });
  }

  /** Reads its folder as far as it can be read: what is wrong with it is said when it is started. */
  #tryToRead(): SkillFolder | undefined {
    try {
      const folder = readFolder(this.dir);
      this.#status.manifest = readManifest(folder, this.#runtime.version);
      return folder;
    } catch {
      return undefined;
    }
  }

  /** The version in its folder, for `on_uninstall` alone. */
  #loadable(): Running | undefined {
    const folder = this.#tryToRead();
    const { manifest } = this.#status;
    return folder === undefined || manifest === undefined ? undefined : this.#runningOf(folder, manifest);
  }
}
