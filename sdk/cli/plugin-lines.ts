/**
 * What the terminal says of plugins: who it is about, where in their files it happened, and what comes next.
 *
 * Invariant: a line names its plugin once, and the place its error comes from where the stack tells it.
 */
import { GlyphError } from '../../kernel/errors.ts';
import type { FilePluginReport } from '../manager-types.ts';
import { formatMs, paint, printable } from './output.ts';
import { withPlace } from './places.ts';
import { stateText } from './states.ts';

/** A message that a plugin's own log or the host logged about a plugin, as it stands on the terminal. */
export interface PluginLine {
  /** Stands before the message; undefined where that names the plugin itself. */
  readonly plugin?: string;
  readonly message: string;
}

/** An instance of a plugin, such as ` of metrics#2 `. */
const INSTANCE = / of [a-z0-9-]+#\d+ /;

/** `report` is what the host knows of the plugin, if it does already. */
export function pluginLine(
  plugin: string,
  message: string,
  { error, report }: { readonly error?: unknown; readonly report?: FilePluginReport | undefined },
): PluginLine {
  const own =
    [`plugin '${plugin}': `, `plugin '${plugin}' `, `${plugin}: `].find((start) => message.startsWith(start)) ?? '';
  const placed = located(message.slice(own.length).replace(INSTANCE, ' '), error, report);
  const next = error !== undefined && report?.error === error ? nextText(report) : '';
  const text = `${placed}${next}${hintText(error)}`;
  return text.includes(`plugin '${plugin}'`) ? { message: text } : { plugin, message: text };
}

/** Why a plugin is not active, with the places of its errors. */
export function whyText(report: FilePluginReport): readonly string[] {
  const { error, reasons } = report;
  return reasons.map((reason) =>
    error?.message === reason ? `${located(reason, error, report)}${nextText(report)}` : reason,
  );
}

/** What has become of a plugin by itself, in sentences; nothing where the log has just said it. */
export function describePlugin(
  now: FilePluginReport | undefined,
  before: FilePluginReport | undefined,
): readonly string[] {
  if (now === undefined) return [];
  if (now.state === 'active' && before !== undefined)
    return [`is ${stateText('active')}, version ${printable(now.version)}`];
  if (now.state !== 'waiting' && now.state !== 'incompatible') return [];
  return [`is ${stateText(now.state)}`, ...now.reasons.map((reason) => paint('yellow', printable(reason)))];
}

/** The message with the line it comes from, or else with the file. */
function located(message: string, error: unknown, report: FilePluginReport | undefined): string {
  const placed = withPlace(message, error);
  const file = report?.file;
  if (error === undefined || placed !== message || file === undefined || message.includes(file)) return placed;
  return /\(at [^)]*:\d+\)/.test(message) ? message : `${message} (in ${file})`;
}

/** What to do about a file that cannot be loaded. */
export function hintText(error: unknown): string {
  return error instanceof GlyphError && error.phase === 'load' ? `\nhint: ${error.hint}` : '';
}

/** What will become of a plugin that has failed. */
function nextText({ state, retryAt, file }: FilePluginReport): string {
  if (state === 'failed' && retryAt !== undefined) {
    return `; it is tried again in ${formatMs(Math.max(1000, retryAt - Date.now())).replace('.0', '')}`;
  }
  if (state !== 'quarantined') return '';
  return file === undefined ? '; it is not tried again' : `; it is not tried again until ${file} is saved`;
}
