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

const TABLE = `
  CREATE TABLE IF NOT EXISTS _skill_http (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    skill TEXT NOT NULL,
    owner TEXT,
    request TEXT NOT NULL,
    body BLOB,
    context TEXT,
    callback TEXT,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    answer TEXT,
    answer_body BLOB,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT
  );
  CREATE INDEX IF NOT EXISTS idx_skill_http_skill ON _skill_http(skill, bytes);`;

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
const WHOSE = 'skill = @skill AND owner IS @owner';

export class OutboxStore {
  readonly #db: Database;
  readonly #lua: LuaService;
  /** Prepared on the reader: they are asked again and again. */
  readonly #statements = new Map<string, ReturnType<Database['prepareRead']>>();

  /** @throws GC_LOCKED */
  constructor(db: Database, lua: LuaService) {
    this.#db = db;
    this.#lua = lua;
    const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_skill_http'").get();
    if (known === undefined) db.write(() => db.exec(TABLE));
  }

  /** What a skill has in the outbox. Inside a transaction. */
  load(skill: string): { readonly rows: number; readonly bytes: number } {
    return this.#db
      .prepare('SELECT count(*) AS rows, coalesce(sum(bytes), 0) AS bytes FROM _skill_http WHERE skill = ?')
      .get(skill) as { rows: number; bytes: number };
  }

  /** Inside the transaction that asks. */
  add({ id, skill, owner, request, callback, now }: NewRow): void {
    const { body, context, ...rest } = request;
    this.#db.run(
      `INSERT INTO _skill_http(id, skill, owner, request, body, context, callback, bytes, created_at, due_at)
       VALUES (@id, @skill, @owner, @request, @body, @context, @callback, @bytes, @now, @now)`,
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
    return this.#read('SELECT DISTINCT skill FROM _skill_http WHERE due_at <= ?').pluck().all(now) as string[];
  }

  /** Rows that wait to be sent, oldest first. */
  unsent(sender: Sender, now: number, limit: number): readonly number[] {
    return this.#read(
      `SELECT seq FROM _skill_http WHERE ${WHOSE} AND answer IS NULL AND due_at <= @now ORDER BY seq LIMIT @limit`,
    )
      .pluck()
      .all({ ...sender, now, limit }) as number[];
  }

  /** How many answers wait to be handled. */
  answered(sender: Sender): number {
    return this.#read(`SELECT count(*) FROM _skill_http WHERE ${WHOSE} AND answer IS NOT NULL`)
      .pluck()
      .get({ ...sender }) as number;
  }

  /** The oldest row whose answer is to be handled now. */
  nextAnswered(sender: Sender, now: number): number | undefined {
    return this.#read(
      `SELECT seq FROM _skill_http WHERE ${WHOSE} AND answer IS NOT NULL AND due_at <= @now ORDER BY seq LIMIT 1`,
    )
      .pluck()
      .get({ ...sender, now }) as number | undefined;
  }

  /** What is to be sent; undefined when it has been answered or is gone. */
  request(seq: number): (HttpRequest & { readonly id: string }) | undefined {
    const row = this.#read(`${ROW} WHERE seq = ?`).get(seq) as StoredRow | undefined;
    return row === undefined || row.answer !== null ? undefined : { id: row.id, ...requestOf(row) };
  }

  /** Stores the answer, unless there is one. Inside a transaction. */
  answer(seq: number, { body, ...rest }: HttpAnswer, now: number): void {
    this.#db.run(
      'UPDATE _skill_http SET answer = ?, answer_body = ?, due_at = ?, body = NULL WHERE seq = ? AND answer IS NULL',
      [JSON.stringify(rest), body ?? null, now, seq],
    );
  }

  /** Takes an answered row out. Inside the transaction that handles it. */
  take(seq: number): AnsweredRow | undefined {
    const row = this.#db.prepare(`${ROW} WHERE seq = ?`).get(seq) as StoredRow | undefined;
    if (row?.answer === undefined || row.answer === null) return undefined;
    this.remove(seq);
    const { id, callback, context } = row;
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

  /** Writes down that handling the answer failed. Inside a transaction. */
  failed(seq: number, error: string): { readonly id: string; readonly attempts: number } {
    this.#db.run('UPDATE _skill_http SET attempts = attempts + 1, error = ? WHERE seq = ?', [error, seq]);
    const row = this.#db.prepare('SELECT id, attempts FROM _skill_http WHERE seq = ?').get(seq);
    return (row ?? { id: '', attempts: 0 }) as { id: string; attempts: number };
  }

  /** Inside a transaction. */
  postpone(seq: number, until: number): void {
    this.#db.run('UPDATE _skill_http SET due_at = ? WHERE seq = ?', [until, seq]);
  }

  /** Inside a transaction. */
  remove(seq: number): void {
    this.#db.run('DELETE FROM _skill_http WHERE seq = ?', [seq]);
  }

  /** Forgets a skill. Inside a transaction. */
  removeAll(skill: string): void {
    this.#db.run('DELETE FROM _skill_http WHERE skill = ?', [skill]);
  }

  #read(sql: string): ReturnType<Database['prepareRead']> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepareRead(sql)));
    return statement;
  }

  /** Takes over what scripts of processes that are gone had asked for. Inside a transaction. */
  adopt({ skill, owner }: Sender, before: number): void {
    this.#db.run('UPDATE _skill_http SET owner = ? WHERE skill = ? AND owner <> ? AND due_at < ?', [
      owner,
      skill,
      owner,
      before,
    ]);
  }
}

/** About what a request takes in the file. */
export const sizeOf = ({ url, headers, body }: HttpRequest): number =>
  url.length + JSON.stringify(headers).length + (body?.length ?? 0);

function requestOf(row: StoredRow): HttpRequest {
  return { ...(JSON.parse(row.request) as Omit<HttpRequest, 'body'>), body: row.body ?? undefined };
}
