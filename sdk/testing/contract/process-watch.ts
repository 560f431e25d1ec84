/**
 * Watches what a plugin does to the process while the contract runs: timers and handles, listeners of `process`, output,
 * global names.
 *
 * Invariants: what other code of the process does meanwhile is not counted, because only what descends from `run` is; when
 * the last watch has ended, nothing of the process is patched any more.
 */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { callSite, isOfFetch, isTimerOfNode, placesHere } from './call-site.ts';
import { counted } from './findings.ts';
import type { PluginCheckName } from './types.ts';

/** What keeps running by itself until somebody ends it, by Node's name for it. */
const KINDS: Readonly<Record<string, string>> = {
  Timeout: 'a timer',
  TCPSERVERWRAP: 'a server that listens',
  PIPESERVERWRAP: 'a server that listens',
  TCPWRAP: 'a connection',
  PIPEWRAP: 'a pipe',
  UDPWRAP: 'a UDP socket',
  FSEVENTWRAP: 'a watched file',
  STATWATCHER: 'a watched file',
  PROCESSWRAP: 'a child process',
  WORKER: 'a worker thread',
};

/** Checks in which deactivate is not called, as it is not when activate throws. */
const CUT_OFF: readonly string[] = ['failed-activation', 'hung-activation'] satisfies PluginCheckName[];
const METHODS = ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table'] as const;
/** How long what was closed may take to be gone, in ms. */
const GRACE_MS = 1_000;

const watches = new AsyncLocalStorage<ProcessWatch | undefined>();

interface Handle {
  readonly what: string;
  /** The check that was running when it was begun. */
  readonly during: string;
}

interface ProcessListener {
  readonly event: string;
  readonly listener: unknown;
  readonly place: string;
}

export class ProcessWatch {
  /** What was written to the console, in sentences. */
  readonly written: string[] = [];
  /** Which check runs. */
  during = '';
  readonly #handles = new Map<number, Handle>();
  readonly #listeners: ProcessListener[] = [];
  readonly #globals = new Set(Object.getOwnPropertyNames(globalThis));

  /** Runs `fn` under watch. */
  async run<T>(fn: () => Promise<T>): Promise<T> {
    patch();
    try {
      return await watches.run(this, fn);
    } finally {
      unpatch();
    }
  }

  /** Timers and handles that have not ended, in sentences. Waits a moment for those that are ending. */
  async handles(): Promise<readonly string[]> {
    const end = performance.now() + GRACE_MS;
    // Outside the watch, or the waiting itself would be seen.
    await watches.run(undefined, async () => {
      do {
        await new Promise((resolve) => setTimeout(resolve, 5));
      } while (this.#handles.size > 0 && performance.now() < end);
    });
    const handles = [...this.#handles.values()];
    return counted(handles.map(({ what }) => what)).map((text) => {
      const runs = handles.filter(({ what }) => text.startsWith(what)).map(({ during }) => during);
      const isOnlyCutOff = runs.every((check) => CUT_OFF.includes(check));
      return `${text} is still running${isOnlyCutOff ? ', but only when activate throws or hangs' : ''}`;
    });
  }

  /** Listeners on `process` and global names that are left, in sentences. */
  changes(): readonly string[] {
    const left = this.#listeners.filter(({ event, listener }) =>
      (process.listeners(event as NodeJS.Signals) as unknown[]).includes(listener),
    );
    const names = Object.getOwnPropertyNames(globalThis).filter((name) => !this.#globals.has(name));
    return [
      ...counted(left.map(({ event, place }) => `a listener on process '${event}' added${place}`)).map(
        (what) => `${what} is still there`,
      ),
      ...names.map((name) => `the global name '${name}' was defined and is still there`),
    ];
  }

  opened(id: number, type: string): void {
    const kind = KINDS[type];
    if (kind === undefined) return;
    const places = placesHere();
    if (type === 'Timeout' ? isTimerOfNode(places) : isOfFetch(places)) return;
    const { during } = this;
    this.#handles.set(id, { what: `${kind} begun${callSite(places)}`, during });
  }

  closed(id: number): void {
    this.#handles.delete(id);
  }

  listening(event: string, listener: unknown): void {
    if (event !== 'newListener') this.#listeners.push({ event, listener, place: callSite() });
  }

  wrote(call: string, text: unknown): void {
    // Node's own warnings follow from something else, which is told of where it happened.
    if (String(text).startsWith(`(node:${process.pid})`)) return;
    const shown = typeof text === 'string' ? text : typeof text;
    const short = shown.trim().slice(0, 60);
    this.written.push(`it wrote ${JSON.stringify(short)} with ${call}${callSite()}`);
  }
}

const open = new Map<number, ProcessWatch>();
const hook = createHook({
  init(id, type) {
    if (!Object.hasOwn(KINDS, type)) return;
    const watch = watches.getStore();
    if (watch === undefined) return;
    open.set(id, watch);
    watch.opened(id, type);
  },
  destroy(id) {
    open.get(id)?.closed(id);
    open.delete(id);
  },
});

const onNewListener = (event: string | symbol, listener: unknown): void =>
  watches.getStore()?.listening(String(event), listener);

let running = 0;
let restore: (() => void)[] = [];

function patch(): void {
  running += 1;
  if (running > 1) return;
  hook.enable();
  process.on('newListener', onNewListener);
  let inConsole = false;
  const wrap = <Name extends string>(
    object: Record<Name, (...args: never[]) => unknown>,
    name: Name,
    call: string,
  ): void => {
    const original = object[name];
    object[name] = function wrapped(this: unknown, ...args: never[]): unknown {
      if (inConsole) return original.apply(this, args);
      watches.getStore()?.wrote(call, args[0]);
      inConsole = true;
      try {
        return original.apply(this, args);
      } finally {
        inConsole = false;
      }
    };
    restore.push(() => void (object[name] = original));
  };
  for (const method of METHODS) wrap(console, method, `console.${method}`);
  for (const stream of ['stdout', 'stderr'] as const) wrap(process[stream], 'write', `process.${stream}.write`);
}

function unpatch(): void {
  running -= 1;
  if (running > 0) return;
  hook.disable();
  process.off('newListener', onNewListener);
  for (const undo of restore) undo();
  restore = [];
  open.clear();
}
