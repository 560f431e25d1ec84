/**
 * Random schemas for the property of live queries: teams ← users ← tasks ← tags, notes, with keys of every kind.
 *
 * Invariant: tables have the same columns in each of them, so that a SELECT fits any.
 */
import { Choices, numbers } from './80-live-grammar-choices.ts';

/** Columns of one sort hold values that can be equal. */
export type Sort = 'team' | 'user' | 'task' | 'num' | 'name' | 'any';

export interface Column {
  readonly name: string;
  readonly sort: Sort;
}

export interface Relation {
  readonly name: string;
  readonly columns: readonly Column[];
}

export interface Schema {
  readonly sql: string;
}

const columns = (list: string): readonly Column[] =>
  list.split(' ').map((one) => {
    const [name, sort] = one.split(':') as [string, Sort];
    return { name, sort };
  });

export const TABLES: readonly Relation[] = [
  { name: 'tasks', columns: columns('id:task user_id:user k:num v:any title:name') },
  { name: 'users', columns: columns('id:user name:name v:any team_id:team') },
  { name: 'tags', columns: columns('tag:name task:task') },
  { name: 'notes', columns: columns('task_id:task n:num body:name') },
  { name: 'teams', columns: columns('id:team label:name boss:user') },
];

export const VIEWS: readonly Relation[] = [
  { name: 'open', columns: columns('id:task k:num name:name') },
  { name: 'people', columns: columns('person:user called:name team:team') },
  { name: 'busy', columns: columns('user_id:user n:num most:num') },
  { name: 'marked', columns: columns('tag:name user_id:user') },
  { name: 'crew', columns: columns('tid:team uid:user label:name name:name') },
];

const VIEW_SQL = `
  CREATE VIEW open AS SELECT t.id, t.k, u.name FROM tasks t LEFT JOIN users u ON u.id = t.user_id WHERE t.k < 3;
  CREATE VIEW people(person, called, team) AS SELECT id, name, team_id FROM users;
  CREATE VIEW busy(user_id, n, most) AS SELECT user_id, count(*), max(k) FROM tasks GROUP BY user_id;
  CREATE VIEW marked AS SELECT DISTINCT g.tag, t.user_id FROM tags g JOIN tasks t ON t.id = g.task;
  CREATE VIEW crew AS SELECT m.id AS tid, u.id AS uid, m.label, u.name FROM teams m JOIN users u ON u.team_id = m.id;`;

// Teams and users may name each other.
const ROWS = `
  PRAGMA foreign_keys = OFF;
  INSERT OR IGNORE INTO teams(id, label, boss) VALUES (1, 'red', 1), (2, 'Blue', NULL), (3, 'A', 3);
  INSERT OR IGNORE INTO users(id, name, v, team_id) VALUES
    (1, 'A', 3, 1), (2, 'b', 1, 1), (3, 'C', 2, 2), (4, 'd', 2.5, NULL), (5, NULL, NULL, 3);
  INSERT OR IGNORE INTO tasks(id, user_id, k, v, title) VALUES
    (1, 1, 0, 1, 'A'), (2, 1, 1, 2, 'b'), (3, 2, 1, 'a', NULL), (4, 3, 2, NULL, 'a'), (5, 3, 3, 2.0, 'x'),
    (6, NULL, 2, 1, 'A'), (7, 2, 2, 1.0, 'y');
  INSERT OR IGNORE INTO tags(tag, task) VALUES ('x', 1), ('x', 1), ('A', 2), (NULL, 3), ('b', NULL);
  INSERT OR IGNORE INTO notes(task_id, n, body) VALUES (1, 0, 'A'), (1, 1, 'b'), (2, 1, NULL), (4, 2, 'x');
  PRAGMA foreign_keys = ON;`;

/** How a column `id` is the key of its table. */
interface Keyed {
  readonly id: string;
  /** Others can refer to it. */
  readonly isKey: boolean;
  /** It can be all of a table WITHOUT ROWID. */
  readonly whole: boolean;
}

function keyed(choices: Choices, type: string): Keyed {
  return choices.weigh<Keyed>([
    [4, () => ({ id: `id ${type} PRIMARY KEY`, isKey: true, whole: false })],
    [3, () => ({ id: `id ${type} NOT NULL PRIMARY KEY`, isKey: true, whole: true })],
    [1, () => ({ id: `id ${type} UNIQUE`, isKey: true, whole: false })],
    [2, () => ({ id: `id ${type} NOT NULL UNIQUE`, isKey: true, whole: false })],
    [1, () => ({ id: `id ${type}`, isKey: false, whole: false })],
    [
      1,
      () => ({
        id: type === 'TEXT' ? 'id TEXT COLLATE NOCASE PRIMARY KEY' : `id ${type}`,
        isKey: type === 'TEXT',
        whole: false,
      }),
    ],
  ]);
}

class SchemaBuilder {
  readonly #c: Choices;
  readonly #strict: boolean;

  constructor(choices: Choices) {
    this.#c = choices;
    this.#strict = choices.chance(15);
  }

  build(): string {
    const c = this.#c;
    const [team, user, task] = [this.#idType(), this.#idType(), this.#idType()];
    const teams = keyed(c, team);
    const users = keyed(c, user);
    const tasks = c.chance(15)
      ? { id: `id ${task} NOT NULL`, isKey: false, whole: true, more: ', PRIMARY KEY(id, k)' }
      : { ...keyed(c, task), more: c.chance(10) ? ', UNIQUE(user_id, k)' : '' };
    const boss = this.#refers(user, users.isKey && c.chance(30), 'users');
    const teamId = this.#refers(team, teams.isKey && c.chance(60), 'teams');
    const userId = this.#refers(user, users.isKey && c.chance(60), 'users');
    const onTag = this.#refers(task, tasks.isKey && c.chance(60), 'tasks');
    const onNote = this.#refers(task, tasks.isKey && c.chance(60), 'tasks');
    const generated = c.chance(15) ? `twice ${this.#strict ? 'INTEGER' : ''} GENERATED ALWAYS AS (2) VIRTUAL, ` : '';
    const notes = c.pick(['PRIMARY KEY(task_id, n)', 'UNIQUE(task_id, n)', 'UNIQUE(n, task_id)', 'CHECK (n > -9)']);
    return [
      `CREATE TABLE teams(${teams.id}, label ${this.#text()}, boss ${boss})${this.#end(teams.whole)};`,
      `CREATE TABLE users(${generated}${users.id}, name ${this.#text()}${c.chance(20) ? ' UNIQUE' : ''}, v ${this.#any()}, team_id ${teamId})${this.#end(users.whole)};`,
      `CREATE TABLE tasks(${tasks.id}, user_id ${userId}, ${generated}k INTEGER${c.chance(30) ? ' NOT NULL DEFAULT 0' : ''}, v ${this.#any()}, title ${this.#text()}${tasks.more})${this.#end(tasks.whole)};`,
      `CREATE TABLE tags(tag ${this.#text()}, task ${onTag})${this.#end(false)};`,
      `CREATE TABLE notes(task_id ${onNote} NOT NULL, n INTEGER NOT NULL, body ${this.#text()}, ${notes})${this.#end(notes.startsWith('PRIMARY'))};`,
      VIEW_SQL,
      c.pick(['', '', 'CREATE INDEX tu ON tasks(user_id);', 'CREATE INDEX tk ON tasks(k, user_id);']),
      c.pick(['', '', 'CREATE INDEX gt ON tags(task);', 'CREATE INDEX gt ON tags(tag, task);']),
      c.pick(['', '', 'CREATE INDEX uteam ON users(team_id);', 'CREATE UNIQUE INDEX un ON users(name);']),
      c.pick(['', '', '', this.#trigger()]),
      ROWS,
    ].join('\n');
  }

  #trigger(): string {
    return 'CREATE TRIGGER tr AFTER UPDATE OF v ON users BEGIN UPDATE tasks SET k = k + 1 WHERE user_id = NEW.id; END;';
  }

  #idType(): string {
    return this.#c.weigh([
      [8, () => 'INTEGER'],
      [5, () => 'TEXT'],
      [1, () => 'REAL'],
      [1, () => this.#any()],
      [1, () => (this.#strict ? 'INTEGER' : 'INT')],
      [1, () => (this.#strict ? 'TEXT' : 'VARCHAR(9)')],
    ]);
  }

  /** A column without affinity. */
  #any(): string {
    return this.#strict ? 'ANY' : '';
  }

  #text(): string {
    return this.#c.weigh([
      [14, () => 'TEXT'],
      [1, () => 'TEXT COLLATE NOCASE'],
      [1, () => this.#any()],
    ]);
  }

  #refers(type: string, really: boolean, table: string): string {
    const c = this.#c;
    const own = c.chance(93) ? type : this.#idType();
    if (!really) return own;
    const onDelete = c.pick(['CASCADE', 'SET NULL', 'NO ACTION', 'RESTRICT', 'SET DEFAULT']);
    const onUpdate = c.pick(['CASCADE', 'SET NULL', 'NO ACTION']);
    return `${own} REFERENCES ${table}(id) ON DELETE ${onDelete} ON UPDATE ${onUpdate}`;
  }

  #end(whole: boolean): string {
    const options = [...(this.#strict ? ['STRICT'] : []), ...(whole && this.#c.chance(40) ? ['WITHOUT ROWID'] : [])];
    return options.length === 0 ? '' : ` ${options.join(', ')}`;
  }
}

export const schemas = numbers(60).map((all): Schema => ({ sql: new SchemaBuilder(new Choices(all)).build() }));
