/**
 * Reads FROM: names and SELECTs in brackets, and how each is joined to what stands before it.
 *
 * Invariant: the joins that are read are those that SQLite evaluates from the left, each with at most one ON or USING.
 */
import { sameName } from '../../../sdk/plugin.ts';
import type { Token } from '../../../sdk/plugin.ts';
import type { Cursor } from './cursor.ts';
import { refuse } from './cursor.ts';
import type { Select, Source, Span } from './types.ts';
import { bareAliasIn, firstNameIn, nameIn } from './words.ts';

/** How the parts of FROM are read that are more than FROM. */
export interface Parts {
  readonly select: () => Select;
  readonly condition: () => Span;
}

/** The sources behind FROM. */
export function readSources(cursor: Cursor, parts: Parts): Source[] {
  const sources = [readSource(cursor, 'inner', parts)];
  for (;;) {
    const join = readJoin(cursor);
    if (join === undefined) return sources;
    sources.push(readSource(cursor, join, parts));
  }
}

function readJoin(cursor: Cursor): Source['join'] | undefined {
  for (const refused of ['RIGHT', 'FULL', 'NATURAL'] as const) {
    if (cursor.isWord(refused)) refuse(`it has a ${refused} JOIN`);
  }
  if (cursor.takeSign(',') || cursor.takeWord('JOIN')) return 'inner';
  if (cursor.takeWord('INNER', 'CROSS')) {
    cursor.expectWord('JOIN');
    return 'inner';
  }
  if (!cursor.takeWord('LEFT')) return undefined;
  cursor.takeWord('OUTER');
  cursor.expectWord('JOIN');
  return 'left';
}

function readSource(cursor: Cursor, join: Source['join'], parts: Parts): Source {
  const from = cursor.at;
  const what = readWhat(cursor, parts);
  const alias = readAlias(cursor) ?? ('name' in what ? what.name : undefined);
  skipIndexedBy(cursor);
  const span = { from, to: cursor.at };
  return { span, join, ...what, ...(alias === undefined ? {} : { alias }), ...readConstraint(cursor, parts) };
}

function readWhat(cursor: Cursor, parts: Parts): Pick<Source, 'name' | 'schema' | 'select'> {
  if (cursor.isSelectInBrackets()) return { select: cursor.inBrackets(parts.select) };
  if (cursor.isSign('(')) refuse('it has brackets around the sources of FROM');
  const first = cursor.expectName(sourceNameIn);
  if (!cursor.takeSign('.')) return { name: notCalled(cursor, first) };
  if (!sameName(first, 'main')) refuse(`it reads the schema ${first}`);
  return { schema: first, name: notCalled(cursor, cursor.expectName(nameIn)) };
}

function notCalled(cursor: Cursor, name: string): string {
  if (cursor.isSign('(')) refuse(`it has the table-valued function ${name}`);
  return name;
}

/** Strings too: `FROM 'tasks'`. */
function sourceNameIn(token: Token | undefined): string | undefined {
  return token?.type === 'string' ? nameIn(token) : firstNameIn(token);
}

function readAlias(cursor: Cursor): string | undefined {
  return cursor.takeWord('AS') ? cursor.expectName(nameIn) : cursor.takeName(bareAliasIn);
}

function skipIndexedBy(cursor: Cursor): void {
  if (cursor.takeWord('NOT')) cursor.expectWord('INDEXED');
  else if (cursor.takeWord('INDEXED')) {
    cursor.expectWord('BY');
    cursor.expectName(nameIn);
  }
}

function readConstraint(cursor: Cursor, parts: Parts): Pick<Source, 'on' | 'using'> {
  if (cursor.takeWord('ON')) return { on: parts.condition() };
  if (!cursor.takeWord('USING')) return {};
  return { using: cursor.inBrackets(() => cursor.list(() => cursor.expectName(nameIn))) };
}
