/**
 * The limits every Lua state is held to, and how a configuration writes them.
 *
 * Invariant: whatever a state's options ask for, it gets at most these.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import { MAX_PAGES, PAGE_BYTES } from './module.ts';

/** Least memory of a state in bytes: the interpreter itself takes 1.5 MiB. */
export const MIN_MEMORY = 2 * 1024 * 1024;
const MAX_MEMORY = MAX_PAGES * PAGE_BYTES;
const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
const BYTE_UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

export interface LuaLimits {
  /** ms of one guard. */
  readonly timeMs: number;
  /** Bytes of one state. */
  readonly memoryBytes: number;
}

/** As in the options of GlyphCase: `{ time: '1s', memory: '64MB' }`; numbers are ms and bytes. */
export interface LimitsConfig {
  readonly time: number | string;
  readonly memory: number | string;
}

/** Throws `GC_BAD_OPTION` when a limit cannot be read or is out of range. */
export function parseLimits(config: LimitsConfig): LuaLimits {
  const timeMs = parse('lua.limits.time', config.time, TIME_UNITS, "'500ms' or '1s'");
  const memoryBytes = Math.floor(parse('lua.limits.memory', config.memory, BYTE_UNITS, "'64MB'"));
  if (memoryBytes < MIN_MEMORY || memoryBytes > MAX_MEMORY) {
    throw new GlyphError('GC_BAD_OPTION', `lua.limits.memory must be between 2MB and 2GB, not ${config.memory}`);
  }
  return { timeMs, memoryBytes };
}

function parse(name: string, value: number | string, units: Readonly<Record<string, number>>, example: string): number {
  const match = typeof value === 'number' ? undefined : /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(value.trim());
  const result = typeof value === 'number' ? value : Number(match?.[1]) * (units[match?.[2] ?? ''] ?? NaN);
  if (!(result > 0 && Number.isFinite(result))) {
    throw new GlyphError(
      'GC_BAD_OPTION',
      `${name} must be a number above 0 or a text such as ${example}, not '${value}'`,
    );
  }
  return result;
}
