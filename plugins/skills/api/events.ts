/** `glyphcase.dispatch`, `on`, `watch`, `unwatch` and `unwatch_all`: what a skill tells others, and what it listens to while it runs. */
import type { LuaFunction, LuaValue } from '../../../sdk/lua-types.ts';
import { GlyphError } from '../../../sdk/plugin.ts';
import type { Transaction } from '../../../sdk/plugin.ts';
import { ActionBudget } from '../action-queue.ts';
import { shorten } from '../refusals.ts';
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
    const queue = api.runtime.actionQueue;
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
  const rest = args.slice(1, -1);
  if (QUERY.test(table)) return watchQuery(api, table, rest, fn);
  const filter = rest.length === 0 || rest[0] === null ? undefined : textArgument(rest[0], call, 'the filter');
  const why = slowFilter(filter);
  if (why !== undefined) throw new GlyphError('GC_BAD_FILTER', `${call}: the filter is refused: ${why}`);
  const params = paramsArgument(rest.slice(1), filter ?? '');
  api.guard.read(table);
  return api.subscriptions.add({ table, filter, params, fn, notes: notesFor(api) });
}

const QUERY = /^\s*(select|with|values)\b/i;

function watchQuery(api: ApiContext, sql: string, rest: readonly Argument[], fn: LuaFunction): string {
  assertFree(api, sql);
  return api.subscriptions.addQuery({
    sql,
    params: paramsArgument(rest, sql),
    json: api.json === 'table' ? 'parsed' : 'text',
    check: () => assertFree(api, sql),
    fn,
    notes: notesFor(api),
  });
}

/** It will run as it is, again and again, outside of the time that a script has. @throws GC_PERMISSION */
function assertFree({ guard, id }: ApiContext, sql: string): void {
  if (guard.statement(sql).asIs) return;
  throw new GlyphError(
    'GC_PERMISSION',
    `glyphcase.watch: this query cannot be watched, because its rows or its time have to be limited while it runs: ${shorten(sql)}`,
    { skill: id, hint: 'Watch the tables it reads, and run it with glyphcase.query() when they change.' },
  );
}
