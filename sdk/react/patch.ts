/**
 * What leads from one result to the next, small enough to send.
 *
 * Invariant: `patched(before, patchOf(before, after))` has the rows of `after`, and those of `before` in it are the same objects.
 */
import type { Row } from '../../kernel/database/types.ts';
import { encode } from './codec.ts';

/** Rows of the result before, `[from, count]`, or rows that are new. */
export type Piece = { readonly copy: readonly [from: number, count: number] } | { readonly rows: readonly Row[] };

/** Compares identities: a source keeps the object of a row that did not change. */
export function patchOf(before: readonly Row[], after: readonly Row[]): readonly Piece[] {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const pieces = new Pieces();
  pieces.copy(0, start);
  const places = new Map(before.slice(start, before.length - end).map((row, index) => [row, start + index]));
  for (const row of after.slice(start, after.length - end)) {
    const from = places.get(row);
    if (from === undefined) pieces.add(row);
    else pieces.copy(from, 1);
  }
  pieces.copy(before.length - end, end);
  return pieces.list;
}

export const patched = (before: readonly Row[], pieces: readonly Piece[]): readonly Row[] =>
  Object.freeze(
    pieces.flatMap((piece) =>
      'rows' in piece ? piece.rows : before.slice(piece.copy[0], piece.copy[0] + piece.copy[1]),
    ),
  );

/** A result that came as a whole: rows that are as they were are the same objects, and so is the result. */
export function kept(before: readonly Row[], rows: readonly Row[]): readonly Row[] {
  if (before.length === 0) return Object.freeze(rows);
  const known = new Map<string, Row[]>();
  for (const row of before.toReversed()) {
    const code = codeOf(row);
    const same = known.get(code);
    if (same === undefined) known.set(code, [row]);
    else same.push(row);
  }
  const after = rows.map((row) => known.get(codeOf(row))?.pop() ?? row);
  const isSame = after.length === before.length && after.every((row, index) => row === before[index]);
  return isSame ? before : Object.freeze(after);
}

const codeOf = (row: Row): string => JSON.stringify(encode(row));

/** Joins what stands next to each other. */
class Pieces {
  readonly list: ({ copy: [number, number] } | { rows: Row[] })[] = [];

  copy(from: number, count: number): void {
    const last = this.list.at(-1);
    if (count === 0) return;
    if (last !== undefined && 'copy' in last && last.copy[0] + last.copy[1] === from) last.copy[1] += count;
    else this.list.push({ copy: [from, count] });
  }

  add(row: Row): void {
    const last = this.list.at(-1);
    if (last !== undefined && 'rows' in last) last.rows.push(row);
    else this.list.push({ rows: [row] });
  }
}
