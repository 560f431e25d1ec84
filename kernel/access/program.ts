/**
 * Reads a statement's program as EXPLAIN lists it: which b-trees and virtual tables it opens and what it does to them.
 *
 * Invariant: an opcode that is not known to be harmless, or that is used in an unknown way, becomes a reason in `opaque`.
 * Opcodes: https://sqlite.org/opcode.html; the flags are those of sqliteInt.h (OPFLAG_…).
 */
import type { WriteOperation } from './types.ts';

/** One row of EXPLAIN. */
export interface Instruction {
  readonly addr: number;
  readonly opcode: string;
  readonly p1: number;
  readonly p2: number;
  readonly p3: number;
  readonly p4: string | null;
  readonly p5: number;
}

/** A table or index as the program opens it: `database` is 0 for main, 1 for temp, more for attached ones. */
export interface OpenedTree {
  readonly database: number;
  readonly root: number;
  readonly nested: boolean;
  readonly forWriting: boolean;
  readonly operations: ReadonlySet<WriteOperation>;
  /** Positions of the columns read from it, or 'rows' when whole rows are. */
  readonly columns: ReadonlySet<number> | 'rows';
}

export interface OpenedVirtualTable {
  /** EXPLAIN shows nothing else of it. */
  readonly address: string;
  readonly nested: boolean;
  readonly written: boolean;
}

export interface Program {
  readonly trees: readonly OpenedTree[];
  readonly virtualTables: readonly OpenedVirtualTable[];
  readonly functions: ReadonlySet<string>;
  readonly recursive: boolean;
  /** The statement returns rows. */
  readonly returnsRows: boolean;
  /** Begins a write transaction on some database. */
  readonly writes: boolean;
  readonly opaque: ReadonlySet<string>;
}

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Registers, jumps, seeks, sorters and ephemeral tables: nothing that reaches beyond the cursors that are open. */
const HARMLESS = words(`
  Init Goto Gosub InitCoroutine Yield MustBeInt Jump Once If IfNot IsType Not IfNullRow SeekLT SeekLE SeekGE SeekGT
  IfNoHope NoConflict NotFound Found SeekRowid NotExists Last IfSizeBetween IfEmpty SorterSort Sort Rewind SorterNext Prev
  Next IdxLE IdxGT IdxLT IdxGE Or And IFindKey RowSetRead RowSetTest Program FkIfZero IsNull NotNull Ne Eq Gt Le Lt Ge
  ElseEq IfPos IfNotZero DecrJumpZero VNext VFilter Filter Return EndCoroutine Integer Int64 String String8 BeginSubrtn
  Null SoftNull Blob Variable Move Copy SCopy IntCopy FkCheck ResultRow CollSeq AddImm RealAffinity Cast Permutation
  Compare IsTrue ZeroOrNull TypeCheck Affinity MakeRecord Count BitAnd BitOr ShiftLeft ShiftRight Add Subtract Multiply
  Divide Remainder Concat BitNot OpenDup OpenAutoindex OpenEphemeral SorterOpen SequenceTest OpenPseudo Close ColumnsUsed
  SeekScan SeekHit Sequence NewRowid ResetCount SorterCompare SorterData Rowid NullRow SeekEnd SorterInsert DeferredSeek
  IdxRowid FinishSeek ResetSorter Real RowSetAdd Param FkCounter MemMax OffsetLimit CursorLock CursorUnlock VInitIn
  VColumn ClrSubtype GetSubtype SetSubtype FilterAdd Trace CursorHint ReleaseReg Noop Explain Abortable VerifyAbortable
  IfNotOpen Transaction ReadCookie VBegin TableLock
`);

/** What CREATE, ALTER, DROP, REINDEX and ANALYZE use besides. */
const SCHEMA_ONLY = words(`
  SetCookie CreateBtree ParseSchema LoadAnalysis DropTable DropIndex DropTrigger Destroy VCreate VDestroy VRename Expire
  SqlExec
`);

const ROLLBACK = 1; // OE_Rollback
const IS_UPDATE = 0x04; // OPFLAG_ISUPDATE
const ROOT_IN_REGISTER = 0x10; // OPFLAG_P2ISREG

interface Tree {
  database: number;
  root: number;
  nested: boolean;
  forWriting: boolean;
  operations: Set<WriteOperation>;
  columns: Set<number> | 'rows';
}

/** Analyses the rows of EXPLAIN. `changesSchema` admits the opcodes that only such statements have. */
export function analyseProgram(rows: readonly Instruction[], changesSchema: boolean): Program {
  const trees: Tree[] = [];
  const virtualTables: OpenedVirtualTable[] = [];
  const functions = new Set<string>();
  const opaque = new Set<string>();
  let cursors = new Map<number, Tree[]>();
  let program = -1;
  let recursive = false;
  let returnsRows = false;
  let writes = false;

  const open = (row: Instruction, tree: Pick<Tree, 'database' | 'root' | 'forWriting'>): Tree => {
    const opened: Tree = { ...tree, nested: program > 0, operations: new Set(), columns: new Set() };
    trees.push(opened);
    cursors.set(row.p1, [...(cursors.get(row.p1) ?? []), opened]);
    return opened;
  };
  const done = (row: Instruction, ...operations: readonly WriteOperation[]): void => {
    for (const tree of cursors.get(row.p1) ?? []) for (const operation of operations) tree.operations.add(operation);
  };

  rows.forEach((row, index) => {
    const { opcode, p1, p2, p3, p4, p5 } = row;
    if (row.addr === 0) {
      // Triggers' programs follow the statement's own, each counting from 0 and with cursors of its own.
      program += 1;
      cursors = new Map();
    }
    switch (opcode) {
      case 'OpenRead':
      case 'ReopenIdx':
      case 'OpenWrite':
        if ((p5 & ROOT_IN_REGISTER) === 0) open(row, { database: p3, root: p2, forWriting: opcode === 'OpenWrite' });
        // CREATE TABLE … AS and CREATE INDEX fill the b-tree they have just made.
        else if (!changesSchema) opaque.add('It opens a table that is only known while it runs.');
        return;
      case 'Clear':
        open({ ...row, p1: -1 }, { database: p2, root: p1, forWriting: true }).operations.add('delete');
        return;
      case 'Destroy':
        open({ ...row, p1: -1 }, { database: p3, root: p1, forWriting: true }).operations.add('delete');
        break;
      case 'Insert':
        done(row, (p5 & IS_UPDATE) === 0 ? 'insert' : 'update');
        return;
      case 'IdxInsert':
        // Of an index, or of a table WITHOUT ROWID, where it does not say whether it inserts or updates.
        done(row, 'insert', 'update');
        return;
      case 'Delete':
        recursive ||= takesFromQueue(rows, index);
        done(row, 'delete');
        return;
      case 'IdxDelete':
        done(row, 'delete', 'update');
        return;
      case 'Column':
        for (const tree of cursors.get(p1) ?? []) if (tree.columns !== 'rows') tree.columns.add(p2);
        return;
      case 'RowData':
      case 'Offset':
        for (const tree of cursors.get(p1) ?? []) tree.columns = 'rows';
        return;
      case 'RowCell':
        for (const tree of cursors.get(p2) ?? []) tree.columns = 'rows';
        return;
      case 'VOpen':
      case 'VUpdate':
        virtualTables.push({ address: p4 ?? '', nested: program > 0, written: opcode === 'VUpdate' });
        if (opcode === 'VUpdate' && p5 === ROLLBACK) opaque.add(ROLLS_BACK);
        return;
      case 'Function':
      case 'PureFunc':
      case 'AggStep':
      case 'AggStep1':
      case 'AggInverse':
      case 'AggValue':
      case 'AggFinal':
        if (p4 !== null) functions.add(p4.replace(/\(-?\d+\)$/, '').toLowerCase());
        return;
      case 'Halt':
      case 'HaltIfNull':
        if (p1 !== 0 && p2 === ROLLBACK) opaque.add(ROLLS_BACK);
        return;
      case 'AutoCommit':
      case 'Savepoint':
        opaque.add('It begins or ends a transaction.');
        return;
      case 'ResultRow':
        returnsRows ||= program === 0;
        return;
      case 'Transaction':
        writes ||= p2 !== 0;
        return;
    }
    if (HARMLESS.has(opcode) || (changesSchema && SCHEMA_ONLY.has(opcode))) return;
    opaque.add(`It uses the SQLite operation ${opcode}.`);
  });
  return { trees, virtualTables, functions, recursive, returnsRows, writes, opaque };
}

const ROLLS_BACK =
  'It may roll back the whole transaction (OR ROLLBACK, RAISE(ROLLBACK) or a constraint ON CONFLICT ROLLBACK).';

/**
 * A recursive query takes rows from its queue: NullRow of the pseudo-table that holds the current row, RowData (Column,
 * when ordered) of the queue into its register, Delete from the queue (generateWithRecursiveQuery in select.c).
 */
function takesFromQueue(rows: readonly Instruction[], index: number): boolean {
  const [current, taken, deleted] = [rows[index - 2], rows[index - 1], rows[index]];
  return (
    current?.opcode === 'NullRow' &&
    (taken?.opcode === 'RowData' || taken?.opcode === 'Column') &&
    taken.p1 === deleted?.p1 &&
    current.p1 !== deleted.p1
  );
}
