/**
 * The jobs of one Lua state.
 *
 * Invariant: what a transaction asks for is seen by that transaction at once, and counts when it has committed; what was
 * rolled back never happened.
 */
import type { LuaFunction } from '../../sdk/lua-types.ts';
import type { SkillHandle } from '../../sdk/skills-types.ts';
import type { Schedule } from './schedule.ts';
import type { Plan } from './store.ts';

/** A job as one Lua state knows it. */
export interface Job {
  readonly id: string;
  /** Of one that is stored in the file. */
  readonly name: string | undefined;
  readonly schedule: Schedule;
  readonly jitterMs: number;
  /** What is called; a text is the name of a global function. */
  readonly target: LuaFunction | string;
  plan: Plan;
  /** When it is looked at next: when it is due, or later after a failure. Undefined while this host may not run it. */
  wakeAt: number | undefined;
  /** History of a job without a name; the others have theirs in the file. */
  runs: number;
  failures: number;
  lastRunAt?: number;
  lastMs?: number;
  lastError?: string;
}

type Change = { readonly set: Job } | { readonly remove: string } | 'removeAll';

export class JobTable {
  readonly skill: SkillHandle;
  /** All its jobs were stopped: none that the file knows is taken up by itself. */
  halted = false;
  readonly #changed: () => void;
  readonly #jobs = new Map<string, Job>();
  readonly #pending: Change[] = [];

  /** `changed` is told when a change has been committed. */
  constructor(skill: SkillHandle, changed: () => void) {
    this.skill = skill;
    this.#changed = changed;
  }

  /** The jobs that count. */
  get jobs(): ReadonlyMap<string, Job> {
    return this.#jobs;
  }

  /** The jobs as the open transaction sees them. */
  get seen(): ReadonlyMap<string, Job> {
    if (this.#pending.length === 0) return this.#jobs;
    const seen = new Map(this.#jobs);
    for (const change of this.#pending) apply(change, seen);
    return seen;
  }

  /** Inside a transaction. */
  change(change: Change): void {
    this.#pending.push(change);
    const settled = (): void => void this.#pending.splice(this.#pending.indexOf(change), 1);
    this.skill.whenSettled({
      committed: () => {
        settled();
        apply(change, this.#jobs);
        if (change === 'removeAll') this.halted = true;
        this.#changed();
      },
      rolledBack: settled,
    });
  }

  /** Takes up a job that the file knows. */
  adopt(job: Job): void {
    this.#jobs.set(job.id, job);
  }

  /** A job is over. */
  drop(job: Job): void {
    if (this.#jobs.get(job.id) === job) this.#jobs.delete(job.id);
  }

  clear(): void {
    this.#jobs.clear();
  }
}

function apply(change: Change, jobs: Map<string, Job>): void {
  if (change === 'removeAll') jobs.clear();
  else if ('set' in change) jobs.set(change.set.id, change.set);
  else jobs.delete(change.remove);
}
