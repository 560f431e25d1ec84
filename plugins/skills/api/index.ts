/** The Lua API of skills and of the host's own state, put together from its parts. A new part is one line here. */
import type { HostFunction } from '../../../sdk/lua-types.ts';
import { functionArgument } from './arguments.ts';
import type { ApiContext, ApiPart } from './context.ts';
import { eventsPart } from './events.ts';
import { hostFunctionsPart } from './host-functions.ts';
import { logPart } from './log.ts';
import { peersPart } from './peers.ts';
import { rowsPart } from './rows.ts';
import { sqlPart } from './sql.ts';
import { transactionPart } from './transaction.ts';

/** What bootstrap.ts gives the host to call. */
const bindPart: ApiPart = (api) => ({
  '__glyphcase.bind': (deliver, define) => {
    const { lua } = api.runtime;
    api.bind(functionArgument(deliver, lua, 'bind'), functionArgument(define, lua, 'bind'));
  },
});

const PARTS: readonly ApiPart[] = [
  sqlPart,
  rowsPart,
  transactionPart,
  eventsPart,
  logPart,
  hostFunctionsPart,
  peersPart,
  bindPart,
];

export function createApi(api: ApiContext): Readonly<Record<string, HostFunction>> {
  return Object.assign({}, ...PARTS.map((part) => part(api))) as Record<string, HostFunction>;
}
