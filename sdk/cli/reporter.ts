/**
 * What `glyphcase start` says while it runs: lines for a person, or one line of JSON per happening.
 *
 * Invariant: a storm of changes does not become a storm of lines; after so many in a second the rest is counted.
 */
import type { Logger } from '../../kernel/logger.ts';
import type { ChangeEvent } from '../../plugins/capsule/types.ts';
import type { SkillReport } from '../../plugins/skills/types.ts';
import type { FilePluginReport } from '../manager-types.ts';
import { keyText } from './changes.ts';
import { logLine } from './log-lines.ts';
import type { Level } from './log-lines.ts';
import { clockTime, count, formatMs, paint, print, printable, printJson } from './output.ts';
import { placeText } from './places.ts';
import type { SkillReacted } from '../../plugins/skills/reactions.ts';
import { describePlugin, hintText, pluginLine } from './plugin-lines.ts';
import { printStart } from './start-report.ts';
import type { StartFacts } from './start-report.ts';
import { stateText } from './states.ts';
import { Throttle } from './throttle.ts';

export interface Reporter {
  readonly logger: Logger;
  started(facts: StartFacts): void;
  readonly reacted: (reaction: SkillReacted) => void;
  readonly skillChanged: (now: SkillReport | undefined, before: SkillReport | undefined) => void;
  /** A plugin that is not built in has come to another state. */
  readonly pluginChanged: (now: FilePluginReport | undefined, before: FilePluginReport | undefined) => void;
  stopped(): void;
}

const COLOUR = { INSERT: 'green', UPDATE: 'yellow', DELETE: 'red' } as const;

/** What a reporter knows of the plugins. */
export interface KnownPlugins {
  isBuiltin(name: string): boolean;
  get(name: string): FilePluginReport | undefined;
  /** The plugin whose file an error comes from. */
  culprit(error: unknown): string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

interface Subject {
  readonly skill?: string;
  readonly plugin?: string;
  readonly error: unknown;
}

/** For a person. `quiet` leaves out the report and the reactions. */
export function humanReporter(options: { readonly quiet: boolean; readonly plugins: KnownPlugins }): Reporter {
  const say = (text: string): void => print(`${paint('dim', clockTime(new Date()))} ${text}`);
  const throttle = new Throttle((skipped) => say(paint('dim', `… and ${count(skipped, 'more reaction')}`)));
  let isStarting = true;
  const about = (level: Level, message: string, fields: Fields = {}): void => {
    const { skill, plugin, error } = subjectOf(fields, options.plugins);
    // While it starts, what goes well is in the start report.
    const isNews = !isStarting && !options.quiet;
    if (level === 'debug' || (level === 'info' && !isNews && !isOwnLine(fields, options.plugins))) return;
    const at = Date.now();
    if (skill !== undefined) {
      const text = message.replace(`[${skill}] `, '').replace(`skill ${skill}, `, '');
      print(logLine({ at, level, message: text, skill }));
    } else if (plugin === undefined) {
      print(logLine({ at, level, message: `${message}${hintText(error)}` }));
    } else {
      print(logLine({ at, level, ...pluginLine(plugin, message, { error, report: options.plugins.get(plugin) }) }));
    }
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
    pluginChanged(now, before) {
      const id = paint('cyan', printable((now ?? before)?.id ?? ''));
      for (const text of describePlugin(now, before)) say(`${id} ${text}`);
    },
    stopped() {
      throttle.flush();
      if (!options.quiet) print('Stopped.');
    },
  };
}

/** For a program: NDJSON. */
export function jsonReporter({ plugins }: { readonly plugins: KnownPlugins }): Reporter {
  const say = (type: string, fields: object): void => printJson({ type, at: new Date(), ...fields });
  return {
    logger: loggerOf((level, message, fields) => {
      if (level === 'debug') return;
      const { skill, plugin, error } = subjectOf(fields ?? {}, plugins);
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      const at = placeText(error);
      say('log', {
        level,
        message,
        ...(skill === undefined ? {} : { skill }),
        ...(plugin === undefined ? {} : { plugin }),
        ...(typeof code === 'string' ? { code } : {}),
        ...(at === undefined ? {} : { place: at }),
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
    pluginChanged: (now, before) =>
      say('plugin', {
        id: (now ?? before)?.id,
        from: before?.state ?? null,
        to: now?.state ?? null,
        version: now?.version,
        reasons: now?.reasons ?? [],
      }),
    stopped: () => say('stopped', {}),
  };
}

/** Whom an entry of the log is about. */
function subjectOf({ skill, plugin, owner, error }: Fields, plugins: KnownPlugins): Subject {
  if (typeof skill === 'string') return { skill, error };
  // What listens is known by the plugin's instance: metrics#2.
  const named = typeof plugin === 'string' ? plugin : /^(.+)#\d+$/.exec(typeof owner === 'string' ? owner : '')?.[1];
  if (named === undefined) return { error };
  // A built-in one that calls a function of a plugin's own is not what has failed.
  return { plugin: (plugins.isBuiltin(named) ? plugins.culprit(error) : undefined) ?? named, error };
}

/** Whether it is about people's own code: a skill, or a plugin that is not built in, unless it is just that it was loaded. */
function isOwnLine(fields: Fields, plugins: KnownPlugins): boolean {
  const { skill, plugin } = subjectOf(fields, plugins);
  return skill !== undefined || (plugin !== undefined && fields['phase'] !== 'load' && !plugins.isBuiltin(plugin));
}

function loggerOf(log: (level: Level, message: string, fields?: Fields) => void): Logger {
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
