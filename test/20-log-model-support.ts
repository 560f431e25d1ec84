/**
 * Random tables and random writes for the change log's property test, and the model that replays delivered events.
 *
 * Everything is decided by a list of small numbers, so that fast-check can shrink a failure by dropping and lowering them.
 */
import type { ChangeEvent } from '../plugins/capsule/types.ts';

/** Turns numbers into choices; answers 0 when they have run out. */
export class Choices {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(limit: number): number {
    const number = this.#numbers[this.#at] ?? 0;
    this.#at += 1;
    return number % limit;
  }

  /** True once in `n`. */
  once(n: number): boolean {
    return this.below(n) === n - 1;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

export interface ModelTable {
  readonly name: string;
  /** Columns that a statement may write. */
  readonly columns: readonly string[];
  /** Columns that may be named in ON CONFLICT (…). */
  readonly targets: readonly string[];
  readonly hasRowid: boolean;
  readonly sql: string;
  /** Statements to run after the table exists. */
  readonly extras: readonly string[];
}

const TYPES = [
  'INTEGER',
  'TEXT',
  '',
  'REAL',
  'NUMERIC',
  'BLOB',
  'TEXT COLLATE NOCASE',
  'JSON',
  'INTEGER NOT NULL DEFAULT 3',
  "TEXT NOT NULL DEFAULT 'd'",
];
const STRICT_TYPES = ['INTEGER', 'TEXT', 'ANY', 'REAL', 'BLOB', 'INTEGER NOT NULL DEFAULT 3'];
const CLAUSES = [
  '',
  '',
  '',
  ' ON CONFLICT REPLACE',
  ' ON CONFLICT IGNORE',
  ' ON CONFLICT FAIL',
  ' ON CONFLICT ROLLBACK',
];
const KEYS = ['rowid', 'none', 'desc', 'text', 'composite', 'without', 'withoutComposite', 'taken'] as const;

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A random table. `parent` may be referenced by it. */
export function randomTable(choices: Choices, name: string, parent: ModelTable | undefined): ModelTable {
  const key = choices.of(KEYS);
  const strict = choices.once(5);
  const type = (): string => choices.of(strict ? STRICT_TYPES : TYPES);
  const wide = choices.once(6) ? 17 + choices.below(20) : 0;
  const names = key === 'taken' ? ['rowid', 'oid', '_rowid_'] : ['id', 'order', 'c'];
  const plain = [...names, ...Array.from({ length: wide }, (_, index) => `w${index}`)];
  const columns: string[] = [];
  const constraints: string[] = [];
  const extras: string[] = [];
  const targets: string[] = [];
  plain.forEach((column, index) => {
    const clause = choices.of(CLAUSES);
    if (index === 0 && (key === 'rowid' || key === 'desc')) {
      columns.push(`${quote(column)} INTEGER PRIMARY KEY${key === 'desc' ? ' DESC' : ''}${clause}`);
      targets.push(quote(column));
    } else if (index === 0 && (key === 'text' || key === 'without')) {
      columns.push(
        `${quote(column)} ${strict ? 'TEXT' : choices.of(['TEXT', 'TEXT COLLATE NOCASE', ''])} PRIMARY KEY${clause}`,
      );
      targets.push(quote(column));
    } else {
      const unique = choices.once(4) ? ` UNIQUE${clause}` : '';
      columns.push(`${quote(column)} ${type()}${unique}`);
      if (unique !== '') targets.push(quote(column));
    }
  });
  if (key === 'composite' || key === 'withoutComposite') {
    constraints.push(`PRIMARY KEY (${quote('id')}, ${quote('order')})${choices.of(CLAUSES)}`);
    targets.push(`${quote('id')}, ${quote('order')}`);
  }
  // What REPLACE stores in place of NULL is known to no trigger before it does: no unique key is computed from such a column.
  const computable = !(columns[2] as string).includes('NOT NULL');
  const generated = choices.below(4);
  if (generated === 1)
    columns.push(
      `"g" ${strict ? 'ANY ' : ''}AS (${quote(names[2] as string)} || '!') ${choices.of(['VIRTUAL', 'STORED'])}`,
    );
  if (generated === 2) columns.push(`"g" ${strict ? 'ANY ' : ''}AS (ifnull(${quote(names[2] as string)}, 7)) VIRTUAL`);
  if (generated === 2 && choices.once(2) && computable)
    extras.push(`CREATE UNIQUE INDEX ${quote(`${name}_g`)} ON ${quote(name)}("g")`);
  if (choices.once(4) && computable) {
    extras.push(
      `CREATE UNIQUE INDEX ${quote(`${name}_p`)} ON ${quote(name)}(${quote(names[1] as string)}) WHERE ${quote(names[2] as string)} > 2`,
    );
  }
  if (choices.once(4) && computable) {
    const expression = choices
      .of(['lower(%)', 'length(%)', 'ifnull(%, 0) + 0', "abs(typeof(%) = 'text')"])
      .replace('%', quote(names[2] as string));
    extras.push(
      `CREATE UNIQUE INDEX ${quote(`${name}_e`)} ON ${quote(name)}(${expression}, ${quote(names[1] as string)} DESC)`,
    );
  }
  if (parent !== undefined && parent.targets.length > 0 && !parent.targets[0]?.includes(',')) {
    const action = (): string => choices.of(['CASCADE', 'SET NULL', 'CASCADE', 'SET DEFAULT']);
    constraints.push(
      `FOREIGN KEY (${quote(names[1] as string)}) REFERENCES ${quote(parent.name)}(${parent.targets[0] as string}) ON DELETE ${action()} ON UPDATE ${action()}`,
    );
  }
  const without = key === 'without' || key === 'withoutComposite';
  const options = [...(without ? ['WITHOUT ROWID'] : []), ...(strict ? ['STRICT'] : [])].join(', ');
  return {
    name,
    columns: plain,
    targets,
    hasRowid: !without,
    sql: `CREATE TABLE ${quote(name)} (${[...columns, ...constraints].join(', ')}) ${options}`,
    extras,
  };
}

/** Triggers as users write them, some of them before ours, some after. */
export function randomTrigger(choices: Choices, tables: readonly ModelTable[], index: number): string {
  const table = choices.of(tables);
  const other = choices.of(tables);
  const t = quote(table.name);
  const last = quote(table.columns[2] as string);
  const key = quote(table.columns[0] as string);
  const body = choices.of([
    ['AFTER UPDATE', `UPDATE ${t} SET ${last} = 7 WHERE ${key} = NEW.${key};`],
    ['AFTER INSERT', `UPDATE ${t} SET ${last} = 8 WHERE ${key} = NEW.${key};`],
    [
      'AFTER INSERT',
      `INSERT OR IGNORE INTO ${quote(other.name)}(${quote(other.columns[0] as string)}) VALUES (NEW.${key});`,
    ],
    ['AFTER DELETE', `DELETE FROM ${quote(other.name)} WHERE ${quote(other.columns[0] as string)} = OLD.${key};`],
    ['AFTER DELETE', `INSERT OR REPLACE INTO ${quote(other.name)}(${quote(other.columns[0] as string)}) VALUES (4);`],
    ['BEFORE INSERT', `DELETE FROM ${t} WHERE ${key} = NEW.${key};`],
    ['BEFORE UPDATE', `DELETE FROM ${quote(other.name)} WHERE ${quote(other.columns[0] as string)} = 5;`],
    ['BEFORE INSERT', `SELECT RAISE(IGNORE) WHERE NEW.${last} = 2;`],
    ['BEFORE DELETE', `SELECT RAISE(IGNORE) WHERE OLD.${key} = 3;`],
    ['AFTER UPDATE', `SELECT RAISE(ABORT, 'no') WHERE NEW.${last} = 1;`],
  ] as const);
  return `CREATE TRIGGER "user_${index}" ${body[0]} ON ${t} BEGIN ${body[1]} END`;
}

const VALUES = [
  '1',
  '2',
  '3',
  '4',
  '0',
  'NULL',
  "'a'",
  "'A'",
  "'b'",
  '1.0',
  '2.5',
  "''",
  "x'00ff'",
  "'2'",
  '-1',
  '9223372036854775807',
  '-9223372036854775808',
  '9e999',
  '-9e999',
  'char(97, 0, 98)',
  "'ä🎉'",
  '9007199254740993',
  '0.0',
  '-0.0',
  "'[1]'",
  "x'61'",
  '5',
  '5.0',
];

const value = (choices: Choices): string =>
  VALUES[choices.once(3) ? choices.below(VALUES.length) : choices.below(8)] as string;

/** One random statement that writes. */
export function randomWrite(choices: Choices, tables: readonly ModelTable[]): string {
  const table = choices.of(tables);
  const t = quote(table.name);
  const some = table.columns.filter((_, index) => index < 3 || choices.once(8));
  const list = some.map(quote).join(', ');
  const row = (): string => `(${some.map(() => value(choices)).join(', ')})`;
  const column = quote(
    table.columns.length > 3 && choices.once(4)
      ? (table.columns.at(-1) as string)
      : choices.of(table.columns.slice(0, 3)),
  );
  const where = choices.once(4)
    ? '1'
    : `${quote(choices.of(table.columns.slice(0, 3)))} ${choices.of(['=', '>', 'IS', '<>'])} ${value(choices)}`;
  const or = choices.of(['', ' OR REPLACE', ' OR IGNORE', ' OR FAIL', ' OR ABORT', ' OR REPLACE']);
  const target = table.targets.length === 0 || choices.once(3) ? '' : ` (${choices.of(table.targets)})`;
  switch (choices.below(13)) {
    case 0:
    case 1:
      return `INSERT${or} INTO ${t}(${list}) VALUES ${row()}`;
    case 2:
      return `INSERT${or} INTO ${t}(${list}) VALUES ${row()}, ${row()}, ${row()}`;
    case 3:
      return `INSERT INTO ${t}(${list}) VALUES ${row()} ON CONFLICT${target} DO NOTHING`;
    case 4:
      return `INSERT INTO ${t}(${list}) VALUES ${row()} ON CONFLICT${target} DO UPDATE SET ${column} = ${choices.of(['excluded.' + column, value(choices)])}`;
    case 5:
      return `REPLACE INTO ${t}(${some.slice(choices.below(2)).map(quote).join(', ')}) VALUES (${some
        .slice(choices.below(1))
        .map(() => value(choices))
        .join(', ')})`;
    case 6:
    case 7:
      return `UPDATE${or} ${t} SET ${column} = ${value(choices)} WHERE ${where}`;
    case 8:
      return `UPDATE${or} ${t} SET ${quote(table.columns[0] as string)} = ${value(choices)}, ${column} = ${column} WHERE ${where}`;
    case 9:
      return `DELETE FROM ${t} WHERE ${where}`;
    case 10:
      return table.hasRowid && table.columns[0] === 'id'
        ? `UPDATE${or} ${t} SET ${choices.of(['rowid', '_rowid_', 'oid'])} = ${1 + choices.below(5)} WHERE ${where}`
        : `DELETE FROM ${t}`;
    case 11:
      return `INSERT${or} INTO ${t}(${list}) SELECT ${some.map((name) => (choices.once(3) ? quote(name) : value(choices))).join(', ')} FROM ${t} LIMIT 2`;
    default:
      return `UPDATE${or} ${t} SET ${column} = x.v FROM (SELECT ${value(choices)} AS v, ${value(choices)} AS k) x WHERE ${t}.${quote(table.columns[0] as string)} = x.k`;
  }
}

type Image = Readonly<Record<string, unknown>>;

/** A value as text that tells apart what SQLite stores apart. */
export function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return `blob:${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return `[${value.map(textOf).join('|')}]`;
  if (typeof value === 'object' && value !== null) return `json:${JSON.stringify(value)}`;
  // JavaScript has one kind of number: 1 and 1.0 cannot be told apart here, nor 0.0 and -0.0.
  return typeof value === 'bigint' ? `number:${value}` : `${typeof value}:${String(value)}`;
}

export const imageText = (image: Image): string =>
  Object.entries(image)
    .map(([name, one]) => `${name}=${textOf(one)}`)
    .join('\u0001');

/** Replays events: what it holds must be what the table holds. */
export class ModelOfTable {
  /** Images by key. Rows that nothing identifies are a multiset: their key is the image with a number. */
  readonly #rows = new Map<string, string>();
  readonly #keyOf: (image: Image) => string | undefined;
  readonly #multiset: boolean;
  readonly problems: string[] = [];

  /** `keyOf` makes the key of an image, unless it holds none. */
  constructor(keyOf: (image: Image) => string | undefined, multiset: boolean) {
    this.#keyOf = keyOf;
    this.#multiset = multiset;
  }

  apply(event: ChangeEvent): void {
    const { oldData, newData } = event;
    if (oldData !== undefined) this.#take(event, oldData);
    if (newData === undefined) return;
    const text = imageText(newData);
    let key = this.#keyOf(newData) ?? `rowid ${textOf(event.rowId)}`;
    if (this.#multiset) for (let copy = 0; this.#rows.has(key); copy += 1) key = `${text}#${copy}`;
    if (this.#rows.has(key)) this.problems.push(`${event.seq} ${event.operation}: ${key} is there already`);
    this.#rows.set(key, text);
  }

  #take(event: ChangeEvent, oldData: Image): void {
    const text = imageText(oldData);
    const known = this.#keyOf(oldData);
    const key = known ?? `rowid ${textOf(event.rowId)}`;
    if (this.#rows.get(key) === text) {
      this.#rows.delete(key);
      return;
    }
    // The old rowid of an UPDATE that changes it is in no image of a table without a key.
    const found = known === undefined ? [...this.#rows].find(([, image]) => image === text) : undefined;
    if (found !== undefined) this.#rows.delete(found[0]);
    else
      this.problems.push(
        `${event.seq} ${event.operation}: old image of ${key} is ${text}, the model has ${this.#rows.get(key) ?? 'nothing'}`,
      );
  }

  get text(): string {
    return [...this.#rows.values()].sort().join('\n');
  }
}
