/**
 * The kernel: database, hooks, bus and plugin host, put together.
 *
 * Invariant: it knows nothing of watchers, batches, Lua, skills, schedules or sync; those are plugins.
 */
import { createBus } from './bus.ts';
import type { KernelBus } from './bus.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { openDatabase } from './database/database.ts';
import type { KernelDatabase } from './database/database.ts';
import { messageOf } from './errors.ts';
import { createHooks } from './hooks.ts';
import type { KernelHooks } from './hooks.ts';
import { silentLogger } from './logger.ts';
import type { Logger } from './logger.ts';
import { createPluginHost } from './plugins/host.ts';
import type { HostLimits, PluginHost } from './plugins/host.ts';

export interface KernelOptions {
  readonly filename: string;
  readonly version: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** How long to wait for another process's write lock, in ms. @defaultValue 5000 */
  readonly busyTimeout?: number;
  /** How long plugins may take, and how often they may fail. */
  readonly limits?: Partial<HostLimits>;
}

export interface Kernel {
  readonly db: KernelDatabase;
  readonly bus: KernelBus;
  readonly hooks: KernelHooks;
  readonly plugins: PluginHost;
  readonly clock: Clock;
  readonly logger: Logger;
  close(): Promise<readonly Error[]>;
}

/** @throws GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_READ_ONLY, GC_LOCKED */
export function createKernel(options: KernelOptions): Kernel {
  const logger = options.logger ?? silentLogger;
  const clock = options.clock ?? systemClock;
  const hooks = createHooks({
    onError: (error, { hook, tap }) => {
      logger.error(`The tap of ${tap} on hook ${hook} failed: ${messageOf(error)}`, { error, owner: tap });
      plugins.faulted(tap, `a tap of ${hook}`, error);
    },
  });
  const bus = createBus({
    onError: (error, { channel, owner }) => {
      const whose = owner === '' ? '' : ` of ${owner}`;
      logger.error(`A listener${whose} on ${channel} failed: ${messageOf(error)}`, { error, owner });
      plugins.faulted(owner, `a listener on ${channel}`, error);
    },
  });
  const db = openDatabase(options.filename, {
    hooks,
    clock,
    logger,
    ...(options.busyTimeout === undefined ? {} : { busyTimeout: options.busyTimeout }),
  });
  const plugins: PluginHost = createPluginHost({
    bus,
    hooks,
    db,
    clock,
    logger,
    version: options.version,
    limits: options.limits ?? {},
  });
  let closing: Promise<readonly Error[]> | undefined;
  return {
    db,
    bus,
    hooks,
    plugins,
    clock,
    logger,
    close() {
      closing ??= (async () => {
        hooks.shutdown.call();
        const failures = await plugins.close();
        db.close();
        return failures;
      })();
      return closing;
    },
  };
}
