/** `log.debug`, `info`, `warn` and `error`. `print` is `log.info`. */
import type { LuaValue } from '../../../sdk/lua-types.ts';
import type { LogLevel } from '../types.ts';
import type { ApiPart } from './context.ts';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export const logPart: ApiPart = (api) =>
  Object.fromEntries(
    LEVELS.map((level) => [
      `log.${level}`,
      (...args: (LuaValue | undefined)[]) => api.log(level, args.map(show).join('\t')),
    ]),
  );

/** As `tostring` shows it, but tables with what is in them. */
function show(value: LuaValue | undefined): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (typeof value !== 'object') return String(value);
  if ('kind' in value && value.kind === 'lua-function') return 'function';
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? String(member) : member));
}
