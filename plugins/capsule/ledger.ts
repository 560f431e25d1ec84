/**
 * Which transaction each part of the log belongs to.
 *
 * SQLite has one writer at a time, so a transaction's changes are a contiguous range of `seq`. The host's own ranges are
 * recorded once, inside the transaction itself; a commit through the raw handle is noted right after it and recorded soon;
 * what nobody noted is another program's work.
 *
 * Invariants:
 * - A transaction's id is `tx-<first seq>`: the same for every host, recorded or not, and never used twice.
 * - Recorded ranges do not overlap, and leave no gap before the newest one.
 */
import type { Database, Source, Transaction } from '../../sdk/plugin.ts';

/** A transaction's range, both ends included. `completedAt` is `YYYY-MM-DD HH:MM:SS`, UTC. */
export interface Span {
  readonly id: string;
  readonly first: number;
  readonly last: number;
  readonly source: Source;
  readonly completedAt: string;
}

/** Outside programs' transactions have no known boundaries inside a gap; a longer gap may be delivered in parts. */
const EXTERNAL_PART = 10_000;
const RECENT = 256;
const BEGIN = 'capsule:begin';
const SPAN = 'capsule:span';

export class Ledger {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #maxOnWriter: ReturnType<Database['prepare']>;
  readonly #version: ReturnType<Database['prepare']>;
  readonly #maxAndVersion: ReturnType<Database['prepare']>;
  readonly #lastRecorded: ReturnType<Database['prepare']>;
  readonly #insert: ReturnType<Database['prepare']>;
  readonly #inRange: ReturnType<Database['prepare']>;
  readonly #containing: ReturnType<Database['prepare']>;
  readonly #headAfter: ReturnType<Database['prepare']>;
  /** Own transactions that were committed lately, in order: most reads need no look at the file. */
  #recent: Span[] = [];
  /** Seen but not recorded yet. */
  #notes: Span[] = [];
  #rawEnd: number;
  #rawVersion: number;

  constructor(db: Database, now: () => number) {
    this.#db = db;
    this.#now = now;
    this.#maxOnWriter = db.prepare('SELECT ifnull(max(seq), 0) FROM _capsule_log').pluck();
    this.#maxAndVersion = db
      .prepare('SELECT ifnull(max(seq), 0), (SELECT data_version FROM pragma_data_version) FROM _capsule_log')
      .raw();
    this.#version = db.prepare('PRAGMA main.data_version').pluck();
    this.#lastRecorded = db
      .prepare('SELECT last_seq FROM _capsule_transactions ORDER BY first_seq DESC LIMIT 1')
      .pluck();
    this.#insert = db.prepare(
      `INSERT OR IGNORE INTO _capsule_transactions(id, first_seq, last_seq, started_at, completed_at, status, event_count, source)
       SELECT ?, ?, ?, ?, ?, 'committed', ?, ?
       WHERE NOT EXISTS (SELECT 1 FROM _capsule_transactions WHERE first_seq = ?)`,
    );
    this.#inRange = db
      .prepareRead(
        `SELECT id, first_seq, last_seq, source, completed_at FROM main._capsule_transactions
         WHERE first_seq >= ifnull((SELECT max(first_seq) FROM main._capsule_transactions WHERE first_seq <= @from), 0)
           AND first_seq <= @to AND last_seq >= @from ORDER BY first_seq`,
      )
      .raw();
    this.#containing = db
      .prepareRead(
        'SELECT first_seq, last_seq FROM main._capsule_transactions WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1',
      )
      .raw();
    this.#headAfter = db
      .prepareRead('SELECT seq FROM main._capsule_log WHERE seq >= ? AND op <= 3 ORDER BY seq LIMIT 1')
      .pluck();
    [this.#rawEnd, this.#rawVersion] = this.#maxAndVersion.get() as [number, number];
  }

  /** The transaction holds the write lock, so what is read here stays true until it writes. */
  begin(transaction: Transaction): void {
    transaction.notes.set(BEGIN, [this.#maxOnWriter.get(), this.#version.get()]);
  }

  /** Records the transaction's range, with it. */
  preCommit(transaction: Transaction): void {
    const [before] = transaction.notes.get(BEGIN) as [number, number];
    const last = this.#maxOnWriter.get() as number;
    if (last <= before) return;
    this.#fillGap(before);
    const span: Span = {
      id: `tx-${before + 1}`,
      first: before + 1,
      last,
      source: transaction.source,
      completedAt: sqlTime(this.#now()),
    };
    this.#record(span, sqlTime(transaction.startedAt));
    transaction.notes.set(SPAN, span);
  }

  /** The transaction has committed. Returns the new end of the log, or undefined when it logged nothing. */
  committed(transaction: Transaction): number | undefined {
    const [before, version] = transaction.notes.get(BEGIN) as [number, number];
    const span = transaction.notes.get(SPAN) as Span | undefined;
    this.#rawVersion = version;
    this.#rawEnd = span?.last ?? before;
    if (span === undefined) return undefined;
    this.#remember(span);
    return span.last;
  }

  /**
   * Something may have been committed through the raw handle. It counts as the host's only if no other program committed
   * since the last look, which one statement (one snapshot) tells. Returns the new end, or undefined.
   */
  rawCommit(): number | undefined {
    const [end, version] = this.#maxAndVersion.get() as [number, number];
    const foreign = version !== this.#rawVersion;
    this.#rawVersion = version;
    if (end <= this.#rawEnd) {
      this.#rawEnd = end;
      return undefined;
    }
    const first = this.#rawEnd + 1;
    this.#rawEnd = end;
    if (!foreign) {
      const span: Span = { id: `tx-${first}`, first, last: end, source: 'host', completedAt: sqlTime(this.#now()) };
      this.#remember(span);
      this.#note(span);
    } else {
      this.noteExternal(first - 1, end);
    }
    return end;
  }

  /**
   * Everything committed so far has been looked at, so that a raw write from now on can be told from another program's. Only
   * while no transaction is open.
   */
  looked(): void {
    [this.#rawEnd, this.#rawVersion] = this.#maxAndVersion.get() as [number, number];
  }

  /** The transactions that make up `(from, to]`, in order, without gaps. */
  spans(from: number, to: number): readonly Span[] {
    const recent = this.#fromRecent(from, to);
    if (recent !== undefined) return recent;
    const rows = this.#inRange.all({ from: from + 1, to }) as [string, number, number, Source, string][];
    const known = [
      ...rows.map(([id, first, last, source, completedAt]): Span => ({ id, first, last, source, completedAt })),
      ...this.#notes.filter((note) => note.last > from && note.first <= to),
    ].sort((a, b) => a.first - b.first);
    const spans: Span[] = [];
    let next = from + 1;
    for (const span of known) {
      if (span.last < next) continue;
      if (span.first > next) spans.push(this.#external(next, span.first - 1));
      spans.push(span);
      next = span.last + 1;
    }
    if (next <= to) spans.push(this.#external(next, to));
    return spans;
  }

  /** See {@link CapsuleService.boundary}. */
  boundary(from: number, size: number, end: number): number {
    const wanted = from + Math.max(1, size);
    if (wanted >= end) return end;
    const noted = this.#notes.find((note) => note.first <= wanted && note.last >= wanted);
    if (noted !== undefined) return Math.min(noted.last, end);
    const [, last] = (this.#containing.get(wanted) as [number, number] | undefined) ?? [0, 0];
    if (last >= wanted) return Math.min(last, end);
    return this.#gapBoundary(from, wanted, end);
  }

  /** Notes that `(…, end]` was seen and belongs to nobody known, so that it gets recorded with the boundaries it was seen in. */
  noteExternal(from: number, end: number): void {
    for (const span of this.spans(from, end)) {
      if (span.source === 'external' && !this.#notes.some((note) => note.first === span.first)) this.#note(span);
    }
  }

  #gapBoundary(from: number, wanted: number, end: number): number {
    const next = this.#db
      .prepareRead('SELECT min(first_seq) FROM main._capsule_transactions WHERE first_seq > ?')
      .pluck()
      .get(wanted) as number | null;
    const noted = this.#notes.find((note) => note.first > wanted)?.first;
    const gapEnd = Math.min(end, (next ?? end + 1) - 1, (noted ?? end + 1) - 1);
    if (gapEnd - from <= EXTERNAL_PART) return gapEnd;
    const head = this.#headAfter.get(Math.max(wanted, from + Math.min(EXTERNAL_PART, gapEnd - from))) as
      number | undefined;
    return Math.min(head ?? gapEnd, gapEnd);
  }

  #external(first: number, last: number): Span {
    return { id: `tx-${first}`, first, last, source: 'external', completedAt: sqlTime(this.#now()) };
  }

  #remember(span: Span): void {
    this.#recent.push(span);
    if (this.#recent.length > RECENT) this.#recent = this.#recent.slice(RECENT / 2);
  }

  #fromRecent(from: number, to: number): readonly Span[] | undefined {
    const spans: Span[] = [];
    /** The newest seq that is not covered yet. */
    let left = to;
    for (let index = this.#recent.length - 1; index >= 0; index -= 1) {
      const span = this.#recent[index] as Span;
      if (span.first > left) continue;
      if (span.last < left) return undefined;
      spans.push(span);
      left = span.first - 1;
      if (left <= from) return spans.reverse();
    }
    return undefined;
  }

  #note(span: Span): void {
    this.#notes.push(span);
    if (this.#notes.length === 1) this.#db.deferWrite(() => this.#recordNotes());
  }

  #recordNotes(): void {
    const notes = this.#notes;
    this.#notes = [];
    for (const note of notes) {
      const recorded = (this.#lastRecorded.get() as number | undefined) ?? 0;
      // Another host may have recorded this part with other boundaries; the first one stands.
      if (note.first > recorded) {
        if (note.first > recorded + 1) this.#recordGap(recorded + 1, note.first - 1);
        this.#record(note, note.completedAt);
      }
    }
  }

  /** Inside a transaction that has begun after `end`: records whatever before it nobody has. */
  #fillGap(end: number): void {
    if (this.#notes.length > 0) this.#recordNotes();
    const recorded = (this.#lastRecorded.get() as number | undefined) ?? 0;
    if (recorded < end) this.#recordGap(recorded + 1, end);
  }

  /** A gap is recorded from the oldest row that still exists: pruned rows belong to nothing. */
  #recordGap(first: number, last: number): void {
    this.#record(this.#external(first, last), sqlTime(this.#now()));
  }

  #record(span: Span, startedAt: string): void {
    this.#insert.run(
      span.id,
      span.first,
      span.last,
      startedAt,
      span.completedAt,
      span.last - span.first + 1,
      span.source,
      span.first,
    );
  }
}

/** `YYYY-MM-DD HH:MM:SS` in UTC: SQLite's own form, so that comparisons with datetime('now') hold. */
export function sqlTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== latest.second) latest = { second, text: new Date(ms).toISOString().slice(0, 19).replace('T', ' ') };
  return latest.text;
}

/** Every transaction needs its time, and many fall into one second. */
let latest = { second: Number.NaN, text: '' };
