/**
 * Looks, from another thread, at what the main thread is doing, by means of Node's inspector.
 *
 * Invariant: the main thread runs on when the look is over; one that does not get to it is left alone.
 */
import { Session } from 'node:inspector';
import type { Debugger } from 'node:inspector';
import { SourceMap } from 'node:module';
import type { SourceMapPayload } from 'node:module';
import { dirname } from 'node:path';
import { entryOfBundle, originalPlace, placesOf } from '../plugin-files/stack.ts';
import type { Place } from '../plugin-files/stack.ts';

/** How long the main thread may take to notice that it is looked at, in ms. It does not while it is in a statement of SQL. */
const PATIENCE_MS = 1000;

/** A function that is running. */
export interface RunningFrame {
  /** Empty for one that has no name. */
  readonly name: string;
  /** Undefined where it is no file's. */
  readonly place: Place | undefined;
}

/** What runs, the innermost first; `expression` is evaluated meanwhile. Undefined when the thread could not be reached. */
export async function lookInside(expression: string): Promise<readonly RunningFrame[] | undefined> {
  const session = new Session();
  const scripts = new Map<string, Debugger.ScriptParsedEventDataType>();
  let patience: NodeJS.Timeout | undefined;
  try {
    session.connectToMainThread();
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params));
    const paused = new Promise<readonly Debugger.CallFrame[]>((resolve) =>
      session.on('Debugger.paused', ({ params }) => resolve(params.callFrames)),
    );
    session.post('Debugger.enable');
    session.post('Debugger.pause');
    const late = new Promise<undefined>((resolve) => (patience = setTimeout(() => resolve(undefined), PATIENCE_MS)));
    const frames = await Promise.race([paused, late]);
    if (frames === undefined) return undefined;
    await new Promise<void>((done) => session.post('Runtime.evaluate', { expression }, () => done()));
    session.post('Debugger.resume');
    return frames.map((frame) => ({ name: frame.functionName, place: placeOf(frame, scripts) }));
  } catch {
    return undefined;
  } finally {
    clearTimeout(patience);
    session.post('Debugger.disable', () => session.disconnect());
  }
}

function placeOf(
  { location }: Debugger.CallFrame,
  scripts: ReadonlyMap<string, Debugger.ScriptParsedEventDataType>,
): Place | undefined {
  const { url = '', sourceMapURL = '' } = scripts.get(location.scriptId) ?? {};
  const [line, column] = [location.lineNumber + 1, (location.columnNumber ?? 0) + 1];
  const entry = entryOfBundle(url);
  const map = entry === undefined ? undefined : mapIn(sourceMapURL);
  if (entry !== undefined && map !== undefined) return originalPlace(map, dirname(entry), line, column);
  const [place] = placesOf(Object.assign(new Error(), { stack: `    at ${url}:${line}:${column}` }));
  return place;
}

function mapIn(dataUrl: string): SourceMap | undefined {
  const [, text] = dataUrl.split(';base64,');
  if (text === undefined) return undefined;
  return new SourceMap(JSON.parse(Buffer.from(text, 'base64').toString()) as SourceMapPayload);
}
