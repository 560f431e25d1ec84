/**
 * `on_data_changed` as a reaction of the capsule: all it does for a batch, and the cursor, commit together.
 */
import type { Reaction } from '../../sdk/capsule-types.ts';
import type { Running } from './running.ts';

export function createReaction(
  running: Running,
  told: { failed(error: unknown): number | 'stop'; succeeded(): void },
): Reaction {
  let handled = 0;
  return {
    name: `skill:${running.id}`,
    watches: running.manifest.watches.map((watch) => (typeof watch === 'string' ? { table: watch } : watch)),
    listenerType: 'lua',
    json: running.manifest.json === 'table' ? 'parsed' : 'text',
    handle(events) {
      running.instance().deliver(events);
      handled += events.length;
    },
    committed() {
      running.reactions += handled;
      handled = 0;
      told.succeeded();
    },
    failed(error) {
      handled = 0;
      return told.failed(error);
    },
    mayRun: () => running.mayReact,
    reset({ message }) {
      running.runtime.logs.add(running.id, 'warn', `on_data_changed may have missed changes: ${message}`);
    },
  };
}
