/**
 * Which statements can be watched, and what wakes them.
 *
 * Invariant: whatever the result can depend on beside the time and chance is among the dependencies, or the statement is
 * refused.
 */
import { firstKeyword, GlyphError } from '../../sdk/plugin.ts';
import type { Access } from '../../sdk/plugin.ts';

/** A table that a query reads. */
export interface Dependency {
  /** As the schema spells it. */
  readonly table: string;
  /** In lower case. `all` where any UPDATE may matter. */
  readonly columns: ReadonlySet<string> | 'all';
  readonly names: readonly string[];
}

/** As SQLite folds names: ASCII letters only. */
export const fold = (name: string): string =>
  /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name;

/** @throws GC_BAD_ARGUMENT, GC_WRITE_IN_QUERY, GC_NOT_WATCHABLE */
export function assertWatchable(access: Access, sql: string): void {
  const { kind } = access;
  if (kind === 'empty') throw new GlyphError('GC_BAD_ARGUMENT', 'watch() was given no statement');
  if (kind === 'explain') throw notWatchable(sql, 'it explains a statement, and has no rows of its own');
  if (kind === 'pragma' || kind === 'transaction' || kind === 'attach' || kind === 'vacuum' || kind === 'analyze')
    throw notWatchable(sql, `it is a ${firstKeyword(sql)}`, 'Watch a SELECT.');
  if (kind !== 'select' || !access.readonly)
    throw new GlyphError(
      'GC_WRITE_IN_QUERY',
      `watch() takes a SELECT, and was given a statement that writes: ${shorten(sql)}`,
      {
        hint: 'Run it with execute(), and watch a SELECT.',
      },
    );
  const [reason] = access.opaque;
  if (reason !== undefined) throw notWatchable(sql, `what it reads cannot be proven. ${reason}`);
  if (access.schemaReads) throw notWatchable(sql, 'it reads sqlite_schema, whose changes are not in the log');
  const [temp] = access.temp.reads;
  if (temp !== undefined) throw notWatchable(sql, `"${temp}" is a temporary table, which only its own connection sees`);
}

/** What any of the statements depends on. */
export function dependenciesOf(accesses: readonly Access[]): readonly Dependency[] {
  const tables = new Set(accesses.flatMap(({ reads }) => [...reads]));
  return [...tables].map((table) => {
    const read = accesses.filter(({ reads }) => reads.has(table)).map(({ columns }) => columns?.get(table) ?? 'all');
    if (read.includes('all')) return { table, names: [], columns: 'all' };
    const names = [...new Set((read as readonly ReadonlySet<string>[]).flatMap((columns) => [...columns]))];
    return { table, names, columns: new Set(names.map(fold)) };
  });
}

/** What of a query changes without a commit, as sentences. */
export function caveatsOf(access: Access): readonly string[] {
  const moody = [...access.functions].filter((name) => CHANCE.has(name) || TIME.has(name));
  if (moody.length === 0) return [];
  const calls = moody.map((name) => `${name}()`).join(', ');
  return [
    `It calls ${calls}, which may give another value at any time: it is run when its tables change, not otherwise.`,
  ];
}

const CHANCE = new Set(['random', 'randomblob', 'changes', 'total_changes', 'last_insert_rowid']);
const TIME = new Set(
  'date time datetime julianday unixepoch strftime timediff current_date current_time current_timestamp'.split(' '),
);

export function notWatchable(sql: string, why: string, hint?: string): GlyphError {
  return new GlyphError(
    'GC_NOT_WATCHABLE',
    `This query cannot be watched, because ${why}: ${shorten(sql)}`,
    hint === undefined ? { hint: 'Watch a SELECT over ordinary tables and views.' } : { hint },
  );
}

export const shorten = (sql: string): string => {
  const line = sql.trim().replace(/\s+/g, ' ');
  return line.length > 120 ? `${line.slice(0, 117)}…` : line;
};
