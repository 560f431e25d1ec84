/**
 * Watches a file without running anything on it: a host with change capture and live queries, and nothing else.
 *
 * Invariant: it takes no lease and loads no Lua, so that whoever only looks on never keeps another host from running skills.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { createKernel } from '../../kernel/kernel.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { PluginDefinition } from '../../kernel/plugins/types.ts';
import batching from '../../plugins/batching/index.ts';
import capsule from '../../plugins/capsule/index.ts';
import type { CapsuleService } from '../../plugins/capsule/types.ts';
import live from '../../plugins/live/index.ts';
import type { LiveService } from '../../plugins/live/types.ts';
import { VERSION } from '../version.ts';

export interface Observer {
  readonly capsule: CapsuleService;
  readonly live: LiveService;
  close(): Promise<void>;
}

/** Delivery follows a commit so soon, in ms: a person looks on, and one program's burst should still come as one batch. */
const BATCH_MS = 20;

/** @throws GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_READ_ONLY, GC_LOCKED, GC_NEWER_SCHEMA */
export function observe(filename: string, logger: Logger): Observer {
  const kernel = createKernel({ filename, version: VERSION, logger });
  const reports = kernel.plugins.loadAll([
    { definition: capsule as unknown as PluginDefinition, config: {} },
    { definition: batching as unknown as PluginDefinition, config: { batchInterval: BATCH_MS, batchSize: 1000 } },
    { definition: live, config: {} },
  ]);
  const failed = reports.find((report) => report.error !== undefined)?.error;
  if (failed !== undefined) {
    void kernel.close();
    throw failed instanceof GlyphError && failed.cause instanceof GlyphError ? failed.cause : failed;
  }
  return {
    capsule: kernel.plugins.use<CapsuleService>('capsule'),
    live: kernel.plugins.use<LiveService>('live'),
    close: async () => {
      await kernel.close();
    },
  };
}
