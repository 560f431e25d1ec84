/** Checks of what hosts and subscribers left in the file: stale hosts, cursors that hold the log, a store that is too new. */
import { STORE_VERSION } from '../../plugins/capsule/store.ts';
import { fail, ok, warn } from './checks.ts';
import type { Finding } from './checks.ts';
import { describeHost } from './hosts.ts';
import type { CapsuleState, SubscriptionState } from './state.ts';

/** A durable subscriber that is so far behind is worth a word. */
const LAG_ROWS = 100_000;
const LAG_DAYS = 7;
const DAY_MS = 86_400_000;
/** A job that is due for so long is not just waiting for its turn. */
const OVERDUE_MS = 600_000;

export function checkStore(version: number): Finding {
  if (version > STORE_VERSION) {
    return fail(
      'store',
      `written by a newer GlyphCase (internal schema ${version}, this one knows ${STORE_VERSION})`,
      'Upgrade GlyphCase.',
    );
  }
  return ok('store', `internal schema ${version}`);
}

export function checkHosts({ hosts }: CapsuleState): readonly Finding[] {
  const alive = hosts.filter((host) => host.alive);
  const stale = hosts.filter((host) => !host.alive);
  const running = alive.length === 0 ? 'none is running' : `running: ${alive.map(describeHost).join(', ')}`;
  return [
    ok('hosts', running),
    ...stale.map((host) =>
      warn(
        'hosts',
        `${describeHost(host)} is gone and has not signed off (last seen ${host.seenAt} UTC)`,
        'The next host clears it away when it starts.',
      ),
    ),
  ];
}

/** Rows are kept for the slowest durable subscriber, up to the hard limit of retention. */
export function checkCursors({ subscriptions, log }: CapsuleState, now: number): readonly Finding[] {
  const durable = subscriptions.filter((one) => one.name !== undefined);
  const behind = durable.filter((one) => isFarBehind(one, now));
  if (behind.length === 0)
    return [
      ok('cursors', durable.length === 0 ? 'no durable subscriptions' : `${durable.length} durable, none far behind`),
    ];
  return behind.map((one) =>
    warn(
      'cursors',
      `"${one.name ?? one.id}" is ${(one.lag ?? 0).toLocaleString('en')} rows behind and has not moved since ${one.updatedAt ?? '?'} UTC; the log (${log.rows.toLocaleString('en')} rows) waits for it`,
      'Run the program or skill that it belongs to; what is behind goes after hardRetentionDays (90) in any case.',
    ),
  );
}

function isFarBehind({ lag = 0, updatedAt }: SubscriptionState, now: number): boolean {
  if (lag === 0) return false;
  const since = updatedAt === undefined ? now : Date.parse(`${updatedAt.replace(' ', 'T')}Z`);
  return lag > LAG_ROWS || now - since > LAG_DAYS * DAY_MS;
}

export function checkSkills({ skills }: CapsuleState): readonly Finding[] {
  const broken = skills.filter(
    (skill) => skill.state === 'failed' || skill.state === 'quarantined' || skill.error !== undefined,
  );
  if (broken.length === 0) return skills.length === 0 ? [] : [ok('skills', `${skills.length} known, none failed`)];
  return broken.map(({ id, state, error = 'no reason was written down' }) => {
    const what =
      state === 'active' ? 'runs, but not as its files are now' : state === 'discovered' ? 'has failed' : state;
    return warn(`skill ${id}`, `${what}: ${error}`, `glyphcase skill check FOLDER, glyphcase skill logs ${id}`);
  });
}

export function checkJobs({ jobs, hosts }: CapsuleState, now: number): readonly Finding[] {
  const planned = jobs.filter((job) => job.state === 'planned');
  const failing = jobs.filter((job) => job.lastError !== undefined);
  const isRunning = hosts.some((host) => host.alive);
  const overdue = planned.filter(
    ({ dueAt = now, failures }) => isRunning && failures === 0 && now - dueAt > OVERDUE_MS,
  );
  if (failing.length + overdue.length === 0)
    return jobs.length === 0 ? [] : [ok('jobs', `${planned.length} planned, none failing`)];
  return [
    ...failing.map(({ skill, name, failures, lastError = '' }) =>
      warn(
        `job ${skill}/${name}`,
        `has failed${failures > 1 ? ` ${failures} times in a row` : ''}: ${lastError}`,
        `glyphcase skill logs ${skill}`,
      ),
    ),
    ...overdue.map(({ skill, name, dueAt = now }) =>
      warn(
        `job ${skill}/${name}`,
        `is due since ${new Date(dueAt).toISOString()}, and nothing runs it`,
        `Its skill must be active and register it when it starts; scheduler.stop("${name}") ends it.`,
      ),
    ),
  ];
}
