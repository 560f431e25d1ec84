/** Random writes for the property of live queries: whose they are, what they do, and how they end. */
import { Choices, numbers } from './80-live-grammar-choices.ts';

/** One transaction. */
export interface Transaction {
  readonly by: 'host' | 'undone' | 'outside' | 'raw' | 'savepoint';
  readonly statements: readonly string[];
}

/** What is done before the results are looked at. */
export type Work =
  | { readonly kind: 'transactions'; readonly all: readonly Transaction[] }
  /** The second is committed by another connection while the first is being delivered. */
  | { readonly kind: 'ahead'; readonly first: Transaction; readonly second: readonly string[] }
  /** Outside of any transaction, by the host or by another program. */
  | { readonly kind: 'alone'; readonly outside: boolean; readonly statement: string };

const NAMES = [
  "'A'",
  "'a'",
  "'b'",
  "'x'",
  "'ä'",
  'NULL',
  "'__proto__'",
  "'\u{1f600}'",
  "CAST(x'ff' AS TEXT)",
  "CAST(x'fe' AS TEXT)",
  "'\ufffd'",
] as const;
const VALUES = [
  '1',
  '2',
  '2.0',
  '1.0',
  '2.5',
  "'2'",
  "''",
  'NULL',
  "x'00ff'",
  "x'32'",
  '9007199254740993',
  '-9223372036854775808',
  "'a'",
  "'A'",
  '-0.0',
  '1e300',
] as const;
const VERBS = ['INSERT OR IGNORE', 'INSERT OR REPLACE', 'REPLACE', 'INSERT OR IGNORE'] as const;

const BULK = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90)';

class WorkBuilder {
  readonly #c: Choices;
  readonly #bulk: boolean;

  constructor(choices: Choices, bulk: boolean) {
    this.#c = choices;
    this.#bulk = bulk;
  }

  work(): Work {
    const c = this.#c;
    return c.weigh<Work>([
      [20, () => ({ kind: 'transactions', all: [this.#transaction()] })],
      [4, () => ({ kind: 'transactions', all: c.many(2, 3, () => this.#transaction()) })],
      [2, () => ({ kind: 'ahead', first: this.#transaction(), second: this.#statements() })],
      [1, () => ({ kind: 'alone', outside: c.chance(50), statement: this.#alone() })],
    ]);
  }

  #transaction(): Transaction {
    const by = this.#c.pick(['host', 'host', 'host', 'undone', 'outside', 'outside', 'raw', 'savepoint'] as const);
    return { by, statements: this.#statements() };
  }

  #statements(): string[] {
    return this.#c.many(1, 3, () => (this.#bulk && this.#c.chance(40) ? this.#many() : this.#statement()));
  }

  #alone(): string {
    return this.#c.pick([
      'VACUUM',
      'CREATE INDEX IF NOT EXISTS later ON tasks(title)',
      'DROP INDEX IF EXISTS tu',
      'CREATE INDEX IF NOT EXISTS lv ON users(v, name)',
      'ANALYZE',
      'REINDEX',
    ]);
  }

  #statement(): string {
    const c = this.#c;
    const [id, user, task, team] = [this.#id(), this.#id(), this.#id(), this.#id()];
    const [k, v, name, verb] = [String(c.next(5)), c.pick(VALUES), c.pick(NAMES), c.pick(VERBS)];
    return c.weigh([
      [4, () => `UPDATE tasks SET k = ${k}, v = ${v} WHERE id = ${id}`],
      [4, () => `${verb} INTO tasks(id, user_id, k, v, title) VALUES (${id}, ${user}, ${k}, ${v}, ${name})`],
      [4, () => `${verb} INTO users(id, name, v, team_id) VALUES (${id}, ${name}, ${v}, ${team})`],
      [3, () => `UPDATE OR IGNORE tasks SET user_id = ${user} WHERE ${c.pick(['id', 'k'])} = ${k}`],
      [2, () => `UPDATE tasks SET title = ${name} WHERE k = ${k}`],
      [2, () => `UPDATE users SET v = ${v} WHERE id = ${id}`],
      [2, () => `UPDATE users SET team_id = ${team} WHERE id = ${id}`],
      [2, () => `UPDATE OR REPLACE users SET name = ${name} WHERE id = ${id}`],
      [3, () => `UPDATE OR IGNORE users SET id = ${user} WHERE id = ${id}`],
      [3, () => `UPDATE OR REPLACE tasks SET id = ${task} WHERE id = ${id}`],
      [2, () => `DELETE FROM users WHERE id = ${id}`],
      [2, () => `DELETE FROM tasks WHERE ${c.pick(['k', 'id'])} = ${k}`],
      [3, () => `INSERT INTO tags(tag, task) VALUES (${name}, ${task})`],
      [2, () => `UPDATE tags SET task = ${task} WHERE tag IS ${name}`],
      [1, () => `DELETE FROM tags WHERE ${c.pick([`tag = ${name}`, `task = ${task}`, '1'])}`],
      [1, () => `UPDATE tags SET rowid = rowid + ${k} WHERE task = ${task}`],
      [3, () => `${verb} INTO notes(task_id, n, body) VALUES (${task}, ${k}, ${name})`],
      [2, () => `UPDATE OR IGNORE notes SET n = ${k} WHERE task_id = ${task}`],
      [2, () => `UPDATE OR REPLACE notes SET task_id = ${task} WHERE n = ${k}`],
      [1, () => `DELETE FROM notes WHERE n = ${k}`],
      [2, () => `${verb} INTO teams(id, label, boss) VALUES (${team}, ${name}, ${user})`],
      [2, () => `UPDATE OR IGNORE teams SET id = ${team} WHERE id = ${id}`],
      [1, () => `DELETE FROM teams WHERE id = ${team}`],
      [
        2,
        () =>
          `UPDATE OR IGNORE ${c.pick(['users SET v = -v', 'tasks SET k = 4 - k', "tasks SET k = k + 1, v = v || 'x'", 'users SET v = 5 WHERE v < 2', 'tasks SET k = k', 'users SET id = id'])}`,
      ],
      [1, () => `INSERT INTO users(id, v) VALUES (${id}, ${v}) ON CONFLICT DO UPDATE SET v = excluded.v`],
    ]);
  }

  #many(): string {
    const c = this.#c;
    return c.pick([
      `${BULK} INSERT OR IGNORE INTO tasks(id, user_id, k, title) SELECT i + 10, i % 5 + 1, i, 't' || i FROM n`,
      'UPDATE tasks SET k = k + 1',
      'DELETE FROM tasks WHERE k > 4',
      `${BULK} INSERT OR IGNORE INTO users(id, name, team_id) SELECT i + 10, 'u' || i, i % 3 + 1 FROM n`,
      'UPDATE users SET v = 1',
      "DELETE FROM users WHERE name LIKE 'u%'",
      `${BULK} INSERT OR IGNORE INTO tags(tag, task) SELECT 't' || i, i + 10 FROM n`,
      'DELETE FROM tasks WHERE k < 20',
      'UPDATE tasks SET user_id = 2 WHERE k % 2',
    ]);
  }

  #id(): string {
    const c = this.#c;
    return c.weigh([
      [12, () => String(1 + c.next(6))],
      [2, () => `'${1 + c.next(5)}'`],
      [
        1,
        () =>
          c.pick([
            'NULL',
            "'a'",
            "'A'",
            '2.0',
            '2.5',
            '9007199254740993',
            "CAST(x'ff' AS TEXT)",
            "CAST(x'fe' AS TEXT)",
            "x'31'",
          ]),
      ],
    ]);
  }
}

export const works = (bulk: boolean) => numbers(40).map((all): Work => new WorkBuilder(new Choices(all), bulk).work());
