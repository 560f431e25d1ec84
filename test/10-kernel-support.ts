/** What the kernel's tests share: a clock that stands still, a logger that remembers, a host on top of both. */
import type { Clock, Timer } from '../kernel/clock.ts';
import { createBus } from '../kernel/bus.ts';
import type { KernelBus } from '../kernel/bus.ts';
import type { Database } from '../kernel/database/types.ts';
import { createHooks } from '../kernel/hooks.ts';
import type { KernelHooks } from '../kernel/hooks.ts';
import type { Logger } from '../kernel/logger.ts';
import { createPluginHost } from '../kernel/plugins/host.ts';
import type { HostLimits, PluginHost } from '../kernel/plugins/host.ts';
import type { StateChange } from '../kernel/plugins/state.ts';
import type { PluginDefinition } from '../kernel/plugins/types.ts';

export interface FakeClock extends Clock {
  /** Moves time on, firing what falls due in order, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Timers that have neither fired nor been cancelled. */
  readonly pending: number;
}

/** Lets everything that can settle without time passing do so. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve));
}

export function fakeClock(start = 1_000_000): FakeClock {
  let now = start;
  const timers = new Set<{ at: number; every?: number; fn: () => void }>();
  const add = (fn: () => void, ms: number, every?: number): Timer => {
    const timer = { at: now + ms, fn, ...(every === undefined ? {} : { every }) };
    timers.add(timer);
    return { cancel: () => void timers.delete(timer) };
  };
  return {
    now: () => now,
    timeout: (fn, ms) => add(fn, ms),
    interval: (fn, ms) => add(fn, ms, ms),
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        now = due.at;
        if (due.every === undefined) timers.delete(due);
        else due.at += due.every;
        due.fn();
        await settle();
      }
      now = end;
    },
    get pending() {
      return timers.size;
    },
  };
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function memoryLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine['level']) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void lines.push({ level, message, fields });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export interface TestHost {
  readonly host: PluginHost;
  readonly bus: KernelBus;
  readonly hooks: KernelHooks;
  readonly clock: FakeClock;
  readonly logger: ReturnType<typeof memoryLogger>;
  readonly db: Database;
  /** `name: from → to`, in order. */
  readonly states: string[];
  /** Errors of bus listeners and notification taps. */
  readonly faults: unknown[];
  readonly state: (name: string) => string | undefined;
}

export function testHost(options: { version?: string; limits?: Partial<HostLimits>; bus?: KernelBus } = {}): TestHost {
  const clock = fakeClock();
  const logger = memoryLogger();
  const faults: unknown[] = [];
  const fault = (owner: string, what: string, error: unknown): void => {
    faults.push(error);
    host.faulted(owner, what, error);
  };
  const bus =
    options.bus ??
    createBus({ onError: (error, { owner, channel }) => fault(owner, `a listener on ${channel}`, error) });
  const hooks = createHooks({ onError: (error, { tap, hook }) => fault(tap, `a tap of ${hook}`, error) });
  const db = { filename: 'stub' } as Database;
  const states: string[] = [];
  bus.on('plugin:state', ({ id, from, to }: StateChange) => void states.push(`${id}: ${from} → ${to}`));
  const { version = '1.2.3', limits = {} } = options;
  const host: PluginHost = createPluginHost({ bus, hooks, db, clock, logger, version, limits });
  return { host, bus, hooks, clock, logger, db, states, faults, state: (name) => host.get(name)?.state };
}

/** A definition with a name, a version and an activate that does nothing, unless said otherwise. */
export function plugin(name: string, more: Partial<PluginDefinition> = {}): PluginDefinition {
  return { name, version: '1.0.0', activate() {}, ...more };
}

/** A plugin that provides one service named like itself. */
export function provider(name: string, service: unknown = {}, more: Partial<PluginDefinition> = {}): PluginDefinition {
  return plugin(name, { provides: { [name]: '1.0.0' }, activate: (ctx) => ctx.provide(name, service), ...more });
}

/** What a call throws or a promise rejects with. */
export async function thrownBy(run: () => unknown): Promise<Error & { code?: string; hint?: string }> {
  try {
    await run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

/** A plugin that writes down when it starts and stops. */
export function noted(
  notes: string[],
  name: string,
  requires: Record<string, string> = {},
  version = '1.0.0',
): PluginDefinition {
  return provider(
    name,
    { version },
    {
      version,
      requires,
      provides: { [name]: version },
      activate(ctx) {
        for (const service of Object.keys(requires))
          notes.push(`${name} uses ${ctx.use<{ version: string }>(service).version}`);
        notes.push(`+${name} ${version}`);
        ctx.provide(name, { version });
        ctx.defer(() => void notes.push(`-${name} ${version}`));
      },
    },
  );
}

/** A promise that never settles. */
export const hang = (): Promise<void> => new Promise(() => {});
