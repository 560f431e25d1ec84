/**
 * Tells what becomes of the plugins of a host that are not built in, as it settles.
 *
 * Invariant: what lasts shorter than a moment, such as the restart of a plugin after one that it requires, is not told.
 */
import type { StateChange } from '../../kernel/plugins/state.ts';
import type { UnitState } from '../../kernel/plugins/types.ts';
import type { KernelBus } from '../../kernel/bus.ts';
import type { FilePluginReport } from '../manager-types.ts';
import type { StallWatch } from './stall-watch.ts';

/** How long a state has to last before it is told, in ms. */
const MOMENT_MS = 250;
const SETTLED: readonly UnitState[] = ['active', 'waiting', 'failed', 'quarantined', 'incompatible'];
/** What a plugin is doing in a state, by the name of the phase. */
const PHASE: Partial<Record<UnitState, string>> = { activating: 'activate', deactivating: 'deactivate' };

export interface PluginObserverOptions {
  readonly list: () => readonly FilePluginReport[];
  readonly changed: (now: FilePluginReport | undefined, before: FilePluginReport | undefined) => void;
}

/** Begins to tell. Returns what ends it. */
export function observePlugins(bus: KernelBus, { list, changed }: PluginObserverOptions): () => void {
  let timer: NodeJS.Timeout | undefined;
  const known = new Map<string, FilePluginReport>();
  const look = (tell = changed): void => {
    timer = undefined;
    const reports = list();
    for (const report of reports.filter(({ state }) => SETTLED.includes(state))) {
      const before = known.get(report.id);
      known.set(report.id, report);
      if (before?.state !== report.state) tell(report, before);
    }
    for (const [id, report] of known) {
      if (reports.some((one) => one.id === id)) continue;
      known.delete(id);
      tell(undefined, report);
    }
  };
  look(() => undefined);
  const off = bus.on('plugin:state', () => {
    timer ??= setTimeout(() => look(), MOMENT_MS).unref();
  });
  return () => {
    off();
    clearTimeout(timer);
  };
}

/** Tells the watch which phase of a plugin is about to run, before it does. */
export function announcePhases(bus: KernelBus, watch: StallWatch): () => void {
  return bus.on('plugin:state', ({ id, to }: StateChange) => {
    const name = PHASE[to];
    watch.tell({ phase: name === undefined ? null : { plugin: id, name } });
  });
}
