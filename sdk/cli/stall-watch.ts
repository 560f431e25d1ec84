/**
 * Notices when a plugin's code does not return, so that nothing else of the host can run: says so, and lets Ctrl-C end it.
 *
 * A thread does that, because the main one cannot; it loads what it needs for it (stall-thread.ts) only then.
 * Invariants: neither the thread nor a timer keeps the process alive; nothing is watched while a debugger may hold it up. A
 * machine that sleeps is no plugin that hangs: only time in which the thread ran is counted.
 */
import { url as debuggerUrl } from 'node:inspector';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { releaseSignals, takeSignalsBack } from './lifetime.ts';
import { paint } from './output.ts';

/** How often this thread shows that it runs, in ms. */
const BEAT_MS = 200;
/** For how long code may keep everything else from running before that is said, in ms. */
const LIMIT_MS = 3000;
/** The name under which the thread that watches finds what gives the signals back to the system. */
const RELEASE = 'glyphcase.release-signals';

/** What the thread begins with. */
export interface StallOptions {
  /** Counts up for as long as the main thread runs. */
  readonly beats: Int32Array;
  /** For how long that may stand still, in ms. */
  readonly limit: number;
  /** `warning:`, as the terminal shows it. */
  readonly prefix: string;
  readonly release: string;
  /** The module that says where the main thread is stuck. */
  readonly teller: string;
}

/** What it is told later: the phase of a plugin that has begun, or null when it is over; which plugins there are, and where. */
export interface StallNews {
  readonly phase?: { readonly plugin: string; readonly name: string } | null;
  readonly plugins?: readonly (readonly [name: string, path: string])[];
}

/** As a text, because a thread that begins with a file of its own takes several times as long to start. */
const THREAD = `
const { writeSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const { beats, limit, teller } = workerData;
const lookMs = 100;
let [seen, silent, last, news] = [0, 0, performance.now(), {}];
parentPort.on('message', (more) => (news = { ...news, ...more })).unref();
setInterval(() => {
  const now = performance.now();
  const passed = Math.min(now - last, 2 * lookMs);
  last = now;
  const beat = Atomics.load(beats, 0);
  if (beat === seen) {
    if (silent < limit && silent + passed >= limit) import(teller).then(({ tell }) => tell(workerData, news));
    silent += passed;
    return;
  }
  if (silent >= limit) writeSync(2, 'The host goes on; it stood still for ' + (silent / 1000).toFixed(1) + ' s.\\n');
  [seen, silent] = [beat, 0];
}, lookMs);
`;

export interface StallWatch {
  tell(news: StallNews): void;
}

/** Begins to watch this thread. */
export function watchForStalls(): StallWatch {
  if (debuggerUrl() !== undefined) return { tell: () => undefined };
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const prefix = paint('yellow', 'warning:', process.stderr);
  const teller = pathToFileURL(join(import.meta.dirname, `stall-thread${extname(import.meta.filename)}`)).href;
  const workerData: StallOptions = { beats, limit: LIMIT_MS, prefix, release: RELEASE, teller };
  const thread = new Worker(THREAD, { eval: true, workerData });
  // Where there can be no such thread, there is just no such warning.
  thread.on('error', () => undefined).unref();
  Reflect.set(globalThis, Symbol.for(RELEASE), releaseSignals);
  setInterval(() => {
    Atomics.add(beats, 0, 1);
    takeSignalsBack();
  }, BEAT_MS).unref();
  return { tell: (news) => thread.postMessage(news) };
}
