/**
 * Follows what other processes say of skills in the file: `glyphcase skill enable`, `skill disable`.
 *
 * Invariant: it acts on what differs from the last look, so that it never undoes what this host itself decided.
 */
import type { Skill } from './skill.ts';
import type { ControlRow, SkillStore } from './store.ts';

export class Control {
  readonly #store: SkillStore;
  #seen = new Map<string, ControlRow>();
  readonly #acting = new Set<string>();

  constructor(store: SkillStore) {
    this.#store = store;
  }

  /** Looks once: a query over one row a skill. */
  look(skills: ReadonlyMap<string, Skill>): void {
    const rows = new Map(this.#store.control().map((row) => [row.id, row]));
    for (const [id, skill] of skills) {
      const row = rows.get(id);
      if (row !== undefined && !this.#acting.has(id)) this.#follow(skill, row, this.#seen.get(id));
    }
    this.#seen = rows;
  }

  #follow(skill: Skill, row: ControlRow, before: ControlRow | undefined): void {
    const { state } = skill;
    if (row.enabled === 0) {
      if (state !== 'disabled') this.#act(skill.id, () => skill.disable());
      return;
    }
    const isAllowedAgain =
      (state === 'disabled' && before?.enabled === 0) ||
      // The command line writes this state; a host never does while it holds a skill back.
      ((state === 'quarantined' || state === 'failed') && row.state === 'discovered') ||
      (state === 'waiting' && row.approved !== (before?.approved ?? null));
    if (isAllowedAgain) this.#act(skill.id, () => skill.refresh(true));
  }

  #act(id: string, operation: () => Promise<void>): void {
    this.#acting.add(id);
    // What goes wrong is in the skill's report and log.
    void operation().finally(() => this.#acting.delete(id));
  }
}
