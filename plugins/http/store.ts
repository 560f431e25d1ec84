/**
 * The outbox as it stands in the file: a row from the moment a request was asked for until its answer was handled.
 *
 * Invariants: a row is written in the transaction that asks, and removed in the one that handles the answer, so neither
 * happens without the other; the first answer that is stored counts.
 */
import type { LuaService } from '../../sdk/lua-types.ts';
import type { Database } from '../../sdk/plugin.ts';
import { decode, encode } from './json.ts';
import type { HttpAnswer, HttpRequest, PlannedRequest } from './types.ts';

/** What is asked often comes before what may be large. */
const TABLE = `
  CREATE TABLE IF NOT EXISTS _skill_http (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    skill TEXT NOT NULL,
    owner TEXT,
    callback TEXT,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    request TEXT NOT NULL,
    context TEXT,
    answer TEXT,
    body BLOB,
    answer_body BLOB
  );
  CREATE INDEX IF NOT EXISTS idx_skill_http_turn ON _skill_http(skill, answered, seq, bytes);`;

/** Whose requests: a skill's, or those that one process's own scripts asked for. */
export interface Sender {
  readonly skill: string;
  /** Null for a skill, whose requests any host may send. */
  readonly owner: string | null;
}

/** How an answer finds its way: a closure in the state that asked, a global function by name, or none was given. */
export type Callback =
  { readonly kind: 'closure' } | { readonly kind: 'none' } | { readonly kind: 'global'; readonly name: string };

export interface NewRow extends Sender {
  readonly id: string;
  readonly request: PlannedRequest;
  readonly callback: Callback;
  readonly now: number;
}

/** A row whose answer has come. */
export interface AnsweredRow {
  readonly id: string;
  readonly request: HttpRequest;
  readonly answer: HttpAnswer;
  readonly callback: Callback;
  /** As Lua takes it; undefined when none was given. */
  readonly context: unknown;
}

interface StoredRow {
  readonly id: string;
  readonly request: string;
  readonly body: Uint8Array | null;
  readonly context: string | null;
  readonly callback: string | null;
  readonly answer: string | null;
  readonly answerBody: Uint8Array | null;
}

const ROW = 'SELECT id, request, body, context, callback, answer, answer_body AS answerBody FROM _skill_http';
/** At once is 0. A time far ahead was written before the clock was set back: pauses are at most 8 s. */
const DUE = '(due_at <= @now OR due_at > @now + 10000)';
const WHOSE = 'skill = @skill AND owner IS @owner';

export class OutboxStore {
  readonly #db: Database;
  readonly #lua: LuaService;
  /** Prepared on the reader: they are asked again and again. */
  readonly #statements = new Map<string, ReturnType<Database['prepareRead']>>();

  #load: ReturnType<Database['prepare']> | undefined;

  /** @throws GC_LOCKED */
  constructor(db: Database, lua: LuaService) {
    this.#db = db;
    this.#lua = lua;
    const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_skill_http'").get();
    if (known === undefined) db.write(() => db.exec(TABLE));
  }

  /** What a skill has in the outbox. Inside a transaction. */
  load(skill: string): { readonly rows: number; readonly bytes: number } {
    this.#load ??= this.#db.prepare(
      'SELECT count(*) AS rows, coalesce(sum(bytes), 0) AS bytes FROM _skill_http WHERE skill = ?',
    );
    return this.#load.get(skill) as { rows: number; bytes: number };
  }

  /** Inside the transaction that asks. */
  add({ id, skill, owner, request, callback, now }: NewRow): void {
    const { body, context, ...rest } = request;
    this.#db.run(
      `INSERT INTO _skill_http(id, skill, owner, request, body, context, callback, bytes, created_at)
       VALUES (@id, @skill, @owner, @request, @body, @context, @callback, @bytes, @now)`,
      {
        id,
        skill,
        owner,
        request: JSON.stringify(rest),
        body: body ?? null,
        context: context === undefined ? null : encode(context, 'context'),
        callback: callback.kind === 'global' ? callback.name : callback.kind === 'closure' ? '' : null,
        bytes: sizeOf(request),
        now,
      },
    );
  }

  /** Skills that have something to send or to handle now. */
  due(now: number): readonly string[] {
    return this.#read(`SELECT DISTINCT skill FROM _skill_http WHERE ${DUE}`).pluck().all({ now }) as string[];
  }

  /** Rows that wait to be sent, oldest first. */
  unsent(sender: Sender, now: number, limit: number): readonly string[] {
    return this.#read(`SELECT id FROM _skill_http WHERE ${WHOSE} AND answered = 0 AND ${DUE} ORDER BY seq LIMIT @limit`)
      .pluck()
      .all({ ...sender, now, limit }) as string[];
  }

  /** How many answers wait to be handled. */
  answered(sender: Sender): number {
    return this.#read(`SELECT count(*) FROM _skill_http WHERE ${WHOSE} AND answered = 1`)
      .pluck()
      .get({ ...sender }) as number;
  }

  /** The oldest row whose answer is to be handled now. */
  nextAnswered(sender: Sender, now: number): string | undefined {
    return this.#read(`SELECT id FROM _skill_http WHERE ${WHOSE} AND answered = 1 AND ${DUE} ORDER BY seq LIMIT 1`)
      .pluck()
      .get({ ...sender, now }) as string | undefined;
  }

  /** What is to be sent; undefined when it has been answered or is gone. */
  request(id: string): HttpRequest | undefined {
    const row = this.#read(`${ROW} WHERE id = ?`).get(id) as StoredRow | undefined;
    return row === undefined || row.answer !== null ? undefined : requestOf(row);
  }

  /** Stores the answer, unless there is one. Inside a transaction. */
  answer(id: string, { body, ...rest }: HttpAnswer): void {
    this.#db.run(
      'UPDATE _skill_http SET answered = 1, answer = ?, answer_body = ?, body = NULL WHERE id = ? AND answered = 0',
      [JSON.stringify(rest), body ?? null, id],
    );
  }

  /** Takes an answered row out. Inside the transaction that handles it. */
  take(id: string): AnsweredRow | undefined {
    const row = this.#db.prepare(`${ROW} WHERE id = ?`).get(id) as StoredRow | undefined;
    if (row?.answer === undefined || row.answer === null) return undefined;
    this.remove(id);
    const { callback, context } = row;
    return {
      id,
      request: requestOf(row),
      answer: {
        ...(JSON.parse(row.answer) as HttpAnswer),
        ...(row.answerBody === null ? {} : { body: row.answerBody }),
      },
      callback:
        callback === null
          ? { kind: 'none' }
          : callback === ''
            ? { kind: 'closure' }
            : { kind: 'global', name: callback },
      context: context === null ? undefined : decode(context, this.#lua),
    };
  }

  /** Writes down that handling the answer failed; returns how often that is now. Inside a transaction. */
  failed(id: string, error: string): number {
    this.#db.run('UPDATE _skill_http SET attempts = attempts + 1, error = ? WHERE id = ?', [error, id]);
    const attempts = this.#db.prepare('SELECT attempts FROM _skill_http WHERE id = ?').pluck().get(id);
    return (attempts as number | undefined) ?? 0;
  }

  /** Inside a transaction. */
  postpone(id: string, until: number): void {
    this.#db.run('UPDATE _skill_http SET due_at = ? WHERE id = ?', [until, id]);
  }

  /** Inside a transaction. */
  remove(id: string): void {
    this.#db.run('DELETE FROM _skill_http WHERE id = ?', [id]);
  }

  /** Forgets a skill. Inside a transaction. */
  removeAll(skill: string): void {
    this.#db.run('DELETE FROM _skill_http WHERE skill = ?', [skill]);
  }

  /** Whether other processes' own scripts have asked for something. */
  othersAsked({ skill, owner }: Sender): boolean {
    return (
      this.#read('SELECT 1 FROM _skill_http WHERE skill = ? AND owner <> ? LIMIT 1').get(skill, owner) !== undefined
    );
  }

  /** Takes over what scripts of processes that are gone had asked for. Inside a transaction. */
  adopt({ skill, owner }: Sender, before: number): void {
    this.#db.run('UPDATE _skill_http SET owner = ? WHERE skill = ? AND owner <> ? AND created_at < ?', [
      owner,
      skill,
      owner,
      before,
    ]);
  }

  #read(sql: string): ReturnType<Database['prepareRead']> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepareRead(sql)));
    return statement;
  }
}

/** About what a request takes in the file. */
export const sizeOf = ({ url, headers, body }: HttpRequest): number =>
  url.length + JSON.stringify(headers).length + (body?.length ?? 0);

function requestOf(row: StoredRow): HttpRequest {
  return { ...(JSON.parse(row.request) as Omit<HttpRequest, 'body'>), body: row.body ?? undefined };
}
