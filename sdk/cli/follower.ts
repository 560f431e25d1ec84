/**
 * Keeps a host in step with what other processes say of its skills in the file (`skill enable`, `skill disable`), and tells
 * what becomes of them.
 *
 * Invariant: it acts on what differs from the last look, so that it never undoes what the host itself decided.
 */
import type { SkillReport, SkillsService } from '../../plugins/skills/types.ts';
import type { ControlRow } from '../maintenance/skill-control.ts';
import type { Grants } from './grants.ts';

export interface FollowerOptions {
  readonly skills: SkillsService;
  readonly read: () => readonly ControlRow[];
  readonly grants: Grants;
  /** A skill has come, gone, or changed. `before` is undefined for one that has come, `now` for one that has gone. */
  readonly changed: (now: SkillReport | undefined, before: SkillReport | undefined) => void;
}

export class SkillFollower {
  readonly #options: FollowerOptions;
  #reports = new Map<string, SkillReport>();
  readonly #approved = new Map<string, string | null>();
  readonly #acting = new Set<string>();

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#reports = new Map(options.skills.list().map((report) => [report.id, report]));
    for (const row of options.read()) this.#approved.set(row.id, row.approved);
  }

  /** Looks once. Cheap: a query over a handful of rows. */
  look(): void {
    this.#tell();
    const rows = new Map(this.#options.read().map((row) => [row.id, row]));
    for (const report of this.#reports.values()) {
      const row = rows.get(report.id);
      if (!this.#acting.has(report.id)) this.#follow(report, row);
      if (row !== undefined) this.#approved.set(row.id, row.approved);
    }
  }

  #tell(): void {
    const now = new Map(this.#options.skills.list().map((report) => [report.id, report]));
    for (const [id, before] of this.#reports) if (!now.has(id)) this.#options.changed(undefined, before);
    for (const [id, report] of now) {
      const before = this.#reports.get(id);
      if (before === undefined || differs(report, before)) this.#options.changed(report, before);
    }
    this.#reports = now;
  }

  #follow({ id, state, permissions }: SkillReport, row: ControlRow | undefined): void {
    const { skills, grants } = this.#options;
    if (row?.enabled === false) {
      if (state !== 'disabled') this.#act(id, () => skills.disable(id));
    } else if (state === 'disabled' && row?.enabled === true) {
      this.#act(id, () => skills.reload(id));
    } else if ((state === 'quarantined' || state === 'failed') && row?.state === 'discovered') {
      this.#act(id, () => skills.reload(id));
    } else if (state === 'waiting' && row !== undefined && row.approved !== (this.#approved.get(id) ?? null)) {
      this.#act(id, () => skills.reload(id));
    } else if (state === 'waiting' && (row?.approved ?? null) === null && grants.cover(permissions)) {
      this.#act(id, () => skills.enable(id));
    }
  }

  #act(id: string, operation: () => Promise<unknown>): void {
    this.#acting.add(id);
    // What goes wrong is in the skill's report and log.
    void operation()
      .catch(() => undefined)
      .finally(() => this.#acting.delete(id));
  }
}

const differs = (now: SkillReport, before: SkillReport): boolean =>
  now.state !== before.state ||
  now.version !== before.version ||
  now.activatedInMs !== before.activatedInMs ||
  now.reasons.join() !== before.reasons.join();
