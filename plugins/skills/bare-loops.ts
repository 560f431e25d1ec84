/**
 * How deep a statement's loops are nested without a meter in them, read from SQLite's program for it.
 *
 * A loop is a jump back; a loop whose body calls the meter nowhere is bare, and so are all loops within it.
 */

/** A row of EXPLAIN. */
export interface Instruction {
  readonly addr: number;
  readonly opcode: string;
  readonly p2: number;
  readonly p4: string | null;
}

export interface BareDepth {
  /** Bare loops within each other. */
  readonly all: number;
  /** Those of them that are not over virtual tables or table-valued functions. */
  readonly ordinary: number;
}

interface Loop {
  readonly start: number;
  readonly end: number;
  readonly isVirtual: boolean;
}

/** @param rows of EXPLAIN; @param meter the function's name. */
export function bareDepth(rows: readonly Instruction[], meter: string): BareDepth {
  // What follows are the programs of triggers, which are the schema owner's.
  const second = rows.findIndex(({ addr }, index) => addr === 0 && index > 0);
  const program = second < 0 ? rows : rows.slice(0, second);
  const metered = program.filter(({ p4 }) => p4?.startsWith(`${meter}(`) === true).map(({ addr }) => addr);
  const bare = program
    .filter(jumpsBack)
    .map(({ addr, opcode, p2 }): Loop => ({ start: p2, end: addr, isVirtual: opcode === 'VNext' }))
    .filter(({ start, end }) => !metered.some((at) => at >= start && at <= end));
  const deepest = (loops: readonly Loop[], weight: (loop: Loop) => number): number => {
    const within = (outer: Loop): Loop[] => loops.filter(({ start, end }) => start >= outer.start && end < outer.end);
    return Math.max(0, ...loops.map((loop) => weight(loop) + deepest(within(loop), weight)));
  };
  return { all: deepest(bare, () => 1), ordinary: deepest(bare, ({ isVirtual }) => (isVirtual ? 0 : 1)) };
}

/** At its end a program goes back to its beginning once, to address 1. */
const jumpsBack = ({ addr, opcode, p2 }: Instruction): boolean =>
  p2 <= addr && (['Next', 'Prev', 'VNext', 'SorterNext'].includes(opcode) || (opcode === 'Goto' && p2 > 1));
