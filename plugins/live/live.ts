/**
 * Live queries: keeps the results of watched SELECTs current, and tells what changed.
 *
 * Invariants: all queries of a batch are brought up to date in one read transaction, so that together they show one state of
 * the database, never half a transaction; a query nobody subscribes to costs nothing until somebody asks for its rows.
 */
import type { FollowedRange, Follower, FollowHandle } from '../../sdk/capsule-types.ts';
import type { Lasting } from '../../sdk/lasting.ts';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import { Awake } from './awake.ts';
import { CommitLook } from './commit-look.ts';
import type { Cause } from './events.ts';
import { Facts } from './incremental/facts.ts';
import type { Query } from './query.ts';
import { ReadTransaction } from './read-transaction.ts';
import { SchemaLook } from './schema-look.ts';
import { codeOfWanted, Shape } from './shape.ts';
import type { ShapeParts, Wanted } from './shape.ts';
import type { Subscriber } from './subscriber.ts';
import { Touched } from './touched.ts';

/** How often planning is repeated while other programs change the schema. */
const ATTEMPTS = 3;
/** A plan that failed for want of a lock is made again after so many ms. */
const RETRY_MS = 1000;

/** More changes at a time are not looked at one by one: the queries are run again. */
const MOST_CHANGES = 20_000;

/** What came of a range. */
interface Followed {
  readonly brought: readonly Query[];
  /** Concerned too, and to be planned first. */
  readonly unplanned: readonly Query[];
  readonly cause: Cause;
}

const NO_CAUSE: Cause = { seq: 0, origin: { transactionId: '', source: 'host', timestamp: new Date(0) } };
const NOBODY: Followed = { brought: [], unplanned: [], cause: NO_CAUSE };

export class Live implements Follower {
  readonly #ctx: Lasting;
  readonly #parts: ShapeParts;
  readonly #schema: SchemaLook;
  readonly #read: ReadTransaction;
  readonly #commits: CommitLook;
  readonly #shapes = new Map<string, Shape>();
  readonly #awake = new Awake();
  readonly #active = new Set<Query>();
  #following: FollowHandle | undefined;
  /** Everything is to be run again, whatever is in the log. */
  #stale = false;
  #refreshing = false;
  /** Everything up to this `seq` has been looked at. */
  #upTo = -1;
  runs = 0;

  constructor(ctx: Lasting, capsule: ShapeParts['capsule']) {
    this.#ctx = ctx;
    this.#schema = new SchemaLook(ctx.db);
    const schemaVersion = (): number => this.#schema.version;
    const facts = new Facts(ctx.db, capsule);
    this.#parts = { db: ctx.db, capsule, facts, schemaVersion, ran: () => (this.runs += 1) };
    this.#schema.moved();
    this.#commits = new CommitLook(ctx.db);
    this.#read = new ReadTransaction(ctx.db);
  }

  get queries(): number {
    let count = 0;
    for (const shape of this.#shapes.values()) count += shape.queries.size;
    return count;
  }

  get active(): Iterable<Query> {
    return this.#active;
  }

  /** The query of this text and these parameters, shared by all who want it. @throws what keeps it from being watched */
  query(wanted: Wanted, params: readonly unknown[]): Query {
    const shape = this.#shapes.get(codeOfWanted(wanted)) ?? new Shape(wanted, this.#parts);
    try {
      const query = shape.query(params);
      this.#shapes.set(shape.code, shape);
      return query;
    } finally {
      if (shape.queries.size === 0) this.#forget(shape);
    }
  }

  /** Nobody watches it any more. */
  drop(query: Query): void {
    query.shape.queries.delete(query.code);
    if (query.shape.queries.size === 0) this.#forget(query.shape);
  }

  add(query: Query, subscriber: Subscriber): void {
    query.subscribers.add(subscriber);
    if (query.subscribers.size > 1) return;
    this.#active.add(query);
    this.#awake.add(query);
    this.#following ??= this.#parts.capsule.follow(this);
  }

  remove(query: Query, subscriber: Subscriber): void {
    query.subscribers.delete(subscriber);
    if (query.subscribers.size > 0) return;
    query.forgetDifference();
    this.#active.delete(query);
    this.#awake.remove(query);
    if (this.#active.size > 0) return;
    this.#following?.stop();
    this.#following = undefined;
  }

  /**
   * Brings one query up to date. Its other subscribers are told soon. Leaves it as it is while an in-memory database shows
   * what is not committed.
   * @throws why it cannot be run
   */
  bring(query: Query): void {
    const { db, capsule } = this.#parts;
    if (db.inMemory && db.busy) {
      this.#bringLater(query);
      return;
    }
    if (this.#commits.isNew()) {
      capsule.look();
      if (this.#schema.moved()) this.#everythingMoved();
    }
    const { end } = capsule;
    const plan = query.shape.planned?.number;
    if (query.at === end && query.plan === plan && query.problem === undefined) return;
    this.#update([query], this.#causeNow(end, 'initial'));
    if (query.problem !== undefined) throw query.problem;
    for (const subscriber of query.subscribers) if (subscriber.isBehind) subscriber.giveSoon();
  }

  changed(range: FollowedRange): readonly Promise<void>[] {
    if (this.#stale) return this.#refresh();
    if (range.to <= this.#upTo) return [];
    const followed = this.#read.run(() => this.#follow(range));
    if (followed === undefined) {
      this.#everythingMoved();
      return this.#refresh();
    }
    const { brought, unplanned, cause } = followed;
    for (const query of brought) for (const subscriber of query.subscribers) subscriber.take();
    if (unplanned.length > 0) this.#update(unplanned, cause);
    // Meanwhile the schema may have been found to be another, and then all are to be brought to it.
    return this.#isStale() ? this.#refresh() : this.#give([...brought, ...unplanned]);
  }

  /** Somebody committed something, perhaps to the schema alone. */
  looked(): void {
    if (this.#active.size === 0 || this.#refreshing || !this.#ctx.db.reader.open) return;
    const { capsule } = this.#parts;
    // What is about to be delivered looks at the schema too.
    if (capsule.position < capsule.end && !this.#stale) return;
    if (this.#schema.moved()) this.#everythingMoved();
    if (this.#stale) this.#refreshSoon();
  }

  /** Changes may not be in the log, or other tables may stand behind the names. */
  everythingMoved(): void {
    this.#everythingMoved();
    if (this.#active.size > 0) this.#refreshSoon();
  }

  async settled(seq: number): Promise<void> {
    if (this.#schema.moved()) this.#everythingMoved();
    if (this.#stale) void this.#refresh();
    const subscribers = [...this.#active].flatMap((query) => [...query.subscribers]);
    await Promise.all(subscribers.map((subscriber) => subscriber.settled(seq)));
  }

  close(): void {
    this.#following?.stop();
    for (const shape of this.#shapes.values()) shape.close();
    this.#shapes.clear();
    this.#active.clear();
    this.#awake.clear();
  }

  #forget(shape: Shape): void {
    shape.close();
    this.#shapes.delete(shape.code);
  }

  #isStale(): boolean {
    return this.#stale;
  }

  #everythingMoved(): void {
    this.#stale = true;
    for (const shape of this.#shapes.values()) shape.forget();
  }

  #refreshSoon(): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const { db } = this.#parts;
    const run = (): void => {
      this.#refreshing = false;
      if (!this.#stale || this.#ctx.signal.aborted || !db.reader.open) return;
      if (db.inMemory && db.busy) this.#refreshSoon();
      else void this.#refresh();
    };
    db.outside(() => {
      const wait = db.whenReadable();
      if (wait === undefined) queueMicrotask(run);
      else void wait.then(run);
    });
  }

  #refresh(): readonly Promise<void>[] {
    this.#stale = false;
    const due = [...this.#active];
    this.#update(due, this.#causeNow(this.#parts.capsule.end, 'schema'));
    return this.#give(due);
  }

  #bringLater(query: Query): void {
    if (query.at >= 0) return;
    void this.#parts.db.whenReadable()?.then(() => {
      if (query.at >= 0 || query.subscribers.size === 0 || !this.#parts.db.sqlite.open) return;
      try {
        this.bring(query);
      } catch {
        // Its subscribers are told of the problem.
      }
      for (const subscriber of query.subscribers) subscriber.giveSoon();
    });
  }

  /**
   * Brings the queries that a range concerns to what the reader shows, which may be more than the range: that is seen with the
   * rest or not at all, and need not be looked at again when it is delivered. In a read transaction; undefined when the schema
   * is another than the one planned for.
   */
  #follow(range: FollowedRange): Followed | undefined {
    if (this.#schema.moved()) return undefined;
    const { end, changes } = range.visible(MOST_CHANGES);
    const touched = changes === undefined ? undefined : new Touched(changes, end);
    const due = touched === undefined ? [...this.#active] : this.#awake.concerned(touched);
    if (due.length === 0) {
      this.#upTo = end;
      return NOBODY;
    }
    const cause = { seq: end, origin: range.origin };
    const known = this.#parts.capsule.end;
    const unplanned = due.filter(({ shape }) => shape.planned === undefined);
    const brought = unplanned.length === 0 ? due : due.filter(({ shape }) => shape.planned !== undefined);
    for (const query of brought) this.#updateOne(query, touched, cause, known, undefined);
    this.#upTo = end;
    return { brought, unplanned, cause };
  }

  /** Plans where that is needed, and brings the queries to one state of the database by running them. */
  #update(due: readonly Query[], cause: Cause): void {
    const end = this.#parts.capsule.end;
    const shapes = new Set(due.map((query) => query.shape));
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const problems = this.#plan(shapes);
      const done = this.#read.run(() => {
        // Somebody changed the schema after it was planned for.
        if (this.#schema.moved()) {
          if (attempt < ATTEMPTS) return false;
          this.#stale = true;
        }
        for (const query of due) this.#updateOne(query, undefined, cause, end, problems.get(query.shape));
        return true;
      });
      if (done) return;
      this.#everythingMoved();
    }
  }

  #plan(shapes: Iterable<Shape>): ReadonlyMap<Shape, GlyphError> {
    const problems = new Map<Shape, GlyphError>();
    for (const shape of shapes) {
      if (shape.planned !== undefined) continue;
      const queries = [...shape.queries.values()].filter((query) => this.#active.has(query));
      for (const query of queries) this.#awake.remove(query);
      try {
        shape.plan();
      } catch (error) {
        const problem = asGlyphError(error);
        problems.set(shape, problem);
        if (problem.code === 'GC_LOCKED') this.#ctx.clock.timeout(() => this.everythingMoved(), RETRY_MS);
      }
      for (const query of queries) this.#awake.add(query);
    }
    return problems;
  }

  #updateOne(
    query: Query,
    touched: Touched | undefined,
    cause: Cause,
    end: number,
    unplanned: GlyphError | undefined,
  ): void {
    const { planned } = query.shape;
    try {
      if (planned === undefined) throw unplanned ?? new GlyphError('GC_INTERNAL', 'A live query has no plan');
      const isKnown = query.plan === planned.number && query.problem === undefined;
      if (!isKnown) query.result.replan(planned.result);
      query.plan = planned.number;
      const isOther = planned.maintainer.update(query, isKnown ? touched : undefined);
      if (isOther || query.problem !== undefined || query.cause === undefined) query.cause = cause;
      query.problem = undefined;
    } catch (error) {
      this.#failed(query, asGlyphError(error), cause);
    }
    const isFirst = query.at < 0;
    query.at = end;
    if (isFirst) for (const subscriber of query.subscribers) subscriber.startFrom(query.result.snapshot);
  }

  #failed(query: Query, problem: GlyphError, cause: Cause): void {
    query.result.clear();
    query.cause = cause;
    // What the open transaction has made is not there yet for the reader: no rows, and no fault.
    if (this.#parts.db.busy && query.plan === 0) return;
    if (query.problem?.message === problem.message) return;
    query.problem = problem;
    if (query.subscribers.size > 0)
      this.#ctx.log.warn(`A live query cannot be run: ${problem.message}`, { sql: query.shape.sql });
  }

  #give(queries: readonly Query[]): Promise<void>[] {
    return queries.flatMap((query) => [...query.subscribers].flatMap((subscriber) => subscriber.give() ?? []));
  }

  #causeNow(seq: number, transactionId: string): Cause {
    return { seq, origin: { transactionId, source: 'host', timestamp: new Date(this.#ctx.clock.now()) } };
  }
}

function asGlyphError(error: unknown): GlyphError {
  return error instanceof GlyphError ? error : new GlyphError('GC_SQL', messageOf(error), { cause: error });
}
