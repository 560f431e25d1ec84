/** `glyphcase inspect`: the state of a database's capsule, without becoming a host of it. */
import type { Command } from 'commander';
import type { StoredJob } from '../../maintenance/jobs.ts';
import type { CapsuleState, SkillState, SubscriptionState } from '../../maintenance/state.ts';
import { dbOption, examples } from '../options.ts';
import { count, formatBytes, formatMs, paint, print, printPrettyJson, printable, progress, table } from '../output.ts';
import { existingDatabase, shown } from '../paths.ts';
import { stateNow, stateText } from '../states.ts';

interface InspectOptions {
  readonly db: string;
  readonly json?: true;
}

export function addInspect(program: Command): void {
  program
    .command('inspect')
    .summary('show hosts, watchers, subscriptions, skills, jobs and the log')
    .description(
      'Shows what is at work on a database: hosts, watched tables, subscriptions and how far they are, skills, their jobs, the log. Only reads.',
    )
    .addOption(dbOption())
    .option('--json', 'the whole state as JSON')
    .addHelpText(
      'after',
      examples(
        ['glyphcase inspect', 'what happens in ./glyphcase.db'],
        ["glyphcase inspect --json | jq '.subscriptions[].lag'", 'for a program'],
      ),
    )
    .action(inspect);
}

async function inspect(options: InspectOptions): Promise<void> {
  const path = existingDatabase(options.db);
  const maintenance = await import('../../maintenance/state.ts');
  const done = progress('Reading the log');
  const state = maintenance.inspect(path);
  done();
  if (options.json === true) {
    printPrettyJson({ file: path, attached: state !== undefined, ...state });
    return;
  }
  if (state === undefined) {
    print(`${shown(path)}: GlyphCase has not been at work on this file. glyphcase start --db ${shown(path)} begins.`);
    return;
  }
  printLog(path, state);
  printHosts(state);
  printTables(state);
  printSubscriptions(state);
  printSkills(
    state.skills,
    state.hosts.some((host) => host.alive),
  );
  printJobs(state.jobs, Date.now());
}

function printLog(path: string, { log, lease }: CapsuleState): void {
  const { rows, first, end, bytes, transactions, oldestAt } = log;
  const since = oldestAt === undefined ? '' : `, oldest from ${oldestAt} UTC`;
  print(paint('bold', shown(path)));
  print(
    rows === 0
      ? 'Log: empty'
      : `Log: ${count(rows, 'row')} (seq ${first}–${end}) in ${count(transactions, 'transaction')}, ${formatBytes(bytes)}${since}`,
  );
  if (lease !== undefined) {
    const holder = lease.held ? `taken ${formatMs(Date.now() - lease.takenAt)} ago` : 'free';
    print(`Lease (who runs skills): ${holder}, epoch ${lease.epoch}`);
  }
}

function printHosts({ hosts, log }: CapsuleState): void {
  heading('Hosts', hosts.length);
  if (hosts.length === 0) return;
  printTable(
    ['process', 'machine', 'state', 'behind', 'last seen', 'since (UTC)'],
    hosts.map((host) => [
      String(host.pid),
      printable(host.machine),
      host.alive ? paint('green', 'alive') : paint('red', 'gone'),
      String(Math.max(0, log.end - host.position)),
      `${formatMs(host.seenSecondsAgo * 1000)} ago`,
      host.startedAt,
    ]),
    [3],
  );
}

function printTables({ watchers }: CapsuleState): void {
  heading('Watchers', watchers.length);
  if (watchers.length === 0) return;
  printTable(
    ['table', 'filter', 'kind', 'subscriptions'],
    watchers.map((watcher) => [
      printable(watcher.table),
      watcher.filter === undefined ? '' : printable(watcher.filter),
      watcher.kept ? 'kept' : watcher.hostId === undefined ? 'durable' : 'while its host runs',
      String(watcher.subscriptions),
    ]),
    [3],
    1,
  );
}

function printSubscriptions({ subscriptions }: CapsuleState): void {
  heading('Subscriptions', subscriptions.length);
  if (subscriptions.length === 0) return;
  printTable(
    ['name', 'type', 'table', 'cursor', 'behind', 'moved (UTC)'],
    subscriptions.map((one) => [
      nameOf(one),
      one.listenerType,
      printable(one.table),
      String(one.cursor ?? ''),
      lagText(one),
      one.updatedAt ?? '',
    ]),
    [3, 4],
    0,
  );
  for (const { name, id, reset } of subscriptions) {
    if (reset !== undefined) print(paint('yellow', `  ${name ?? id} has yet to hear: ${printable(reset)}`));
  }
}

const nameOf = ({ name, listenerId }: SubscriptionState): string =>
  name === undefined ? paint('dim', `(${printable(listenerId)})`) : printable(name);

function lagText({ lag }: SubscriptionState): string {
  if (lag === undefined) return '';
  return lag > 1000 ? paint('yellow', String(lag)) : String(lag);
}

function printSkills(skills: readonly SkillState[], running: boolean): void {
  heading('Skills', skills.length);
  if (skills.length === 0) return;
  printTable(
    ['id', 'version', 'state', 'behind', 'reason'],
    skills.map((skill) => [
      printable(skill.id),
      skill.version ?? '',
      stateText(stateNow(skill, running)),
      skill.lag === undefined ? '' : String(skill.lag),
      printable(skill.error ?? ''),
    ]),
    [3],
  );
}

/** Few databases have any, so nothing is said when there are none. */
function printJobs(jobs: readonly StoredJob[], now: number): void {
  if (jobs.length === 0) return;
  heading('Jobs', jobs.length);
  printTable(
    ['skill', 'name', 'when', 'due', 'last run', 'took', 'runs', 'last error'],
    jobs.map((job) => [
      printable(job.skill),
      printable(job.name),
      printable([job.kind, job.spec, job.timezone].filter(Boolean).join(' ')),
      dueText(job, now),
      job.lastRunAt === undefined ? '' : agoText(job.lastRunAt, now),
      job.lastMs === undefined ? '' : formatMs(job.lastMs),
      String(job.runs),
      job.lastError === undefined ? '' : paint('red', printable(job.lastError)),
    ]),
    [5, 6],
  );
}

function dueText({ state, dueAt }: StoredJob, now: number): string {
  if (state !== 'planned' || dueAt === undefined) return paint('dim', state);
  return dueAt > now ? `in ${formatMs(dueAt - now)}` : paint('yellow', agoText(dueAt, now));
}

const agoText = (at: number, now: number): string => `${formatMs(Math.max(0, now - at))} ago`;

function heading(title: string, number: number): void {
  print();
  print(`${paint('bold', title)}${number === 0 ? ': none' : ''}`);
}

function printTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  flexible = head.length - 1,
): void {
  for (const line of table({ head, rows, right, flexible, indent: 2 })) print(line);
}
