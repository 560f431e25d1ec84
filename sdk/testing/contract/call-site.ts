/**
 * Where in the tested plugin something was done, from a stack trace.
 *
 * Invariant: the stack is turned into text at once; frames that are kept would keep the plugin in memory.
 */
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(dirname(here)));
/** Folders that stand between the plugin and Node. */
const ours = ['sdk/testing', 'sdk/cli', 'sdk/plugin-files', 'kernel'].map((folder) => join(root, folder, sep));
/** What calls the plugin: further out is who runs the contract. */
const callers = [join(here, 'trial.'), join(here, 'run.')];
/** `(file:///a.ts?query:3:7)`, `at /a.ts:3:7`, `at node:net:3:7` without their columns. */
const FRAME = /[( ]((?:file:\/\/|node:|\/|[A-Za-z]:\\)[^()]*?:\d+):\d+\)?$/;
/** Node's own files by which a timer is begun when it is asked for. */
const TIMERS = /^node:(?:internal\/)?timers/;

/** A stack trace as places, the innermost first: `/plugins/mine.ts:12`, and Node's own as `node:net:12`. */
export type Places = readonly string[];

/** Where this function is called from. */
export function placesHere(): Places {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = limit;
  return placesIn(stack);
}

/** ` at plugins/mine.ts:12` of the innermost place outside Node and GlyphCase's kernel; empty when there is none. */
export function callSite(places: Places = placesHere()): string {
  const outside = places.filter((place) => !place.startsWith('node:'));
  const place = outside.find((one) => !one.includes('node_modules')) ?? outside[0];
  return place === undefined ? '' : ` at ${place.replace(`${process.cwd()}${sep}`, '')}`;
}

/** ` (at plugins/mine.ts:12)` for what was thrown, from the first of it and its causes that tells; empty when none does. */
export function thrownAt(thrown: unknown): string {
  const sites: string[] = [];
  for (let error = thrown; error instanceof Error; error = error.cause) {
    sites.unshift(callSite(placesIn(error.stack ?? '')));
  }
  const site = sites.find((one) => one !== '');
  return site === undefined ? '' : ` (${site.trim()})`;
}

/** Whether a timer is Node's own affair: one by which a server looks after its connections, or a request after its time. */
export function isTimerOfNode(places: Places): boolean {
  return places.find((place) => !TIMERS.test(place))?.startsWith('node:') ?? true;
}

/** Whether a connection is one of those that `fetch` keeps for all who use it, and that nobody can close. */
export const isOfFetch = (places: Places): boolean =>
  places.some((place) => place.startsWith('node:internal/deps/undici'));

function placesIn(stack: string): Places {
  const places: string[] = [];
  for (const line of stack.split('\n')) {
    const place = FRAME.exec(line)?.[1];
    if (place === undefined || /^node:(?:internal\/)?async_hooks/.test(place)) continue;
    const plain = pathOf(place);
    if (callers.some((file) => plain.startsWith(file))) break;
    if (!ours.some((folder) => plain.startsWith(folder))) places.push(plain);
  }
  return places;
}

/** Without the mark under which a module was loaded once more, and with blanks as they are. */
function pathOf(place: string): string {
  const path = place.replace(/^file:\/\//, '').replace(/\?[^/\\]*(?=:\d+$)/, '');
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
