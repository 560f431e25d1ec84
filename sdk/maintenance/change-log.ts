/**
 * Reads the change log of a file, or of an archive of it, without becoming a host.
 *
 * It goes through the capsule's own reader rather than the view `_capsule_events`: rows that REPLACE removed are found, the
 * order of causes is right, values stay exact, and a page of a log of millions takes milliseconds.
 * Invariant: a page ends where a transaction does, or in a very long one at a whole change.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { buildEvents } from '../../plugins/capsule/events.ts';
import type { UnroutedEvent } from '../../plugins/capsule/events.ts';
import { sqlTime } from '../../plugins/capsule/ledger.ts';
import type { Span } from '../../plugins/capsule/ledger.ts';
import type { TableLayout } from '../../plugins/capsule/layout.ts';
import { LogReader } from '../../plugins/capsule/log-reader.ts';
import type { LogSource } from '../../plugins/capsule/log-reader.ts';
import { hasCapsule } from './connection.ts';
import type { Connection } from './connection.ts';

/** A change as the log has it: a `ChangeEvent` that belongs to no watcher. */
export type LoggedEvent = UnroutedEvent;

const PAGE = 2000;
/** A page may grow by so many rows to end with its transaction. */
const LONG = 50_000;

export class ChangeLog {
  readonly #connection: Connection;
  readonly #reader: LogReader;
  readonly #layouts = new Map<number, TableLayout | undefined>();
  /** First `seq` the log still has; 0 when it is empty. */
  readonly first: number;
  readonly end: number;

  /** @throws GC_NO_CAPSULE when the file has no change log */
  constructor(connection: Connection) {
    if (!hasCapsule(connection)) throw noCapsule(connection.name);
    this.#connection = connection;
    // Two lookups: min and max in one SELECT would scan the table.
    this.first = this.#edge('min');
    this.end = this.#edge('max');
    const others = connection
      .prepare(
        "SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name NOT LIKE '\\_capsule\\_%' ESCAPE '\\' LIMIT 1",
      )
      .get();
    const source: LogSource = {
      // All the reader asks of a database is statements to read with.
      db: { prepareRead: (sql: string) => connection.prepare(sql) } as unknown as LogSource['db'],
      layout: (id) => this.#layout(id),
      foreignTriggers: () => others !== undefined,
      // A host notes in the log which candidates were real; a reader only reads.
      confirm: () => {},
    };
    this.#reader = new LogReader(source);
  }

  /** Tables that have ever been logged. */
  tables(): readonly string[] {
    return this.#connection
      .prepare('SELECT DISTINCT name FROM _capsule_tables ORDER BY name')
      .pluck()
      .all() as string[];
  }

  /** The changes after `since`, page by page. */
  *after(since: number): Generator<readonly LoggedEvent[]> {
    let from = Math.max(since, this.first - 1);
    // `since` may lie inside a transaction: it is read from its beginning, and what is not asked for is left out.
    let at = this.#boundaryBefore(from);
    while (at < this.end) {
      const to = this.#boundaryAfter(at + PAGE);
      const events = this.#read(at, to).filter((event) => event.seq > from);
      if (events.length > 0) yield events;
      at = to;
      from = Math.max(from, to);
    }
  }

  /** The newest `limit` changes that `wanted` accepts, oldest first. */
  newest(limit: number, wanted: (event: LoggedEvent) => boolean): readonly LoggedEvent[] {
    const pages: (readonly LoggedEvent[])[] = [];
    let found = 0;
    let to = this.end;
    let size = Math.max(limit * 2, 200);
    while (to >= this.first && to > 0 && found < limit) {
      const from = this.#boundaryBefore(Math.max(this.first - 1, to - size));
      const events = this.#read(from, to).filter(wanted);
      pages.unshift(events);
      found += events.length;
      to = from;
      size = Math.min(size * 2, LONG);
    }
    return pages.flat().slice(-limit);
  }

  #read(from: number, to: number): readonly LoggedEvent[] {
    const changes = this.#reader.read(from, to);
    return changes.length === 0 ? [] : buildEvents(changes, this.#spans(from, to));
  }

  #layout(id: number): TableLayout | undefined {
    if (!this.#layouts.has(id)) {
      const row = this.#connection.prepare('SELECT name, layout FROM _capsule_tables WHERE id = ?').get(id) as
        { name: string; layout: string } | undefined;
      this.#layouts.set(id, row && { ...(JSON.parse(row.layout) as TableLayout), id, table: row.name });
    }
    return this.#layouts.get(id);
  }

  /** The transactions of `(from, to]`; what no host has recorded yet is another program's. */
  #spans(from: number, to: number): readonly Span[] {
    const rows = this.#connection
      .prepare(
        `SELECT id, first_seq AS first, last_seq AS last, source, completed_at AS completedAt FROM _capsule_transactions
         WHERE first_seq >= ifnull((SELECT max(first_seq) FROM _capsule_transactions WHERE first_seq <= @from), 0)
           AND first_seq <= @to AND last_seq >= @from ORDER BY first_seq`,
      )
      .all({ from: from + 1, to }) as Span[];
    const spans: Span[] = [];
    let next = from + 1;
    const external = (first: number, last: number): Span => ({
      id: `tx-${first}`,
      first,
      last,
      source: 'external',
      completedAt: sqlTime(Date.now()),
    });
    for (const span of rows) {
      if (span.first > next) spans.push(external(next, span.first - 1));
      spans.push(span);
      next = span.last + 1;
    }
    if (next <= to) spans.push(external(next, to));
    return spans;
  }

  /** The nearest place at or before `seq` where nothing that belongs together is cut. */
  #boundaryBefore(seq: number): number {
    if (seq < this.first) return this.first - 1;
    const span = this.#spanAt(seq);
    if (span !== undefined && span.last <= seq) return seq;
    if (span !== undefined && seq - span.first < LONG) return span.first - 1;
    return this.#value('SELECT max(seq) FROM _capsule_log WHERE seq <= ? AND op <= 3', seq) ?? this.first - 1;
  }

  #boundaryAfter(seq: number): number {
    if (seq >= this.end) return this.end;
    const span = this.#spanAt(seq);
    if (span !== undefined && span.last - seq < LONG) return Math.min(this.end, span.last);
    return this.#value('SELECT min(seq) FROM _capsule_log WHERE seq >= ? AND op <= 3', seq) ?? this.end;
  }

  #spanAt(seq: number): { readonly first: number; readonly last: number } | undefined {
    const span = this.#connection
      .prepare(
        'SELECT first_seq AS first, last_seq AS last FROM _capsule_transactions WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1',
      )
      .get(seq) as { first: number; last: number } | undefined;
    return span !== undefined && span.last >= seq ? span : undefined;
  }

  #edge(which: 'min' | 'max'): number {
    return (this.#connection.prepare(`SELECT ${which}(seq) FROM _capsule_log`).pluck().get() as number | null) ?? 0;
  }

  #value(sql: string, seq: number): number | undefined {
    return (this.#connection.prepare(sql).pluck().get(seq) as number | null) ?? undefined;
  }
}

export function noCapsule(filename: string): GlyphError {
  return new GlyphError('GC_NO_CAPSULE', `${filename} has no change log: no GlyphCase has been at work on it`, {
    hint: `Start one: glyphcase start --db ${filename}, or glyphcase watch ${filename} TABLE`,
  });
}
