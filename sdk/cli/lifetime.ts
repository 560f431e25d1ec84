/**
 * How long a command that waits for something goes on: until Ctrl-C, SIGTERM, the terminal's end, or a closed pipe.
 *
 * Invariant: the first signal lets the command end by itself; the second ends it at once. A Ctrl-C that arrives twice
 * within a blink (from the terminal and from npm, which passes it on) is one.
 */
import { EXIT, Interrupted } from './errors.ts';
import { note } from './output.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SAME_MS = 400;
/** A command that has not ended so long after the signal says that it is still at it, in ms. */
const PATIENCE_MS = 2000;
/** How long a command that was told to end may take over it before it is cut off, in ms. */
const GRACE_MS = 1000;

let stopping: number | undefined;
let stop: (() => void) | undefined;

/** Why a command stopped waiting. */
export type Ending = 'signal' | 'pipe';

/** Resolves when the command is to end. Keeps the process alive until then, or until `over` is aborted. */
export function untilStopped(over?: AbortSignal): Promise<Ending> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 60_000);
    const end = (ending: Ending): void => {
      if (over === undefined) clearInterval(alive);
      stop = ignored;
      resolve(ending);
    };
    stop = () => end('pipe');
    const listener = (): void => onSignal(() => end('signal'));
    for (const signal of SIGNALS) process.on(signal, listener);
    over?.addEventListener('abort', () => {
      clearInterval(alive);
      stop = undefined;
      for (const signal of SIGNALS) process.off(signal, listener);
    });
  });
}

/** What listens again; made when the listeners are taken away. */
let takeBack: (() => void)[] = [];

/** Has the system act on signals as if nobody listened: for a thread so busy that a listener would never be called. */
export function releaseSignals(): void {
  for (const signal of SIGNALS) {
    for (const listener of process.listeners(signal)) takeBack.push(() => process.on(signal, listener));
    process.removeAllListeners(signal);
  }
}

/** Listens again after {@link releaseSignals}. */
export function takeSignalsBack(): void {
  for (const listen of takeBack) listen();
  takeBack = [];
}

/** What a command that is ending already does about a pipe that is closed. */
const ignored = (): void => {};

/** What {@link untilDone} runs. */
interface Work {
  /** Does the work; the signal is aborted when it is to end early. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Gives back what the work needs; called once, however it ended. */
  readonly close: () => Promise<void>;
}

/**
 * Runs a command that ends by itself, or earlier by Ctrl-C or a closed pipe. One that ends well although it was told to end
 * has done its work.
 *
 * @throws what `run` and `close` throw; Interrupted when a signal cut it off
 */
export async function untilDone({ run, close }: Work): Promise<void> {
  const over = new AbortController();
  const told = new AbortController();
  const stopped = untilStopped(over.signal);
  try {
    const work = run(told.signal);
    const ending = await Promise.race([work, stopped]);
    if (ending === undefined) return;
    told.abort();
    const isDone = await Promise.race([work.then(() => true).catch(() => false), after(GRACE_MS)]);
    if (!isDone && ending === 'signal') throw new Interrupted();
  } finally {
    await close();
    over.abort();
  }
}

const after = (ms: number): Promise<false> => new Promise((resolve) => setTimeout(() => resolve(false), ms).unref());

function onSignal(end: () => void): void {
  const now = performance.now();
  if (stopping === undefined) {
    stopping = now;
    setTimeout(() => note('Still stopping; Ctrl-C again ends it at once.'), PATIENCE_MS).unref();
    end();
  } else if (now - stopping > SAME_MS) {
    process.exit(EXIT.interrupted);
  }
}

/** Whoever reads our output has had enough (`| head`): that is no error. */
export function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (stop === undefined) process.exit(0);
      else stop();
    });
  }
}
