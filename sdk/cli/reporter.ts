/**
 * What `glyphcase start` says while it runs: lines for a person, or one line of JSON per happening.
 *
 * Invariant: a storm of changes does not become a storm of lines; after so many in a second the rest is counted.
 */
import type { Logger } from '../../kernel/logger.ts';
import type { PluginReport } from '../../kernel/plugins/types.ts';
import type { ChangeEvent } from '../../plugins/capsule/types.ts';
import type { SkillReport } from '../../plugins/skills/types.ts';
import { keyText } from './changes.ts';
import { logLine } from './log-lines.ts';
import type { Level } from './log-lines.ts';
import { clockTime, count, formatMs, paint, print, printable, printJson } from './output.ts';
import type { SkillReacted } from '../../plugins/skills/reactions.ts';
import { stateText } from './states.ts';

export interface StartFacts {
  readonly file: string;
  readonly isNew: boolean;
  readonly sample: readonly string[];
  readonly plugins: readonly PluginReport[];
  readonly skills: readonly SkillReport[];
  /** Folders with skills, as they are shown. */
  readonly folders: readonly string[];
  readonly missingFolders: readonly string[];
  readonly runsSkills: boolean;
  readonly ms: number;
}

export interface Reporter {
  readonly logger: Logger;
  started(facts: StartFacts): void;
  readonly reacted: (reaction: SkillReacted) => void;
  readonly skillChanged: (now: SkillReport | undefined, before: SkillReport | undefined) => void;
  stopped(): void;
}

/** Lines of reactions in one second, before the rest is counted. */
const LINES_PER_SECOND = 20;

const COLOUR = { INSERT: 'green', UPDATE: 'yellow', DELETE: 'red' } as const;

/** For a person. `quiet` leaves out the report and the reactions. */
export function humanReporter(options: { readonly quiet: boolean }): Reporter {
  const say = (text: string): void => print(`${paint('dim', clockTime(new Date()))} ${text}`);
  const throttle = new Throttle((skipped) => say(paint('dim', `… and ${count(skipped, 'more reaction')}`)));
  let isStarting = true;
  const about = (level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void => {
    const skill = typeof fields?.['skill'] === 'string' ? fields['skill'] : undefined;
    // While it starts, what goes well is in the start report.
    if (level === 'debug' || (level === 'info' && skill === undefined && (isStarting || options.quiet))) return;
    const text = skill === undefined ? message : message.replace(`[${skill}] `, '').replace(`skill ${skill}, `, '');
    print(logLine({ at: Date.now(), level, message: text, ...(skill === undefined ? {} : { skill }) }));
  };
  return {
    logger: loggerOf(about),
    started(facts) {
      isStarting = false;
      if (!options.quiet) printStart(facts);
    },
    reacted({ id: skill, events, ms }) {
      if (options.quiet) return;
      for (const event of events) {
        throttle.line(() =>
          say(
            `${paint('cyan', printable(skill))} ${describeEvent(event)} ${paint('dim', formatMs(ms / events.length))}`,
          ),
        );
      }
    },
    skillChanged(now, before) {
      const id = paint('cyan', printable((now ?? before)?.id ?? ''));
      for (const text of describeChange(now, before)) say(`${id} ${text}`);
    },
    stopped() {
      throttle.flush();
      if (!options.quiet) print('Stopped.');
    },
  };
}

/** For a program: NDJSON. */
export function jsonReporter(): Reporter {
  const say = (type: string, fields: object): void => printJson({ type, at: new Date(), ...fields });
  return {
    logger: loggerOf((level, message, fields) => {
      if (level === 'debug') return;
      const skill = fields?.['skill'];
      const { code } = (fields?.['error'] ?? {}) as { code?: unknown };
      say('log', {
        level,
        message,
        ...(typeof skill === 'string' ? { skill } : {}),
        ...(typeof code === 'string' ? { code } : {}),
      });
    }),
    started: ({ plugins, skills, ...facts }) =>
      say('started', { ...facts, plugins: plugins.map(({ owns: _owns, ...plugin }) => plugin), skills }),
    reacted: ({ id: skill, events, ms }) => say('reaction', { skill, ms, events }),
    skillChanged: (now, before) =>
      say('skill', {
        id: (now ?? before)?.id,
        from: before?.state ?? null,
        to: now?.state ?? null,
        version: now?.version,
        reasons: now?.reasons ?? [],
      }),
    stopped: () => say('stopped', {}),
  };
}

function loggerOf(log: (level: Level, message: string, fields?: Readonly<Record<string, unknown>>) => void): Logger {
  return {
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
  };
}

const describeEvent = ({ operation, tableName, rowId }: ChangeEvent): string =>
  `${paint(COLOUR[operation], operation)} ${printable(tableName)} ${paint('bold', keyText(rowId))}`;

/** What became of a skill, in sentences. */
function describeChange(now: SkillReport | undefined, before: SkillReport | undefined): readonly string[] {
  if (now === undefined) return ['is gone; its data stays'];
  // What went wrong has just been logged.
  const logged = now.error === undefined ? '' : now.error.message;
  const why = now.reasons
    .filter((reason) => logged === '' || !reason.endsWith(logged))
    .map((reason) => paint('yellow', printable(reason)));
  if (now.state !== 'active') return [`is ${stateText(now.state)}`, ...why];
  const version = printable(now.version);
  if (now.reasons.length > 0) return why.length > 0 ? why : [paint('yellow', `version ${version} goes on as it was`)];
  const took = now.activatedInMs === undefined ? '' : ` ${paint('dim', formatMs(now.activatedInMs))}`;
  if (before?.state === 'active' && before.activatedInMs !== now.activatedInMs)
    return [`reloaded, version ${version}${took}`];
  if (before?.state === 'active') return [`is well again, version ${version}`];
  return [`is ${stateText('active')}, version ${version}${took}`];
}

function printStart(facts: StartFacts): void {
  const { file, isNew, sample, plugins, skills, folders, missingFolders, runsSkills, ms } = facts;
  const shop = sample.length === 0 ? '' : `, with a small shop to play with: ${sample.join(', ')}`;
  print(`${paint('bold', file)}${isNew ? ` is new${shop}` : ''}`);
  const rows = [
    ...plugins.map((one) => ({ ...one, kind: 'plugin' })),
    ...skills.map((one) => ({ ...one, kind: 'skill' })),
  ];
  const width = Math.max(...rows.map((row) => row.id.length));
  for (const { kind, id, version, state, activatedInMs, reasons } of rows) {
    const time = activatedInMs === undefined ? '' : paint('dim', formatMs(activatedInMs).padStart(8));
    const padding = ' '.repeat(Math.max(0, 8 - state.length));
    print(
      `  ${kind.padEnd(6)}  ${printable(id).padEnd(width)}  ${printable(version).padEnd(7)} ${stateText(state)}${padding} ${time}`.trimEnd(),
    );
    for (const reason of reasons) print(`          ${paint('yellow', printable(reason))}`);
  }
  for (const folder of missingFolders)
    print(`There is no folder ${folder}; glyphcase skill new ID makes a first skill in it.`);
  if (folders.length > 0 && skills.length === 0 && missingFolders.length === 0)
    print(`No skills in ${folders.join(', ')} yet.`);
  if (!runsSkills && skills.length > 0)
    print(paint('yellow', 'Another host on this file runs the skills; this one takes over when it ends.'));
  print(`Ready in ${formatMs(ms)}. Ctrl-C stops it.`);
  if (sample.length > 0)
    print(paint('dim', `Try, in another terminal: sqlite3 ${file} "INSERT INTO orders (user_id) VALUES (7)"`));
}

/** Lets so many lines through in a second, and says how many it kept back. */
class Throttle {
  readonly #told: (skipped: number) => void;
  #second = 0;
  #lines = 0;
  #skipped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(told: (skipped: number) => void) {
    this.#told = told;
  }

  line(write: () => void): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.flush();
      this.#second = second;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines <= LINES_PER_SECOND) {
      write();
      return;
    }
    this.#skipped += 1;
    this.#timer ??= setTimeout(() => this.flush(), 1000).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#skipped > 0) this.#told(this.#skipped);
    this.#skipped = 0;
  }
}
