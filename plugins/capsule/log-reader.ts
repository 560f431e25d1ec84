/**
 * Reads a range of the log and gives back what really happened to each row.
 *
 * Invariants:
 * - A wide row's continuations are joined to its head.
 * - A candidate becomes a DELETE only when a later INSERT or UPDATE of its table carries the candidate's NEW image and is
 *   not the candidate's own row, and nothing touched that row in between, or when it is gone untold; otherwise it never happened.
 * - Within one transaction the images of one row form a chain; where a trigger's nested write stands before the write that
 *   caused it, the two are put in order.
 */
import { allExactRaw } from '../../sdk/plugin.ts';
import type { Database, SqlValue } from '../../sdk/plugin.ts';
import { becomes, rowidIndex, sameImage, sameKey } from './images.ts';
import type { LoggedChange } from './images.ts';
import { LOG_WIDTH, continuationsOf, widthOf } from './layout.ts';
import type { TableLayout } from './layout.ts';
import { orderByImages } from './order.ts';
import { OP } from './triggers.ts';
import { isGoneUntold } from './unconfirmed.ts';

type RawRow = SqlValue[];

export interface LogSource {
  readonly db: Database;
  layout(id: number): TableLayout | undefined;
  /** True when other programs' triggers exist. */
  foreignTriggers(): boolean;
  /** The transactions that `(from, to]` is made of; without it the range is taken for one. */
  spans?(from: number, to: number): readonly { readonly last: number }[];
  /** These candidates were real: the log may say so from now on. */
  confirm(logSeqs: readonly number[]): void;
}

export class LogReader {
  readonly #source: LogSource;
  readonly #statements = new Map<string, ReturnType<Database['prepare']>>();
  #widest = 1;

  constructor(source: LogSource) {
    this.#source = source;
  }

  /** The newest `seq` that is committed; 0 while the log is empty. */
  end(): number {
    this.#endStatement ??= this.#source.db.prepareRead('SELECT ifnull(max(seq), 0) FROM main._capsule_log').pluck();
    return this.#endStatement.get() as number;
  }
  #endStatement: ReturnType<Database['prepare']> | undefined;

  /** Log columns are read up to the widest layout known, not all 32. */
  widen(layout: TableLayout | undefined): void {
    if (layout === undefined) return;
    this.#widest = Math.max(this.#widest, Math.min(LOG_WIDTH, widthOf(layout)));
  }

  /** The changes in `(from, to]`, in order of commit. */
  read(from: number, to: number): LoggedChange[] {
    return this.#changes(this.#rows('seq > ? AND seq <= ? ORDER BY seq', [from, to]), from, to);
  }

  /** The changes after `from`, and where they end; undefined when they are more than so many rows of the log. */
  readOn(from: number, most: number): { readonly end: number; readonly changes: LoggedChange[] } | undefined {
    // SQLite prepares a statement anew whenever a LIMIT is bound to it, so it stands in the text.
    const rows = this.#rows(`seq > ? ORDER BY seq LIMIT ${most + 1}`, [from]);
    if (rows.length > most) return undefined;
    const end = (rows.at(-1)?.[0] as number | undefined) ?? from;
    return { end, changes: this.#changes(rows, from, end) };
  }

  #changes(rows: readonly RawRow[], from: number, to: number): LoggedChange[] {
    const changes: LoggedChange[] = [];
    let pending: RawRow[] = [];
    let candidates: Candidate[] = [];
    const confirmed: number[] = [];
    for (const row of rows) {
      const seq = row[0] as number;
      const op = row[2] as number;
      if (op > OP.continuation) {
        pending.push(row);
        continue;
      }
      const layout = this.#source.layout(row[1] as number);
      if (layout === undefined) {
        pending = [];
        continue;
      }
      const images = this.#images(layout, row, pending, op);
      pending = [];
      if (op === OP.candidate || op === OP.rowidCandidate) {
        candidates = addCandidate(candidates, { seq, logSeq: seq, layout, op, ...images } as Candidate);
        continue;
      }
      const kind = op === OP.renumbered ? OP.update : (op as 1 | 2 | 3);
      const change = { seq, logSeq: seq, layout, op: kind, ...images, hidden: false };
      if (candidates.length > 0) candidates = resolveCandidates(candidates, change, changes, confirmed);
      if (op !== OP.renumbered) changes.push(change);
    }
    for (const candidate of candidates) {
      if (!isGoneUntold(candidate, changes, this.#source.db, () => this.read(to, this.end()))) continue;
      changes.push(removed(candidate));
      confirmed.push(candidate.logSeq);
    }
    if (confirmed.length > 0) {
      // At the candidate's own place: there it stands for whoever reads the log once it says so.
      changes.sort((a, b) => a.seq - b.seq);
      this.#source.confirm(confirmed);
    }
    // A single change is in order.
    return changes.length > 1 && this.#source.foreignTriggers() ? this.#inOrder(changes, from, to) : changes;
  }

  /** Transactions come one after the other; only inside one can a trigger's write stand before its cause. */
  #inOrder(changes: readonly LoggedChange[], from: number, to: number): LoggedChange[] {
    const ordered: LoggedChange[] = [];
    let start = 0;
    for (const span of this.#source.spans?.(from, to) ?? [{ last: to }]) {
      let end = start;
      while (end < changes.length && (changes[end] as LoggedChange).seq <= span.last) end += 1;
      for (const change of orderByImages(changes.slice(start, end))) ordered.push(change);
      start = end;
    }
    // What no span is known for yet was read ahead.
    for (const change of changes.slice(start)) ordered.push(change);
    return ordered;
  }

  #rows(which: string, params: readonly number[]): RawRow[] {
    const rows = allExactRaw(this.#statement(this.#widest, which), params) as RawRow[];
    return this.#isWideEnough(rows) ? rows : this.#rows(which, params);
  }

  /** Another host may have logged a layout this one has not met; then the range is to be read again with room for it. */
  #isWideEnough(rows: readonly RawRow[]): boolean {
    const before = this.#widest;
    let last = -1;
    for (const row of rows) {
      const id = row[1] as number;
      if (id === last) continue;
      last = id;
      const layout = this.#source.layout(id);
      this.widen(layout);
    }
    return this.#widest === before;
  }

  #statement(width: number, which: string): ReturnType<Database['prepare']> {
    const key = `${width} ${which}`;
    let statement = this.#statements.get(key);
    if (statement === undefined) {
      const slots = (prefix: string): string =>
        Array.from({ length: width }, (_, index) => `${prefix}${index}`).join(', ');
      statement = this.#source.db
        .prepareRead(`SELECT seq, table_id, op, ${slots('o')}, ${slots('n')} FROM main._capsule_log WHERE ${which}`)
        .raw();
      this.#statements.set(key, statement);
    }
    return statement;
  }

  #images(
    layout: TableLayout,
    head: RawRow,
    continuations: readonly RawRow[],
    op: number,
  ): { old: RawRow | undefined; now: RawRow | undefined } {
    const width = widthOf(layout);
    const stored = (head.length - 3) / 2;
    const wantsOld = op !== OP.insert;
    const wantsNow = op !== OP.delete;
    if (width <= LOG_WIDTH) {
      return {
        old: wantsOld ? head.slice(3, 3 + width) : undefined,
        now: wantsNow ? head.slice(3 + stored, 3 + stored + width) : undefined,
      };
    }
    // Continuations are logged from the last chunk down; candidates of one statement may share the run, so take the nearest.
    const chunks = [head, ...continuations.slice(-continuationsOf(layout)).reverse()];
    const join = (offset: number): RawRow =>
      chunks.flatMap((row, chunk) => row.slice(offset, offset + Math.min(LOG_WIDTH, width - chunk * LOG_WIDTH)));
    return { old: wantsOld ? join(3) : undefined, now: wantsNow ? join(3 + stored) : undefined };
  }
}

interface Candidate extends Omit<LoggedChange, 'op' | 'hidden'> {
  readonly op: number;
  readonly old: readonly SqlValue[];
  readonly now: readonly SqlValue[];
}

/** Candidates waited with at a time; nested triggers make few. */
const MOST_CANDIDATES = 64;

/** A row that is a candidate once more was still there: the earlier operation came to nothing (OR IGNORE, UPSERT). */
function addCandidate(candidates: readonly Candidate[], candidate: Candidate): Candidate[] {
  const others = candidates.filter(
    ({ layout, old }) => layout.id !== candidate.layout.id || !sameImage(old, candidate.old),
  );
  return [...others.slice(1 - MOST_CANDIDATES), candidate];
}

/**
 * Decides what a change means for the candidates of its table; confirmed ones are changes, and those it leaves open are returned.
 *
 * The new row conflicts with the candidate, so when it is there the candidate is gone; and when the candidate is seen again,
 * or seen to go, it was not this operation that took it. Whatever else happens meanwhile is other triggers' work.
 */
function resolveCandidates(
  candidates: readonly Candidate[],
  change: LoggedChange,
  changes: LoggedChange[],
  confirmed: number[],
): Candidate[] {
  return candidates.filter((candidate) => {
    const { logSeq, layout, old } = candidate;
    if (layout.id !== change.layout.id) return true;
    if (change.op !== OP.delete && confirms(candidate, change)) {
      confirmed.push(logSeq);
      changes.push(removed(candidate));
      return false;
    }
    return change.old === undefined || !sameImage(old, change.old);
  });
}

const removed = ({ seq, logSeq, layout, old }: Candidate): LoggedChange => ({
  seq,
  logSeq,
  layout,
  op: OP.delete,
  old,
  now: undefined,
  hidden: true,
});

function confirms(candidate: Candidate, change: LoggedChange): boolean {
  const { layout } = candidate;
  const now = change.now as readonly SqlValue[];
  const rowidAt = rowidIndex(layout);
  if (!becomes(layout, candidate.now, now)) return false;
  if (candidate.op === OP.rowidCandidate && rowidAt >= 0 && candidate.old[rowidAt] !== now[rowidAt]) return false;
  return !(change.op === OP.update && sameKey(layout, candidate.old, change.old));
}
