/**
 * The plugin `actions`: a bus on which host code and skills tell each other what happened, by name.
 *
 * Names look like `order:created`; a pattern may end in `*` (`order:*`, `*`).
 * Invariants: one failing listener never keeps an action from the others; who listens goes on listening through a reload.
 */
import { handedOn } from '../../sdk/lasting.ts';
import { definePlugin, GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Disposer, Logger } from '../../sdk/plugin.ts';

export type ActionHandler = (payload: unknown, action: string) => unknown;

/** The service `actions`. */
export interface ActionsService {
  /** Calls every listener whose pattern fits. Returns how many there were. @throws GC_BAD_ARGUMENT */
  dispatch(action: string, payload?: unknown): number;
  /** Listens to the actions a pattern such as `order:*` fits, until what it returns is called. @throws GC_BAD_ARGUMENT for a pattern with a `*` elsewhere than at its end. */
  on(pattern: string, handler: ActionHandler): Disposer;
  /** Asks the one handler that listens to exactly this action, or the first whose pattern fits. @throws GC_NO_SUCH_FUNCTION when nobody does. */
  request(action: string, payload?: unknown): Promise<unknown>;
}

interface Listener {
  readonly pattern: string;
  readonly handler: ActionHandler;
}

/** True when `pattern` covers `action`. */
export function matchesAction(pattern: string, action: string): boolean {
  return pattern.endsWith('*') ? action.startsWith(pattern.slice(0, -1)) : pattern === action;
}

export function createActions(log: Logger): ActionsService {
  let listeners: readonly Listener[] = [];
  return {
    dispatch(action, payload) {
      checkName(action, 'dispatch');
      const fitting = listeners.filter((listener) => matchesAction(listener.pattern, action));
      for (const { handler } of fitting) {
        const failed = (error: unknown): void =>
          log.error(`A listener to the action ${action} failed: ${messageOf(error)}`, { error });
        try {
          const result = handler(payload, action);
          if (result instanceof Promise) result.catch(failed);
        } catch (error) {
          failed(error);
        }
      }
      return fitting.length;
    },
    on(pattern, handler) {
      checkName(pattern, 'onAction');
      if (pattern.slice(0, -1).includes('*')) {
        throw new GlyphError('GC_BAD_ARGUMENT', `The action pattern "${pattern}" has a * that is not at its end`);
      }
      if (typeof handler !== 'function') throw new GlyphError('GC_BAD_ARGUMENT', 'onAction() takes a handler function');
      const listener: Listener = { pattern, handler };
      listeners = [...listeners, listener];
      return () => {
        listeners = listeners.filter((one) => one !== listener);
      };
    },
    async request(action, payload) {
      checkName(action, 'request');
      const listener =
        listeners.find((one) => one.pattern === action) ?? listeners.find((one) => matchesAction(one.pattern, action));
      if (listener === undefined) {
        throw new GlyphError('GC_NO_SUCH_FUNCTION', `Nobody answers the action "${action}"`, {
          hint: `Register a handler with onAction('${action}', …) first.`,
        });
      }
      return await listener.handler(payload, action);
    },
  };
}

function checkName(name: unknown, where: string): void {
  if (typeof name === 'string' && name !== '') return;
  throw new GlyphError('GC_BAD_ARGUMENT', `${where}() takes the name of an action, such as "order:created"`);
}

const handed = handedOn<unknown, ActionsService>({
  label: 'actions',
  begin: ({ log }) => createActions(log),
  end: () => undefined,
});

export default definePlugin({
  name: 'actions',
  version: '1.0.0',
  provides: { actions: '1.0.0' },
  reload: 'restart',
  activate: (ctx) => ctx.provide<ActionsService>('actions', handed.take(ctx)),
  snapshot: handed.snapshot,
});
