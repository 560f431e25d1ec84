/**
 * The triggers that fill the log: pure SQL, so that they fire for every program.
 *
 * Invariants: they copy column values and nothing else; an UPDATE that changes no byte logs nothing; they keep to the
 * syntax of SQLite 3.38, because older programs must be able to open the file.
 *
 * Operations in the log: 1 INSERT, 2 UPDATE, 3 DELETE; 7 is an UPDATE of nothing but a rowid that is no part of the row, which is
 * no change, but may have replaced another row; 8 and 9 are candidates for rows that REPLACE removes without
 * firing a delete trigger (see docs/decisions/001); 10 + k is the k-th continuation of a wide row, logged before its head.
 */
import { nameOf, quoteName, sameName, tokenize } from '../../sdk/plugin.ts';
import { identity, rowidIndex } from './images.ts';
import { continuationsOf, LOG_WIDTH } from './layout.ts';
import type { LoggedColumn, TableLayout, UniqueKey } from './layout.ts';

export const OP = {
  insert: 1,
  update: 2,
  delete: 3,
  renumbered: 7,
  rowidCandidate: 8,
  candidate: 9,
  continuation: 10,
} as const;

/** Name and statement of one trigger. */
export interface TriggerSql {
  readonly name: string;
  readonly sql: string;
}

const triggerName = (layout: TableLayout, what: string): string => `_capsule_${layout.id}_${what}`;

/** Recognises our triggers, and which layout they belong to. */
export function parseTriggerName(name: string): { readonly layoutId: number; readonly what: string } | undefined {
  const match = /^_capsule_(\d+)_(insert|update|delete|renumber|before_insert|before_update)$/.exec(name);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { layoutId: Number(match[1]), what: match[2] };
}

/** All triggers of a table, in the order in which they are to be created. `layout.id` must be set. */
export function triggersFor(layout: TableLayout, keys: readonly UniqueKey[]): readonly TriggerSql[] {
  const table = quoteName(layout.table);
  const make = (what: string, timing: string, when: string, body: string): TriggerSql => {
    const name = triggerName(layout, what);
    const condition = when === '' ? '' : ` WHEN ${when}`;
    return { name, sql: `CREATE TRIGGER ${quoteName(name)} ${timing} ON ${table}${condition} BEGIN ${body} END` };
  };
  const result = [
    make('insert', 'AFTER INSERT', '', logRow(layout, OP.insert, [], images(layout, 'NEW'))),
    make(
      'update',
      'AFTER UPDATE',
      changed(layout),
      logRow(layout, OP.update, images(layout, 'OLD'), images(layout, 'NEW')),
    ),
    make('delete', 'AFTER DELETE', '', logRow(layout, OP.delete, images(layout, 'OLD'), [])),
  ];
  if (rowidIndex(layout) < 0 && layout.rowidName !== undefined) {
    const moved = `OLD.${layout.rowidName} IS NOT NEW.${layout.rowidName}`;
    const body = logRow(layout, OP.renumbered, images(layout, 'OLD'), images(layout, 'NEW'));
    result.push(make('renumber', 'AFTER UPDATE OF rowid, _rowid_, oid', `${moved} AND NOT (${changed(layout)})`, body));
  }
  const conflicts = conflictConditions(layout, keys);
  if (conflicts.all.length === 0) return result;
  const exists = conflicts.all.map((condition) => `EXISTS(SELECT 1 FROM ${table} WHERE ${condition})`).join(' OR ');
  result.push(make('before_insert', 'BEFORE INSERT', exists, logCandidates(layout, conflicts, '')));
  const others = `NOT (${sameRow(layout)})`;
  const existOthers = conflicts.all
    .map((condition) => `EXISTS(SELECT 1 FROM ${table} WHERE (${condition}) AND ${others})`)
    .join(' OR ');
  result.push(
    make(
      'before_update',
      `BEFORE UPDATE OF ${uniqueColumns(layout, keys)}`,
      existOthers,
      logCandidates(layout, conflicts, others),
    ),
  );
  return result;
}

/** References to every logged value of a row image. `source` is OLD, NEW, or empty for the columns of a SELECT. */
function images(layout: TableLayout, source: 'OLD' | 'NEW' | ''): readonly string[] {
  const prefix = source === '' ? '' : `${source}.`;
  const values = layout.columns.map((column) => prefix + quoteName(column.name));
  if (layout.logsRowid) values.push(`${source === '' ? quoteName(layout.table) : source}.${layout.rowidName}`);
  return values;
}

/** The statements that log one row: continuations from the last chunk down, then the head. */
function logRow(layout: TableLayout, op: number, old: readonly string[], now: readonly string[]): string {
  return chunks(layout)
    .map((chunk) => {
      const { names, values } = chunkValues(chunk, old, now);
      return `INSERT INTO _capsule_log(table_id, op${names}) VALUES (${layout.id}, ${opOf(chunk, String(op))}${values});`;
    })
    .join(' ');
}

interface Conflicts {
  readonly all: readonly string[];
  /** The conflict on the rowid, when the table has one that SQLite may assign itself. */
  readonly rowid?: string;
  readonly others: readonly string[];
}

function logCandidates(layout: TableLayout, conflicts: Conflicts, restriction: string): string {
  const where = conflicts.all.map((condition) => `(${condition})`).join(' OR ');
  const restricted = restriction === '' ? where : `(${where}) AND ${restriction}`;
  const kind = candidateKind(conflicts);
  const old = images(layout, '');
  const now = images(layout, 'NEW');
  const table = quoteName(layout.table);
  if (continuationsOf(layout) === 0) {
    const { names, values } = chunkValues(0, old, now);
    const select = `SELECT ${layout.id}, ${kind}${values} FROM ${table} WHERE ${restricted}`;
    return `INSERT INTO _capsule_log(table_id, op${names}) ${select};`;
  }
  // One statement for all chunks of all rows, so that each row's continuations stand right before its head.
  const numbers = chunks(layout)
    .map((chunk) => `SELECT ${chunk} AS _capsule_chunk`)
    .join(' UNION ALL ');
  const op = `CASE _capsule_chunk WHEN 0 THEN ${kind} ELSE ${OP.continuation} + _capsule_chunk END`;
  const pick = (all: readonly string[], slot: number): string => {
    const cases = chunks(layout).map((chunk) => `WHEN ${chunk} THEN ${all[chunk * LOG_WIDTH + slot] ?? 'NULL'}`);
    return `CASE _capsule_chunk ${cases.join(' ')} END`;
  };
  const slots = Array.from({ length: LOG_WIDTH }, (_, slot) => slot);
  const names = [...slots.map((slot) => `o${slot}`), ...slots.map((slot) => `n${slot}`)].join(', ');
  const values = [...slots.map((slot) => pick(old, slot)), ...slots.map((slot) => pick(now, slot))].join(', ');
  const order =
    ownRowid(layout) ??
    identity(layout)
      .map((index) => quoteName(layout.columns[index]?.name ?? ''))
      .join(', ');
  return (
    `INSERT INTO _capsule_log(table_id, op, ${names}) SELECT ${layout.id}, ${op}, ${values} ` +
    `FROM ${table}, (${numbers}) WHERE ${restricted} ORDER BY ${order}, _capsule_chunk DESC;`
  );
}

/**
 * Before an INSERT that lets SQLite choose the rowid, NEW.rowid is −1; a row that conflicts on nothing but the rowid is
 * therefore marked, and the reader believes it only if the row inserted really got that rowid.
 */
function candidateKind(conflicts: Conflicts): string {
  if (conflicts.rowid === undefined) return String(OP.candidate);
  if (conflicts.others.length === 0) return String(OP.rowidCandidate);
  const others = conflicts.others.map((condition) => `ifnull(${condition}, 0)`).join(' OR ');
  return `CASE WHEN ${others} THEN ${OP.candidate} ELSE ${OP.rowidCandidate} END`;
}

function conflictConditions(layout: TableLayout, keys: readonly UniqueKey[]): Conflicts {
  const name = rowidOf(layout);
  // -1 stands for a rowid yet to be chosen; where an image holds the rowid, the reader tells the two apart.
  const chosen = rowidIndex(layout) < 0 ? ` AND NEW.${name ?? ''} <> -1` : '';
  const rowid = name === undefined ? undefined : `${ownRowid(layout)} = NEW.${name}${chosen}`;
  const others = keys.map((key) => {
    const parts = key.parts.map((part) =>
      part.isColumn
        ? `${part.sql} = ${newValue(layout, part.sql)} COLLATE ${quoteName(part.collation)}`
        : `(${part.sql}) = (${onNew(layout, part.sql)}) COLLATE ${quoteName(part.collation)}`,
    );
    if (key.where !== undefined) parts.push(`(${key.where})`, `(${onNew(layout, key.where)})`);
    return parts.join(' AND ');
  });
  return { all: rowid === undefined ? others : [rowid, ...others], ...(rowid === undefined ? {} : { rowid }), others };
}

/** What a column of the new row will hold, as far as it is known before the insert. An expression: it has no affinity of its own. */
function newValue(layout: TableLayout, quoted: string): string {
  const instead = layout.columns.find((column) => quoteName(column.name) === quoted)?.insteadOfNull;
  return instead === undefined ? `NEW.${quoted}` : `ifnull(NEW.${quoted}, (${instead}))`;
}

/**
 * An expression over the table's columns, evaluated on the NEW row: an inner SELECT whose columns carry their names.
 *
 * NEW's columns have their collation but no affinity, which a CAST gives back. NEW's values have been converted already, so
 * the cast changes none of them, but those that could not be: where one is there the expression sees them all as they are.
 */
function onNew(layout: TableLayout, expression: string): string {
  const names = tokenize(expression).flatMap((token) => nameOf(token) ?? []);
  const named = layout.columns.filter(
    ({ name, affinity }) => affinity !== '' && names.some((one) => sameName(one, name)),
  );
  const plain = evaluated(layout, expression, (column) => `NEW.${quoteName(column.name)}`);
  if (named.length === 0) return plain;
  const converted = named.map(({ name, affinity }) => {
    const types = affinity === 'TEXT' ? `'text', 'null'` : `'integer', 'real', 'null'`;
    return `typeof(NEW.${quoteName(name)}) IN (${types})`;
  });
  const cast = evaluated(layout, expression, (column) => {
    const value = `NEW.${quoteName(column.name)}`;
    if (!named.includes(column)) return value;
    const collation = column.collation === '' ? '' : ` COLLATE ${quoteName(column.collation)}`;
    return `CAST(${value} AS ${column.affinity === 'TEXT' ? 'TEXT' : 'NUMERIC'})${collation}`;
  });
  return `CASE WHEN ${converted.join(' AND ')} THEN ${cast} ELSE ${plain} END`;
}

function evaluated(layout: TableLayout, expression: string, value: (column: LoggedColumn) => string): string {
  const columns = layout.columns.map((column) => `${value(column)} AS ${quoteName(column.name)}`).join(', ');
  return `(SELECT (${expression}) FROM (SELECT ${columns}) AS ${quoteName(layout.table)})`;
}

/** What the rowid is called: its alias if the table declares one, else a name that no column took. */
function rowidOf(layout: TableLayout): string | undefined {
  const alias = layout.columns[layout.rowidColumn];
  return alias === undefined ? layout.rowidName : quoteName(alias.name);
}

/** The rowid in a query on the table itself. Beside a subquery an older SQLite (3.40) knows it only by its table's name. */
function ownRowid(layout: TableLayout): string | undefined {
  const name = rowidOf(layout);
  return name === undefined ? undefined : `${quoteName(layout.table)}.${name}`;
}

/** A key may hold NULL, and a table may have no key at all, so this compares with IS. */
function sameRow(layout: TableLayout): string {
  const rowid = rowidOf(layout);
  if (rowid !== undefined) return `${ownRowid(layout)} = OLD.${rowid}`;
  return identity(layout)
    .map((index) => quoteName(layout.columns[index]?.name ?? ''))
    .map((name) => `${name} IS OLD.${name}`)
    .join(' AND ');
}

/** Columns whose UPDATE can collide. A partial index, an expression or a generated column may read any column, so then all are listed. */
function uniqueColumns(layout: TableLayout, keys: readonly UniqueKey[]): string {
  const names = new Set<string>();
  for (const index of layout.key) names.add(quoteName(layout.columns[index]?.name ?? ''));
  for (const key of keys) for (const part of key.parts) if (part.isColumn) names.add(part.sql);
  const generated = new Set(
    layout.columns.filter((column) => column.generated === true).map((column) => quoteName(column.name)),
  );
  if (
    keys.some((key) => key.where !== undefined || key.parts.some((part) => !part.isColumn || generated.has(part.sql)))
  ) {
    for (const column of layout.columns) names.add(quoteName(column.name));
  }
  // SQLite does not check these names, and an UPDATE may name the rowid by any of them.
  if (layout.rowidName !== undefined) names.add('rowid').add('_rowid_').add('oid');
  return [...names].join(', ');
}

/** True when any byte of the row changed; a balanced tree, because SQLite limits the depth of expressions. */
function changed(layout: TableLayout): string {
  const differs = layout.columns.map((column) => {
    const name = quoteName(column.name);
    const byBytes = `OLD.${name} COLLATE BINARY IS NOT NEW.${name}`;
    // Without an affinity 1 and 1.0 are equal yet stored differently.
    return column.affinity === '' ? `(${byBytes} OR typeof(OLD.${name}) IS NOT typeof(NEW.${name}))` : byBytes;
  });
  if (layout.logsRowid) differs.push(`OLD.${layout.rowidName} IS NOT NEW.${layout.rowidName}`);
  return balanced(differs);
}

function balanced(conditions: readonly string[]): string {
  if (conditions.length <= 4) return conditions.join(' OR ');
  const middle = conditions.length >> 1;
  return `(${balanced(conditions.slice(0, middle))}) OR (${balanced(conditions.slice(middle))})`;
}

/** Chunk numbers in logging order: the last continuation first, the head (0) last. */
function chunks(layout: TableLayout): readonly number[] {
  const count = continuationsOf(layout);
  return Array.from({ length: count + 1 }, (_, index) => count - index);
}

const opOf = (chunk: number, head: string): string => (chunk === 0 ? head : String(OP.continuation + chunk));

function chunkValues(
  chunk: number,
  old: readonly string[],
  now: readonly string[],
): { readonly names: string; readonly values: string } {
  const slice = (all: readonly string[]): readonly string[] => all.slice(chunk * LOG_WIDTH, (chunk + 1) * LOG_WIDTH);
  const names = [...slice(old).map((_, index) => `o${index}`), ...slice(now).map((_, index) => `n${index}`)];
  const values = [...slice(old), ...slice(now)];
  return { names: names.map((name) => `, ${name}`).join(''), values: values.map((value) => `, ${value}`).join('') };
}
