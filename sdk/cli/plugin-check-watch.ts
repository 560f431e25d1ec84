/**
 * Runs the check of a plugin in a process of its own, and ends that when the plugin's code does not return.
 *
 * Invariants: it resolves, whatever the plugin does; the process it started is gone then, and goes with this one (plugin-check-guard.ts). A machine
 * that sleeps, or a process that is held up, is no plugin that hangs: only time in which this process ran is counted.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import { fromPlain, messagesIn } from './plugin-check-messages.ts';
import type { CheckMessage, CheckRequest, RunningCode } from './plugin-check-messages.ts';
import type { PluginCheckReport } from './plugin-check-report.ts';

/** How often it looks, in ms. */
const LOOK_MS = 50;
/** How long a process that has given its result may take to end, in ms. */
const LEAVING_MS = 500;

/** How a check ended that has no report. */
export interface BrokenOff {
  /** The code of the plugin that ran then. */
  readonly code: RunningCode;
  /** Undefined when it never returned. */
  readonly exit?: number | NodeJS.Signals;
  /** What the plugin is called, where that is known. */
  readonly plugin?: string;
  readonly version?: string;
}

export type CheckOutcome = { readonly report: PluginCheckReport } | { readonly brokenOff: BrokenOff };

interface State {
  /** Undefined until the plugin's file is loaded: until then nothing of the plugin runs. */
  code?: RunningCode;
  /** For how long nothing has been heard, in ms. */
  silent: number;
  named?: { readonly plugin: string; readonly version: string };
  result?: Extract<CheckMessage, { report: unknown } | { failed: unknown }>;
}

/**
 * Checks a plugin; its code may keep the process busy for `limit` ms at a time.
 *
 * @throws what keeps the plugin from being checked: GC_BAD_PLUGIN …
 */
export async function watchedCheck(request: CheckRequest, limit: number): Promise<CheckOutcome> {
  const child = start(request);
  const state: State = { silent: 0 };
  listen(child, state);
  const hung = watch(state, limit);
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => resolve(code ?? signal ?? 0));
  });
  try {
    const exit = await Promise.race([ended, hung.promise]);
    const { result } = state;
    if (result !== undefined && 'report' in result) return result;
    if (result !== undefined) throw fromPlain(result.failed);
    return { brokenOff: { code: state.code ?? 'file', ...state.named, ...(exit === undefined ? {} : { exit }) } };
  } finally {
    hung.stop();
    child.kill('SIGKILL');
    await ended;
  }
}

function start(request: CheckRequest): ChildProcess {
  const program = join(import.meta.dirname, `plugin-check-child${extname(import.meta.filename)}`);
  // What the plugin prints is no part of the result. The fourth is for messages.
  const stdio = ['inherit', process.stderr, process.stderr, 'pipe'] as const;
  return spawn(process.execPath, [...process.execArgv, program, JSON.stringify(request)], { stdio: [...stdio] });
}

function listen(child: ChildProcess, state: State): void {
  let text = '';
  const pipe = child.stdio[3] as NodeJS.ReadableStream;
  pipe.setEncoding('utf8').on('data', (more: string) => {
    const { messages, rest } = messagesIn(text + more);
    text = rest;
    state.silent = 0;
    for (const message of messages) {
      if ('runs' in message) state.code = message.runs;
      else if ('plugin' in message) state.named = message;
      else if (!('alive' in message)) state.result = message;
    }
  });
}

/** Resolves when nothing has been heard for too long; or shortly after the result, which has all that is wanted. */
function watch(state: State, limit: number): { readonly promise: Promise<undefined>; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<undefined>((resolve) => {
    let last = performance.now();
    timer = setInterval(() => {
      const now = performance.now();
      state.silent += Math.min(now - last, 2 * LOOK_MS);
      last = now;
      if (state.code === undefined) state.silent = 0;
      if (state.silent > (state.result === undefined ? limit : LEAVING_MS)) resolve(undefined);
    }, LOOK_MS);
  });
  return { promise, stop: () => clearInterval(timer) };
}
