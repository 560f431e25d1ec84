/**
 * Turns an analysed program into an {@link Access}, by giving names to what it opens.
 *
 * Invariant: whatever has no name becomes a reason in `opaque`.
 */
import type { ColumnFinder } from './columns.ts';
import type { OpenedTree, OpenedVirtualTable, Program } from './program.ts';
import { mentionsSequence } from './schema.ts';
import type { Owner, SchemaReader, SchemaSnapshot } from './schema.ts';
import type { Access, AccessKind, TableWrite, WriteOperation } from './types.ts';
import { virtualSources } from './virtual.ts';
import type { SchemaChange } from '../sql/schema-changes.ts';

/** Functions that reach outside the database, or into SQLite itself. */
const DANGEROUS = [
  'load_extension',
  'readfile',
  'writefile',
  'edit',
  'eval',
  'fts3_tokenizer',
  'sqlite_attach',
  'sqlite_detach',
];
const EVERY: readonly WriteOperation[] = ['insert', 'update', 'delete'];

/** What a statement is, before its program is looked at. */
export interface Subject {
  readonly sql: string;
  readonly kind: AccessKind;
  readonly schemaChange: SchemaChange | undefined;
}

/** Where names come from. */
export interface Names {
  readonly reader: SchemaReader;
  readonly columns: ColumnFinder;
  readonly snapshot: SchemaSnapshot;
  /** The access of reading all of a table or view; throws when there is none. */
  readonly readAll: (table: string) => Access;
}

type Writes = Map<string, { direct: Set<WriteOperation>; nested: Set<WriteOperation> }>;

/** Collects over one statement. */
export class AccessCollector {
  readonly #subject: Subject;
  readonly #names: Names;
  readonly #reads = new Set<string>();
  readonly #directReads = new Set<string>();
  readonly #writes: Writes = new Map();
  readonly #tempReads = new Set<string>();
  readonly #tempWrites: Writes = new Map();
  readonly #columns = new Map<string, Set<string> | 'all'>();
  readonly #virtualTables = new Set<string>();
  readonly #functions = new Set<string>();
  readonly #opaque = new Set<string>();
  readonly #namesSequence: boolean;
  #schemaReads = false;
  #recursive = false;

  constructor(subject: Subject, names: Names) {
    this.#subject = subject;
    this.#names = names;
    this.#namesSequence = names.snapshot.namesSequence || mentionsSequence(subject.sql);
    if (names.snapshot.ambiguous) this.#opaque.add('The schema gives one page of the file to two tables.');
  }

  collect(program: Program): Access {
    for (const reason of program.opaque) this.#opaque.add(reason);
    for (const name of program.functions) this.#function(name);
    this.#recursive ||= program.recursive;
    for (const tree of program.trees) this.#tree(tree);
    for (const table of program.virtualTables) this.#virtual(table);
    if (this.#subject.schemaChange?.module !== undefined) this.#sources(this.#subject.sql, false);

    const writes = program.writes || this.#writes.size > 0 || this.#tempWrites.size > 0;
    const kind = writes && this.#subject.kind === 'select' ? 'write' : this.#subject.kind;
    if (kind === 'write' && program.returnsRows) this.#readWhatReturns();
    return Object.freeze({
      kind,
      readonly: kind === 'select' && !writes,
      reads: this.#reads,
      directReads: this.#directReads,
      writes: this.#writes,
      temp: { reads: this.#tempReads, writes: this.#tempWrites },
      columns: kind === 'select' ? this.#columns : undefined,
      schemaReads: this.#schemaReads,
      virtualTables: this.#virtualTables,
      functions: this.#functions,
      recursive: this.#recursive,
      schemaChange: this.#subject.schemaChange,
      opaque: [...this.#opaque],
    });
  }

  #tree(tree: OpenedTree): void {
    const owner = this.#owner(tree);
    if (owner === undefined || this.#isBookkeeping(owner.table, tree)) return;
    const temp = tree.database === 1;
    if (tree.forWriting) {
      this.#write(
        temp ? this.#tempWrites : this.#writes,
        owner.table,
        tree.nested,
        tree.operations,
        owner.index !== undefined,
      );
    } else if (temp) {
      this.#tempReads.add(owner.table);
    } else {
      this.#read(owner.table, tree.nested);
      this.#column(owner.table, this.#subject.kind === 'select' ? this.#names.columns.of(tree, owner) : 'all');
    }
  }

  #owner(tree: OpenedTree): Owner | undefined {
    const owner =
      tree.database > 1 ? undefined : this.#names.snapshot.roots[tree.database === 1 ? 1 : 0].get(tree.root);
    if (tree.database > 1) this.#opaque.add('It uses an attached database.');
    else if (owner === undefined) this.#opaque.add('It opens a table that the schema does not name.');
    return owner;
  }

  /** SQLite's own tables, where SQLite and not the statement uses them. */
  #isBookkeeping(table: string, tree: OpenedTree): boolean {
    const { kind } = this.#subject;
    if (table === 'sqlite_schema') {
      if (!tree.forWriting) this.#schemaReads = true;
      else if (kind !== 'schema' && kind !== 'analyze') this.#opaque.add('It writes sqlite_schema.');
      return true;
    }
    if (table === 'sqlite_sequence') return !this.#namesSequence;
    return kind === 'schema' && tree.forWriting && /^sqlite_stat\d$/.test(table);
  }

  #read(table: string, nested: boolean): void {
    this.#reads.add(table);
    if (!nested) this.#directReads.add(table);
  }

  #column(table: string, names: readonly string[] | 'all'): void {
    const known = this.#columns.get(table);
    if (known === 'all') return;
    if (names === 'all') this.#columns.set(table, 'all');
    else this.#columns.set(table, new Set([...(known ?? []), ...names]));
  }

  #write(writes: Writes, table: string, nested: boolean, operations: Iterable<WriteOperation>, ofIndex: boolean): void {
    const entry = writes.get(table) ?? { direct: new Set(), nested: new Set() };
    writes.set(table, entry);
    // What is done to an index follows from what is done to its table, and says less exactly what that is.
    if (ofIndex) return;
    for (const operation of operations) (nested ? entry.nested : entry.direct).add(operation);
  }

  #function(name: string): void {
    this.#functions.add(name);
    if (DANGEROUS.includes(name)) this.#opaque.add(`It calls the function ${name}.`);
  }

  #virtual({ address, nested, written }: OpenedVirtualTable): void {
    const table = this.#names.reader.virtualTableAt(address, this.#names.snapshot);
    const change = this.#subject.schemaChange;
    if (table === undefined && change?.verb === 'alter') {
      // SQLite itself checks the rows with pragma_quick_check; an ALTER has no place where a table could be named besides.
      this.#read(change.name, nested);
      return;
    }
    if (table === undefined || table.temp) {
      this.#virtualTables.add(table?.name ?? '(unknown)');
      this.#opaque.add(
        table === undefined
          ? 'It uses a table-valued function or virtual table that is not known to be harmless.'
          : `It uses the temporary virtual table ${JSON.stringify(table.name)}.`,
      );
      return;
    }
    this.#virtualTables.add(table.name);
    if (table.sql === undefined) return;
    if (written) this.#write(this.#writes, table.name, nested, EVERY, false);
    else this.#read(table.name, nested);
    this.#column(table.name, 'all');
    this.#sources(table.sql, nested);
  }

  /** Adds what a virtual table reads by itself, such as the content table of fts5. */
  #sources(createSql: string, nested: boolean): void {
    const sources = virtualSources(createSql);
    for (const reason of sources.opaque) this.#opaque.add(reason);
    for (const source of sources.tables) {
      let access: Access;
      try {
        access = this.#names.readAll(source);
      } catch {
        this.#opaque.add(`It uses a virtual table over ${JSON.stringify(source)}, which cannot be read.`);
        continue;
      }
      for (const table of access.reads) {
        this.#read(table, nested);
        this.#column(table, 'all');
      }
      for (const name of access.virtualTables) this.#virtualTables.add(name);
      for (const name of access.functions) this.#function(name);
      for (const reason of access.opaque) this.#opaque.add(reason);
      this.#schemaReads ||= access.schemaReads;
      this.#recursive ||= access.recursive;
    }
  }

  /** RETURNING of an UPDATE or DELETE shows what was in the table; of an INSERT, what has just been put there. */
  #readWhatReturns(): void {
    const shows = ({ direct }: TableWrite): boolean => direct.has('update') || direct.has('delete');
    for (const [table, write] of this.#writes) if (shows(write)) this.#read(table, false);
    for (const [table, write] of this.#tempWrites) if (shows(write)) this.#tempReads.add(table);
  }
}
