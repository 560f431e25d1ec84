/** `glyphcase.dispatch`, `on`, `watch`, `unwatch` and `unwatch_all`: what a skill tells others, and what it listens to while it runs. */
import type { LuaValue } from '../../../sdk/lua-types.ts';
import { GlyphError } from '../../../sdk/plugin.ts';
import type { Transaction } from '../../../sdk/plugin.ts';
import { ActionBudget, actionQueueOf } from '../action-queue.ts';
import { slowFilter } from '../slow-filters.ts';
import { functionArgument, paramsArgument, textArgument } from './arguments.ts';
import { notesFor, transactionOf } from './context.ts';
import type { ApiContext, ApiPart } from './context.ts';

type Argument = LuaValue | undefined;

export const eventsPart: ApiPart = (api) => ({
  /** Sent when the transaction has committed, so that nobody hears of what did not happen. */
  'glyphcase.dispatch': (name, payload) => {
    const action = textArgument(name, 'glyphcase.dispatch', 'the action');
    api.guard.dispatch(action);
    budgetOf(transactionOf(api)).spend(api.id, payload);
    const { current } = api.runtime.capsule.causes;
    const queue = actionQueueOf(api.runtime);
    notesFor(api).add({ committed: () => queue.add(action, payload ?? undefined, current) });
  },
  'glyphcase.on': (pattern, fn) => {
    const call = 'glyphcase.on';
    const action = textArgument(pattern, call, 'the action');
    api.guard.listen(action);
    return api.listeners.add(action, functionArgument(fn, api.runtime.lua, call), notesFor(api));
  },
  'glyphcase.watch': (...args) => watch(api, args),
  'glyphcase.unwatch': (given) => {
    const id = textArgument(given, 'glyphcase.unwatch', 'the id');
    return api.subscriptions.remove(id) || api.listeners.remove(id);
  },
  'glyphcase.unwatch_all': () => {
    api.subscriptions.removeAll();
    api.listeners.removeAll();
  },
});

function budgetOf({ notes }: Transaction): ActionBudget {
  const known = notes.get(BUDGET) as ActionBudget | undefined;
  if (known !== undefined) return known;
  const budget = new ActionBudget();
  notes.set(BUDGET, budget);
  return budget;
}

const BUDGET = 'skills:actions';

function watch(api: ApiContext, args: readonly Argument[]): string {
  const call = 'glyphcase.watch';
  const fn = functionArgument(args.at(-1), api.runtime.lua, call);
  const table = textArgument(args[0], call, 'the table');
  if (/^\s*(select|with|values)\b/i.test(table)) {
    throw new GlyphError('GC_NOT_SUPPORTED', `${call}: queries cannot be watched from Lua; watch their tables`);
  }
  const rest = args.slice(1, -1);
  const filter = rest.length === 0 || rest[0] === null ? undefined : textArgument(rest[0], call, 'the filter');
  const why = slowFilter(filter);
  if (why !== undefined) throw new GlyphError('GC_BAD_FILTER', `${call}: the filter is refused: ${why}`);
  const params = paramsArgument(rest.slice(1), filter ?? '');
  api.guard.read(table);
  return api.subscriptions.add({ table, filter, params, fn, notes: notesFor(api) });
}
