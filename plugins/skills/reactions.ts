/**
 * `on_data_changed` as a reaction of the capsule: all it does for a batch, and the cursor, commit together.
 */
import type { ChangeEvent, Reaction } from '../../sdk/capsule-types.ts';
import type { Running } from './running.ts';

/** Emitted as `skill:reacted`, once what the skill did has committed. */
export interface SkillReacted {
  readonly id: string;
  readonly events: readonly ChangeEvent[];
  /** Time its `on_data_changed` took, in ms. */
  readonly ms: number;
}

export function createReaction(
  running: Running,
  told: { failed(error: unknown): number | 'stop'; succeeded(): void },
): Reaction {
  let parts: (readonly ChangeEvent[])[] = [];
  let ms = 0;
  const reset = (): void => {
    parts = [];
    ms = 0;
  };
  return {
    name: `skill:${running.id}`,
    watches: running.manifest.watches.map((watch) => (typeof watch === 'string' ? { table: watch } : watch)),
    listenerType: 'lua',
    json: running.manifest.json === 'table' ? 'parsed' : 'text',
    handle(part) {
      const started = performance.now();
      running.instance().deliver(part);
      ms += performance.now() - started;
      parts.push(part);
    },
    committed() {
      const [first = []] = parts;
      const reacted: SkillReacted = { id: running.id, events: parts.length > 1 ? parts.flat() : first, ms };
      reset();
      running.reactions += reacted.events.length;
      told.succeeded();
      running.runtime.ctx.emit('skill:reacted', reacted);
    },
    failed(error) {
      reset();
      return told.failed(error);
    },
    mayRun: () => running.mayReact,
    reset({ message }) {
      running.runtime.logs.add(running.id, 'warn', `on_data_changed may have missed changes: ${message}`);
    },
  };
}
