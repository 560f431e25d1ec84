/**
 * Gives an answer to the Lua code that asked.
 *
 * Invariant: the row goes in the transaction in which Lua handles the answer. A crash before it commits leaves both as they were,
 * so the answer is handled once, whatever the number of attempts.
 */
import type { LuaFunction, LuaService } from '../../sdk/lua-types.ts';
import type { CallLua, SkillHandle } from '../../sdk/skills-types.ts';
import { decode } from './json.ts';
import type { AnsweredRow, OutboxStore } from './store.ts';

/** The global that gets the answers nobody else is there for. */
const FALLBACK = 'on_http_response';
/** Larger ones a skill decodes itself, if it wants to. */
const MAX_JSON = 262_144;

export interface DeliveryOptions {
  readonly skill: SkillHandle;
  readonly store: OutboxStore;
  readonly lua: LuaService;
  /** Functions that this state has passed, by the id of the request. */
  readonly callbacks: Map<string, LuaFunction>;
}

/** Resolves to false when the skill may not run now. @throws what Lua throws; the row is still there then */
export async function deliver(id: string, options: DeliveryOptions): Promise<boolean> {
  const { skill, store, callbacks } = options;
  const ran = await skill.run('http.request', (call) => {
    const row = store.take(id);
    if (row !== undefined) handle(row, call, options);
    return true;
  });
  if (ran === true) callbacks.delete(id);
  return ran === true;
}

function handle(row: AnsweredRow, call: CallLua, { skill, lua, callbacks }: DeliveryOptions): void {
  const { callback, request, id } = row;
  const target =
    callbacks.get(id) ?? (callback.kind === 'global' && skill.defines(callback.name) ? callback.name : undefined);
  if (target === undefined && !skill.defines(FALLBACK)) {
    if (callback.kind === 'none') return;
    const what = callback.kind === 'global' ? `function ${callback.name}` : 'callback, a function of an earlier run,';
    skill.log('warn', `The answer of ${request.url} is dropped: the ${what} is gone, and there is no ${FALLBACK}`);
    return;
  }
  call(target ?? FALLBACK, responseOf(row, lua), {
    id,
    method: request.method,
    url: request.url,
    context: row.context,
  });
}

/** The answer as Lua gets it. */
function responseOf({ id, answer, context }: AnsweredRow, lua: LuaService): Readonly<Record<string, unknown>> {
  const { status, headers, body, url, error } = answer;
  const type = headers?.['content-type'];
  const isJson = typeof type === 'string' && /^[^;]*[/+]json\s*(;|$)/i.test(type);
  return {
    id,
    ok: status !== undefined && status >= 200 && status < 300,
    status,
    url,
    headers,
    body,
    json: isJson && body !== undefined && body.length <= MAX_JSON ? decode(textOf(body), lua) : undefined,
    error,
    context,
  };
}

const textOf = (body: Uint8Array): string => new TextDecoder().decode(body);
