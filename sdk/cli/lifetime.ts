/**
 * How long a command that waits for something goes on: until Ctrl-C, SIGTERM, the terminal's end, or a closed pipe.
 *
 * Invariant: the first signal lets the command end by itself; the second ends it at once. A Ctrl-C that arrives twice
 * within a blink (from the terminal and from npm, which passes it on) is one.
 */
import { note } from './output.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SAME_MS = 400;
/** A command that has not ended so long after the signal says that it is still at it, in ms. */
const PATIENCE_MS = 2000;

let stopping: number | undefined;
let stop: (() => void) | undefined;

/** Why a command stopped waiting. */
export type Ending = 'signal' | 'pipe';

/** Resolves when the command is to end. Keeps the process alive until then. */
export function untilStopped(): Promise<Ending> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 60_000);
    const end = (ending: Ending): void => {
      clearInterval(alive);
      stop = undefined;
      resolve(ending);
    };
    stop = () => end('pipe');
    for (const signal of SIGNALS) process.on(signal, () => onSignal(() => end('signal')));
  });
}

function onSignal(end: () => void): void {
  const now = performance.now();
  if (stopping === undefined) {
    stopping = now;
    setTimeout(() => note('Still stopping; Ctrl-C again ends it at once.'), PATIENCE_MS).unref();
    end();
  } else if (now - stopping > SAME_MS) {
    process.exit(130);
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
