/**
 * What tests of a running host share: a kernel with capsule and batching on a real file, other programs on the same file.
 *
 * Whatever is opened here is closed, killed and removed after the test that opened it.
 * Clocks stand still unless a test moves them: `host.flush()` looks for other programs' commits by itself.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessWithoutNullStreams, SpawnOptionsWithoutStdio } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createKernel } from '../kernel/kernel.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { KernelDatabase } from '../kernel/database/database.ts';
import type { Clock } from '../kernel/clock.ts';
import type { PluginDefinition } from '../kernel/plugins/types.ts';
import batchingPlugin from '../plugins/batching/index.ts';
import type { BatchingService } from '../plugins/batching/index.ts';
import capsulePlugin from '../plugins/capsule/index.ts';
import type { Batch, CapsuleService, ChangeEvent, SubscribeOptions, Watcher } from '../plugins/capsule/types.ts';
import { fakeClock, memoryLogger } from './10-kernel-support.ts';
import type { FakeClock } from './10-kernel-support.ts';

export { systemClock } from '../kernel/clock.ts';
export { fakeClock, memoryLogger, settle, thrownBy } from './10-kernel-support.ts';

/** Runs `fn` after the current test, last registered first. No hook of this file's own: files may share a process, and with it this module. */
export function afterTest(fn: () => unknown): void {
  onTestFinished(async () => {
    await fn();
  });
}

/** A folder of the test's own. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'glyphcase-test-'));
  afterTest(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Path of a database file that does not exist yet. */
export const tempFile = (name = 'app.db'): string => join(tempDir(), name);

export interface HostOptions {
  /** @defaultValue a new file */
  readonly file?: string;
  /** SQL to run before anything else. */
  readonly schema?: string;
  readonly capsule?: Readonly<Record<string, unknown>>;
  /** @defaultValue `{ batchInterval: 0 }` */
  readonly batching?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
  readonly busyTimeout?: number;
  readonly plugins?: readonly PluginDefinition[];
}

export interface Host {
  readonly kernel: Kernel;
  readonly db: KernelDatabase;
  readonly capsule: CapsuleService;
  readonly batching: BatchingService;
  readonly clock: FakeClock;
  readonly logger: ReturnType<typeof memoryLogger>;
  readonly file: string;
  /** Runs a script in a transaction of the host. */
  run(sql: string): void;
  /** Resolves when everything committed so far, by anybody, has been handled. */
  flush(): Promise<void>;
  /** Subscribes and collects what arrives. */
  collect(watcher: Watcher | string, options?: SubscribeOptions): Collected;
  close(): Promise<readonly Error[]>;
}

/** What a subscriber got. */
export interface Collected {
  readonly events: ChangeEvent[];
  readonly batches: { readonly events: readonly ChangeEvent[]; readonly batch: Batch }[];
  /** `INSERT 1`, `UPDATE 1 stay`, … in order of arrival. */
  readonly short: readonly string[];
  clear(): void;
}

/** Opens a host with capsule and batching. */
export function openHost(options: HostOptions = {}): Host {
  const file = options.file ?? tempFile();
  const logger = memoryLogger();
  const clock = (options.clock ?? fakeClock(Date.now())) as FakeClock;
  const { busyTimeout } = options;
  const kernel = createKernel({
    filename: file,
    version: '1.0.0',
    logger,
    clock,
    ...(busyTimeout === undefined ? {} : { busyTimeout }),
  });
  afterTest(() => kernel.close());
  if (options.schema !== undefined) kernel.db.sqlite.exec(options.schema);
  const definitions = [
    { definition: capsulePlugin as PluginDefinition, config: { ...batchSizeOf(options), ...options.capsule } },
    { definition: batchingPlugin as PluginDefinition, config: { batchInterval: 0, ...options.batching } },
    ...(options.plugins ?? []).map((definition) => ({ definition, config: {} })),
  ];
  for (const report of kernel.plugins.loadAll(definitions)) if (report.error !== undefined) throw report.error;
  const capsule = kernel.plugins.use<CapsuleService>('capsule');
  const batching = kernel.plugins.use<BatchingService>('batching');
  return {
    kernel,
    db: kernel.db,
    capsule,
    batching,
    clock,
    logger,
    file,
    run: (sql) => kernel.db.write(() => kernel.db.exec(sql)),
    flush: () => batching.flush(),
    collect(watcher, subscribeOptions) {
      const collected = collector();
      capsule.subscribe(watcher, collected.handler, subscribeOptions);
      return collected;
    },
    close: () => kernel.close(),
  };
}

/** Both plugins are told of it, as the host does. */
const batchSizeOf = ({ batching }: HostOptions): Readonly<Record<string, unknown>> =>
  batching?.['batchSize'] === undefined ? {} : { batchSize: batching['batchSize'] };

/** A handler that remembers what it was given. */
export function collector(): Collected & { readonly handler: (events: ChangeEvent[], batch: Batch) => void } {
  const events: ChangeEvent[] = [];
  const batches: { events: readonly ChangeEvent[]; batch: Batch }[] = [];
  return {
    events,
    batches,
    get short() {
      return events.map(shortly);
    },
    clear() {
      events.length = 0;
      batches.length = 0;
    },
    handler(some, batch) {
      for (const event of some) events.push(event);
      batches.push({ events: some, batch });
    },
  };
}

export const shortly = ({ operation, rowId, change }: ChangeEvent): string =>
  `${operation} ${Array.isArray(rowId) ? rowId.map(String).join('/') : String(rowId)}${change === undefined ? '' : ` ${change}`}`;

/** Runs statements in the system's sqlite3 shell (an older SQLite than ours); returns what it printed. Throws what it complains of. */
export function sqlite3(file: string, ...statements: readonly string[]): string {
  return execFileSync('sqlite3', ['-bail', file], {
    input: `.timeout 5000\n${statements.join(';\n')};\n`,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

/** Runs a Python script; `sys.argv[1:]` are the arguments. Returns what it printed. */
export function python(script: string, ...args: readonly string[]): string {
  return execFileSync('python3', ['-c', script, ...args], { encoding: 'utf8', stdio: 'pipe' });
}

/** Another program as it runs. */
export interface Program {
  readonly child: ChildProcessWithoutNullStreams;
  /** What it has printed so far. */
  readonly output: { readonly stdout: string; readonly stderr: string };
  /** Its exit code; null when it was killed. */
  readonly ended: Promise<number | null>;
}

/** Starts another program. It is killed when the test ends. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: SpawnOptionsWithoutStdio = {},
): Program {
  const child = spawn(command, args, options);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  afterTest(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return { child, output, ended };
}

/** The same, as the process itself. `output` is all it has printed. */
export function start(
  command: string,
  args: readonly string[],
): ChildProcess & { readonly output: string; readonly ended: Promise<number | null> } {
  const { child, output, ended } = startProgram(command, args);
  return Object.defineProperties(child, {
    output: { get: () => output.stdout + output.stderr },
    ended: { value: ended },
  }) as unknown as ReturnType<typeof start>;
}

/** Starts a TypeScript program on the Node that runs the tests. */
export const startNode = (file: string, ...args: readonly string[]): ReturnType<typeof start> =>
  start(process.execPath, [file, ...args]);

/** A clock in ms that stands still while this process has to wait for its turn, and while it sleeps. */
export function workClock(): () => number {
  let wall = performance.now();
  let cpu = process.cpuUsage();
  let total = 0;
  return () => {
    const spent = process.cpuUsage(cpu);
    // More than one thread may be at work: no more than time has passed.
    total += Math.min(performance.now() - wall, (spent.user + spent.system) / 1000);
    [wall, cpu] = [performance.now(), process.cpuUsage()];
    return total;
  };
}

/** How long this process works on `fn`, in ms: what else the machine does is not its fault. Sleep is caught by the test's own limit. */
export async function timeOf(fn: () => unknown): Promise<number> {
  const clock = workClock();
  await fn();
  return clock();
}

/** Resolves when the condition holds; for what other processes do. Throws after `ms`. */
export async function until(condition: () => boolean, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`still not so after ${ms} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
