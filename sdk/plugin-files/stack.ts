/**
 * Places in a plugin's sources, out of places in its bundle.
 *
 * Node does this by itself when source maps are switched on for the whole process, which is the application's to decide.
 * The bundle has a name of its own in stack traces, so what has been translated is never translated again.
 */
import { SourceMap } from 'node:module';
import type { SourceMapPayload } from 'node:module';
import { dirname, isAbsolute, resolve } from 'node:path';
import { urlOf } from './evaluate.ts';
import { isInside } from './source.ts';

/** The file name under which the bundle of an entry runs. */
export const bundleName = (entry: string): string => `${entry}${BUNDLE}`;
const BUNDLE = '.bundle';

/** The entry of which this is the bundle's name; undefined for any other name. */
export const entryOfBundle = (name: string): string | undefined =>
  name.endsWith(BUNDLE) ? fileOf(name.slice(0, -BUNDLE.length)) : undefined;

/** Rewrites the stack of what a bundle threw, and of its causes, to the sources' lines. */
export type StackMapper = (thrown: unknown) => void;

export function stackMapper(entry: string, map: () => string): StackMapper {
  const bundle = urlOf(bundleName(entry));
  let parsed: SourceMap | undefined;
  const place = new RegExp(`${bundle.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}:(\\d+):(\\d+)`, 'g');
  const original = (line: string, column: string): string | undefined => {
    parsed ??= new SourceMap(JSON.parse(map()) as SourceMapPayload);
    const found = originalPlace(parsed, dirname(entry), Number(line), Number(column));
    return found && `${found.file}:${found.at}`;
  };
  return (thrown) => {
    for (let error = thrown; error instanceof Error; error = error.cause) {
      if (typeof error.stack !== 'string' || !error.stack.includes(bundle)) continue;
      error.stack = error.stack.replace(place, (all, line: string, column: string) => original(line, column) ?? all);
    }
  };
}

/** A place in a file, as an editor takes it; without a column where Node names none. */
export interface Place {
  readonly file: string;
  readonly at: string;
}

/** The place in a source that a place in a bundle stands for; lines and columns from 1. Sources are named from `folder`. */
export function originalPlace(map: SourceMap, folder: string, line: number, column: number): Place | undefined {
  const found = map.findEntry(line - 1, column - 1);
  if (!('originalSource' in found)) return undefined;
  const at = `${found.originalLine + 1}:${found.originalColumn + 1}`;
  return { file: resolve(folder, found.originalSource), at };
}

/** `at name (file:3:7)`, `at file:3:7`, and the `file:3` above what cannot be compiled. */
const FRAME = /^(?:\s+at (?:.*\(|async )?)?(?:file:\/\/)?(.+?)(?:\?[^:/]*)?:(\d+(?::\d+)?)\)?$/;

/** The innermost place in a folder that an error, or what caused it, comes from; undefined when there is none. */
export function placeIn(folder: string, thrown: unknown): Place | undefined {
  for (const place of placesOf(thrown)) if (isInside(folder, place.file)) return place;
  return undefined;
}

/** The places that an error, or what caused it, comes from: the innermost first. */
export function* placesOf(thrown: unknown): Iterable<Place> {
  const frames: string[] = [];
  for (let error = thrown; error instanceof Error; error = error.cause) {
    frames.unshift(...(error.stack ?? '').split('\n'));
  }
  for (const frame of frames) {
    const [, shown = '', at] = FRAME.exec(frame) ?? [];
    const file = isAbsolute(shown) ? fileOf(shown) : undefined;
    if (file !== undefined && at !== undefined) yield { file, at };
  }
}

/** A file's name out of a stack trace, where blanks may be `%20`. */
function fileOf(shown: string): string {
  try {
    return decodeURIComponent(shown);
  } catch {
    return shown;
  }
}
