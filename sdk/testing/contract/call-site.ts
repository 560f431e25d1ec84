/**
 * Where in the tested plugin something was done, from a stack trace.
 *
 * Invariant: the stack is turned into text at once; frames that are kept would keep the plugin in memory.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
/** sdk/testing and kernel, which stand between the plugin and Node. */
const ours = [dirname(here), `${dirname(dirname(dirname(here)))}/kernel`];

/** ` at plugins/mine.ts:12` of the innermost frame outside Node and GlyphCase's kernel; empty when there is none. */
export function callSite(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = limit;
  const places = stack
    .split('\n')
    .map((line) => /[( ]((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?:\d+):\d+\)?$/.exec(line)?.[1])
    .filter((place): place is string => place !== undefined)
    .map((place) => place.replace(/^file:\/\//, ''));
  const outside = places.filter((place) => !ours.some((folder) => place.startsWith(folder)));
  const place = outside.find((one) => !one.includes('node_modules')) ?? outside[0];
  return place === undefined ? '' : ` at ${place.replace(`${process.cwd()}/`, '')}`;
}
