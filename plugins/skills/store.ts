/**
 * What is remembered of skills in the file: versions, states, and which tables are whose.
 *
 * Invariants: `installed_at` is set in the transaction that ran `on_install`, so a skill is installed exactly once. A
 * table belongs to the skill that created it, by name; a table that existed before belongs to nobody here.
 * `state` and `error` are for people and other processes to read: the state in the host that wrote last.
 */
import type { Database, UnitState } from '../../sdk/plugin.ts';
import type { AppliedMigration } from './migrations.ts';

const TABLES = `
  CREATE TABLE IF NOT EXISTS _skills (
    id TEXT PRIMARY KEY,
    version TEXT,
    hash TEXT,
    state TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    installed_at INTEGER,
    activated_at INTEGER,
    updated_at INTEGER NOT NULL,
    activated_ms REAL,
    error TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    approved TEXT
  );
  CREATE TABLE IF NOT EXISTS _skill_tables (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    skill TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS _skill_migrations (
    skill TEXT NOT NULL,
    number INTEGER NOT NULL,
    path TEXT NOT NULL,
    hash TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (skill, number)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS _skill_logs (
    id INTEGER PRIMARY KEY,
    skill TEXT NOT NULL,
    at INTEGER NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS idx_skill_logs_skill ON _skill_logs(skill, id);`;

/** One row of `_skills`. Times are Unix epochs in ms. */
export interface SkillRow {
  readonly version: string | null;
  readonly hash: string | null;
  readonly state: UnitState;
  readonly enabled: number;
  readonly installedAt: number | null;
  readonly error: string | null;
  readonly approved: string | null;
}

/** What other processes may change of a skill. */
export interface ControlRow {
  readonly id: string;
  readonly state: UnitState;
  readonly enabled: number;
  readonly approved: string | null;
}

/** The columns that change with the state. */
export interface StateRecord {
  readonly state: UnitState;
  readonly version: string | undefined;
  readonly hash: string | undefined;
  readonly error: string | undefined;
  readonly attempts: number;
  readonly activatedMs: number | undefined;
  readonly now: number;
}

export class SkillStore {
  readonly #db: Database;

  /** @throws GC_LOCKED */
  constructor(db: Database) {
    this.#db = db;
    const count = db.prepare(
      "SELECT count(*) FROM sqlite_schema WHERE name IN ('_skills', '_skill_tables', '_skill_migrations', '_skill_logs')",
    );
    if (count.pluck().get() !== 4) db.write(() => db.exec(TABLES));
  }

  read(id: string): SkillRow | undefined {
    return this.#db
      .prepare(
        'SELECT version, hash, state, enabled, installed_at AS installedAt, error, approved FROM _skills WHERE id = ?',
      )
      .get(id) as SkillRow | undefined;
  }

  /** Writes down that `on_install` has run. Inside its transaction. */
  installed(id: string, version: string, now: number): void {
    this.#db.run(
      `INSERT INTO _skills(id, version, state, installed_at, updated_at) VALUES (@id, @version, 'activating', @now, @now)
       ON CONFLICT(id) DO UPDATE SET version = @version, installed_at = @now, updated_at = @now`,
      { id, version, now },
    );
  }

  /** Migrations that have run, by number. */
  migrationsOf(id: string): readonly AppliedMigration[] {
    return this.#db
      .prepare('SELECT number, path, hash FROM _skill_migrations WHERE skill = ? ORDER BY number')
      .all(id) as AppliedMigration[];
  }

  /** Writes down that a migration has run. Inside its transaction. */
  migrated(id: string, { number, path, hash }: AppliedMigration, now: number): void {
    this.#db.run('INSERT INTO _skill_migrations(skill, number, path, hash, applied_at) VALUES (?, ?, ?, ?, ?)', [
      id,
      number,
      path,
      hash,
      now,
    ]);
  }

  /** Removes everything that is known of a skill, but its tables. Inside a transaction. */
  forget(id: string): void {
    this.#db.run('DELETE FROM _skill_tables WHERE skill = ?', [id]);
    this.#db.run('DELETE FROM _skill_migrations WHERE skill = ?', [id]);
    this.#db.run('DELETE FROM _skill_logs WHERE skill = ?', [id]);
    this.#db.run('DELETE FROM _skills WHERE id = ?', [id]);
  }

  /** Whether anything is known of a skill. */
  knows(id: string): boolean {
    return this.#db.prepare('SELECT 1 FROM _skills WHERE id = ?').get(id) !== undefined;
  }

  /** What the file says of all skills, for hosts that follow what others decide. */
  control(): readonly ControlRow[] {
    this.#controlStatement ??= this.#db.prepare('SELECT id, state, enabled, approved FROM _skills');
    return this.#controlStatement.all() as ControlRow[];
  }
  #controlStatement: ReturnType<Database['prepare']> | undefined;

  /** Writes down that a newer version has taken over. Inside its transaction. */
  upgraded(id: string, version: string, now: number): void {
    this.#db.run('UPDATE _skills SET version = ?, updated_at = ? WHERE id = ?', [version, now, id]);
  }

  /** The state as it is now; soon, and never inside somebody's transaction. */
  recordState(id: string, record: StateRecord): void {
    this.#db.deferWrite(() => {
      this.#db.run(
        `INSERT INTO _skills(id, version, hash, state, updated_at, error, attempts) VALUES (@id, @version, @hash, @state, @now, @error, @attempts)
         ON CONFLICT(id) DO UPDATE SET hash = coalesce(@hash, hash), state = @state, updated_at = @now, error = @error, attempts = @attempts,
           activated_at = iif(@state = 'active', @now, activated_at), activated_ms = coalesce(@activatedMs, activated_ms)`,
        { id, ...record },
      );
    });
  }

  /** @throws GC_LOCKED */
  setEnabled(id: string, enabled: boolean, now: number): void {
    this.#db.deferWrite(() => {
      this.#db.run(
        `INSERT INTO _skills(id, state, enabled, updated_at) VALUES (@id, 'discovered', @enabled, @now)
         ON CONFLICT(id) DO UPDATE SET enabled = @enabled, updated_at = @now`,
        { id, enabled: enabled ? 1 : 0, now },
      );
    });
    this.#db.flushDeferred();
  }

  approve(id: string, permissions: string, now: number): void {
    this.#db.deferWrite(() => {
      this.#db.run('UPDATE _skills SET approved = ?, updated_at = ? WHERE id = ?', [permissions, now, id]);
    });
    this.#db.flushDeferred();
  }

  /** The tables a skill created that still exist. */
  tablesOf(id: string): readonly string[] {
    const sql = `SELECT t.name FROM _skill_tables AS t WHERE t.skill = ?
      AND EXISTS (SELECT 1 FROM sqlite_schema AS s WHERE s.type = 'table' AND s.name = t.name COLLATE NOCASE)`;
    return this.#db.prepare(sql).pluck().all(id) as string[];
  }

  /** Forgets tables that are gone, so that one of the same name made later by others is not taken for the skill's. */
  forgetDropped(): void {
    const gone =
      "NOT EXISTS (SELECT 1 FROM sqlite_schema AS s WHERE s.type = 'table' AND s.name = _skill_tables.name COLLATE NOCASE)";
    if (this.#db.prepare(`SELECT 1 FROM _skill_tables WHERE ${gone} LIMIT 1`).get() === undefined) return;
    this.#db.deferWrite(() => this.#db.run(`DELETE FROM _skill_tables WHERE ${gone}`));
  }

  /** Inside the transaction that creates the table. */
  ownTable(id: string, table: string): void {
    this.#db.run(
      'INSERT INTO _skill_tables(name, skill) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET skill = excluded.skill',
      [table, id],
    );
  }

  /** Inside the transaction that drops the table. */
  disownTable(table: string): void {
    this.#db.run('DELETE FROM _skill_tables WHERE name = ?', [table]);
  }
}
