/**
 * Says, in the thread of {@link watchForStalls}, where the main thread is stuck. Loaded only when it is.
 *
 * Invariant: it writes by itself, because what a thread prints otherwise goes through the one that is stuck.
 */
import { writeSync } from 'node:fs';
import type { Place } from '../plugin-files/stack.ts';
import { isInside } from '../plugin-files/source.ts';
import { formatMs } from './output.ts';
import { peoplesPlace, textOf } from './places.ts';
import { lookInside } from './stall-place.ts';
import type { RunningFrame } from './stall-place.ts';
import type { StallNews, StallOptions } from './stall-watch.ts';

const KILL =
  process.platform === 'win32' ? 'End it in the task manager.' : `End it with Ctrl-\\, or kill -9 ${process.pid}.`;
const PHASES: readonly string[] = ['activate', 'deactivate', 'snapshot'];

/** Says who does not return, and lets Ctrl-C end the process. `limit` is for how long that has been so, in ms. */
export async function tell({ prefix, release, limit }: StallOptions, news: StallNews): Promise<void> {
  const frames = await lookInside(`globalThis[Symbol.for(${JSON.stringify(release)})]?.()`);
  const end = frames === undefined ? KILL : 'Ctrl-C ends it.';
  writeSync(2, `${prefix} ${sentence(frames ?? [], news, limit)} Nothing else of this host runs until then. ${end}\n`);
}

/** Who does not return, as exactly as is known. */
function sentence(frames: readonly RunningFrame[], { phase, plugins = [] }: StallNews, limit: number): string {
  const theirs = frames.flatMap(({ place }) => place ?? []);
  const place = peoplesPlace(theirs);
  const at = place === undefined ? '' : ` (at ${textOf(place)})`;
  const plugin = phase?.plugin ?? nameAt(theirs, plugins);
  const during = phase?.name ?? frames.findLast((frame) => frame.place !== undefined && isPhase(frame))?.name;
  const time = formatMs(limit).replace('.0', '');
  const who = plugin === undefined ? (place === undefined ? 'Something' : textOf(place)) : `The plugin '${plugin}'`;
  if (during !== undefined) return `${who} has been in ${during} for ${time}${plugin === undefined ? '' : at}.`;
  return `${who} has not returned for ${time}${plugin === undefined ? '' : at}.`;
}

const isPhase = ({ name, place }: RunningFrame): boolean =>
  PHASES.includes(name) && place !== undefined && peoplesPlace([place]) !== undefined;

/** The plugin that one of these places lies in. */
function nameAt(places: readonly Place[], plugins: NonNullable<StallNews['plugins']>): string | undefined {
  for (const { file } of places) {
    const found = plugins.find(([, path]) => isInside(path, file));
    if (found !== undefined) return found[0];
  }
  return undefined;
}
