/**
 * Matches logged changes against filters, by SQLite itself and many filters at once.
 *
 * The changed rows are copied into a temp table declared like the original (types, collations), under its name, so that a
 * filter means there what it means on the table. Filters that differ only in their constants share a shape: the
 * constants are rows of a typed temp table, and matching all of them is one indexed join.
 * Invariant: everything here lives on the reader, where other people's rollbacks cannot undo it.
 */
import { randomBytes } from 'node:crypto';
import { quoteName, sameName } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import type { Filter } from './filters.ts';
import { LOG_WIDTH } from './layout.ts';
import type { LoggedColumn, TableLayout } from './layout.ts';
import { OP } from './triggers.ts';

/** What a filter saw of one change. */
export interface Match {
  old: boolean;
  now: boolean;
}

/** Called for every row image that a watcher's filter matches. */
export type OnMatch = (logSeq: number, side: 'old' | 'now', watcherId: string) => void;

/** Called for a row that a filter cannot be applied to. */
export type OnError = (error: unknown, filter: Filter, logSeq: number) => void;

type Statement = ReturnType<Database['prepare']>;

interface Shape {
  readonly filter: Filter;
  /** Watchers of a shape without constants; those with constants are rows of the parameter table. */
  readonly watchers: Set<string>;
  readonly parameters: string;
  match: Statement | undefined;
}

const OLD = 0;
const NOW = 1;

/** The filters on one table. Rebuilt when the table's layout changes. */
export class TableShapes {
  readonly #db: Database;
  readonly #layout: TableLayout;
  readonly #image: string;
  readonly #shapes = new Map<string, Shape>();
  readonly #fills = new Map<number, readonly Statement[]>();
  readonly #clear: Statement;

  constructor(db: Database, layout: TableLayout) {
    this.#db = db;
    this.#layout = layout;
    const name = `_capsule_image_${layout.id}_${unique()}`;
    this.#image = `temp.${name}`;
    db.reader.exec(
      `CREATE TEMP TABLE ${name} (${[
        '_capsule_seq',
        '_capsule_side',
        ...layout.columns.map(declaration),
        ...rowidColumns(layout),
      ].join(', ')})`,
    );
    this.#clear = db.prepareRead(`DELETE FROM ${this.#image}`);
  }

  get empty(): boolean {
    return this.#shapes.size === 0;
  }

  add(watcherId: string, filter: Filter): void {
    const shape = this.#shapes.get(filter.shape) ?? this.#create(filter);
    if (filter.columns.length === 0) {
      shape.watchers.add(watcherId);
      return;
    }
    shape.watchers.add(watcherId);
    this.#db.reader
      .prepare(`INSERT INTO ${shape.parameters} VALUES ('${watcherId}', ${filter.constants.join(', ')})`)
      .run();
  }

  remove(watcherId: string, filter: Filter): void {
    const shape = this.#shapes.get(filter.shape);
    if (shape === undefined || !shape.watchers.delete(watcherId)) return;
    if (shape.watchers.size === 0) {
      this.#shapes.delete(filter.shape);
      if (filter.columns.length > 0) this.#db.reader.exec(`DROP TABLE ${shape.parameters}`);
    } else if (filter.columns.length > 0) {
      this.#db.reader.prepare(`DELETE FROM ${shape.parameters} WHERE _capsule_watcher = ?`).run(watcherId);
    }
  }

  /** Matches the log rows of `(from, to]` that were logged under `layouts`. A filter that fails on a row does not match it. */
  match(from: number, to: number, layouts: readonly TableLayout[], onMatch: OnMatch, onError: OnError): void {
    const failed: Shape[] = [];
    this.#copy(from, to, layouts);
    for (const shape of this.#shapes.values()) {
      try {
        this.#run(shape, onMatch);
      } catch {
        failed.push(shape);
      }
    }
    if (failed.length === 0) return;
    // One by one, so that a row which a filter cannot be applied to (malformed JSON) hides no other.
    for (const seq of this.#copied()) {
      this.#copy(seq - 1, seq, layouts);
      for (const shape of failed) {
        try {
          this.#run(shape, onMatch);
        } catch (error) {
          onError(error, shape.filter, seq);
        }
      }
    }
  }

  #copy(from: number, to: number, layouts: readonly TableLayout[]): void {
    this.#clear.run();
    for (const layout of layouts) for (const fill of this.#fill(layout)) fill.run(from, to);
  }

  #copied(): readonly number[] {
    const seqs = this.#db.prepareRead(`SELECT DISTINCT _capsule_seq FROM ${this.#image} ORDER BY 1`).pluck();
    return seqs.all() as number[];
  }

  #run(shape: Shape, onMatch: OnMatch): void {
    const rows = shape.match?.all() as [number, number, string?][];
    for (const [seq, side, watcher] of rows) {
      if (watcher !== undefined) onMatch(seq, side === OLD ? 'old' : 'now', watcher);
      else for (const id of shape.watchers) onMatch(seq, side === OLD ? 'old' : 'now', id);
    }
  }

  close(): void {
    for (const shape of this.#shapes.values()) {
      if (shape.filter.columns.length > 0) this.#db.reader.exec(`DROP TABLE IF EXISTS ${shape.parameters}`);
    }
    this.#db.reader.exec(`DROP TABLE IF EXISTS ${this.#image}`);
  }

  #create(filter: Filter): Shape {
    const name = `_capsule_shape_${this.#layout.id}_${unique()}`;
    const shape: Shape = { filter, watchers: new Set(), parameters: `temp.${name}`, match: undefined };
    const table = quoteName(this.#layout.table);
    const rest = filter.rest === '' ? '' : `(${filter.rest}\n)`;
    if (filter.columns.length === 0) {
      shape.match = this.#db
        .prepareRead(`SELECT _capsule_seq, _capsule_side FROM ${this.#image} AS ${table} WHERE ${rest}`)
        .raw();
    } else {
      // The constant's column has the type and collation of the table's: the comparison is then the one SQLite would make.
      const columns = filter.columns.map((column, index) => ({ ...column, name: `_capsule_constant_${index}` }));
      this.#db.reader.exec(
        `CREATE TEMP TABLE ${name} (_capsule_watcher, ${columns.map(declaration).join(', ')});
         CREATE INDEX temp.${name}_index ON ${name} (${columns.map((column) => column.name).join(', ')});
         CREATE INDEX temp.${name}_watcher ON ${name} (_capsule_watcher)`,
      );
      const joins = filter.columns.map(
        (column, index) => `p._capsule_constant_${index} = ${table}.${quoteName(column.name)}`,
      );
      const conditions = [...joins, ...(rest === '' ? [] : [rest])].join(' AND ');
      shape.match = this.#db
        .prepareRead(
          `SELECT _capsule_seq, _capsule_side, p._capsule_watcher
           FROM ${this.#image} AS ${table} CROSS JOIN ${shape.parameters} AS p WHERE ${conditions}`,
        )
        .raw();
    }
    this.#shapes.set(filter.shape, shape);
    return shape;
  }

  /** Statements that copy one range of the log, as logged under `source`, into the image table. Columns go by name. */
  #fill(source: TableLayout): readonly Statement[] {
    const known = this.#fills.get(source.id);
    if (known !== undefined) return known;
    const value = (prefix: 'o' | 'n', column: LoggedColumn): string =>
      logged(
        prefix,
        source.columns.findIndex((one) => sameName(one.name, column.name)),
      );
    const rowid = (prefix: 'o' | 'n'): string =>
      logged(prefix, source.rowidColumn >= 0 ? source.rowidColumn : source.logsRowid ? source.columns.length : -1);
    const copy = (prefix: 'o' | 'n', side: number, ops: readonly number[]): Statement => {
      const values = [
        ...this.#layout.columns.map((column) => value(prefix, column)),
        ...rowidColumns(this.#layout).map(() => rowid(prefix)),
      ];
      return this.#db.prepareRead(
        `INSERT INTO ${this.#image} SELECT l.seq, ${side}, ${values.join(', ')} FROM main._capsule_log l
         WHERE l.seq > ? AND l.seq <= ? AND l.table_id = ${source.id} AND l.op IN (${ops.join(', ')})`,
      );
    };
    const fills = [
      copy('o', OLD, [OP.update, OP.delete, OP.candidate, OP.rowidCandidate]),
      copy('n', NOW, [OP.insert, OP.update]),
    ];
    this.#fills.set(source.id, fills);
    return fills;
  }
}

/** Names on the reader are shared with whoever else runs on it, such as this plugin's earlier version during a reload. */
const unique = (): string => randomBytes(6).toString('hex');

/** Where value `index` of a row image stands: in its head row, or so many rows before it. */
function logged(prefix: 'o' | 'n', index: number): string {
  if (index < 0) return 'NULL';
  const slot = `${prefix}${index % LOG_WIDTH}`;
  const chunk = Math.floor(index / LOG_WIDTH);
  return chunk === 0 ? `l.${slot}` : `(SELECT c.${slot} FROM main._capsule_log c WHERE c.seq = l.seq - ${chunk})`;
}

function declaration(column: LoggedColumn): string {
  const collation = column.collation === '' ? '' : ` COLLATE ${quoteName(column.collation)}`;
  return `${quoteName(column.name)} ${column.affinity}${collation}`;
}

/** Columns that answer to the rowid's names, which a copy would otherwise answer with its own rowid. */
function rowidColumns(layout: TableLayout): readonly string[] {
  if (layout.rowidName === undefined) return [];
  return ['rowid', '_rowid_', 'oid']
    .filter((name) => !layout.columns.some((column) => sameName(column.name, name)))
    .map((name) => `${name} INTEGER`);
}
