/**
 * Questions about an expression that was read: its parts joined by AND, its columns, the functions it calls.
 *
 * Invariant: the answer is undefined, or the whole expression, unless all of it was understood.
 */
import type { Token } from '../../../sdk/plugin.ts';
import { attempt, Cursor, refuse } from './cursor.ts';
import { scanExpression } from './scan.ts';
import type { Visitor } from './scan.ts';
import type { ColumnUse, Span } from './types.ts';
import { upper } from './words.ts';

type Tokens = readonly Token[];

interface Operator {
  readonly name: string;
  readonly at: number;
}

/**
 * The parts joined by AND, without the brackets around them: put brackets around each to use it.
 *
 * `(a = 1) AND (b OR c AND d)` has two; what holds an OR outside of brackets is one.
 */
export function conjuncts(tokens: Tokens, span: Span): Span[] {
  const operators = operatorsOf(tokens, span);
  if (operators === undefined) return [span];
  const inner = withoutBrackets(tokens, span);
  if (inner !== undefined) return conjuncts(tokens, inner);
  if (operators.some(({ name }) => name === 'OR')) return [span];
  const parts: Span[] = [];
  let from = span.from;
  for (const at of joiningAnds(operators)) {
    parts.push({ from, to: at });
    from = at + 1;
  }
  if (parts.length === 0) return [span];
  return [...parts, { from, to: span.to }].flatMap((part) => conjuncts(tokens, part));
}

/** The column, when the expression is nothing else: `id`, `t.id`, `(t.id)`. */
export function columnReference(tokens: Tokens, span: Span): Pick<ColumnUse, 'source' | 'column'> | undefined {
  const bare = unwrapped(tokens, span);
  // More tokens would be a long expression for nothing.
  if (bare === undefined || bare.to - bare.from > 3) return undefined;
  const [use] = columnsOf(tokens, bare, []) ?? [];
  if (use === undefined || use.orLiteral || use.span.from !== bare.from || use.span.to !== bare.to) return undefined;
  const { source, column } = use;
  return source === undefined ? { column } : { source, column };
}

/** The sides of `left = right`, when both are a column, a parameter or a literal. */
export function equality(tokens: Tokens, span: Span): { readonly left: Span; readonly right: Span } | undefined {
  const operator = onlyOperator(tokens, span);
  if (operator?.name !== '=' && operator?.name !== '==') return undefined;
  const left = { from: span.from, to: operator.at };
  const right = { from: operator.at + 1, to: span.to };
  return isSimple(tokens, left) && isSimple(tokens, right) ? { left, right } : undefined;
}

/** The sides of `column IN (SELECT …)`; the SELECT with its brackets. */
export function membership(
  tokens: Tokens,
  span: Span,
): { readonly operand: Span; readonly subquery: Span } | undefined {
  const operator = onlyOperator(tokens, span);
  if (operator?.name !== 'IN') return undefined;
  const operand = { from: span.from, to: operator.at };
  const subquery = { from: operator.at + 1, to: span.to };
  if (columnReference(tokens, operand) === undefined || !isSubquery(tokens, subquery)) return undefined;
  return { operand, subquery };
}

/**
 * The columns that an expression names, in the order in which it does.
 *
 * @param skip its SELECTs in brackets. With one that is not among them, the answer is undefined.
 */
export function columnsOf(tokens: Tokens, span: Span, skip: readonly Span[]): ColumnUse[] | undefined {
  const uses: ColumnUse[] = [];
  const subquery: Visitor['subquery'] = (cursor) => {
    const from = cursor.at;
    skipBrackets(cursor);
    if (!skip.some((span) => span.from === from && span.to === cursor.at)) refuse('it has a SELECT of its own');
  };
  return isRead(tokens, span, { subquery, column: (use) => uses.push(use) }) ? uses : undefined;
}

/**
 * The functions that an expression calls, in lower case, each once; not those of the SELECTs in brackets.
 *
 * LIKE, GLOB, REGEXP, MATCH and CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_TIME call a function of that name too.
 */
export function functionsOf(tokens: Tokens, span: Span): string[] | undefined {
  const names = new Set<string>();
  return isRead(tokens, span, { subquery: skipBrackets, call: (name) => names.add(name) }) ? [...names] : undefined;
}

/** Whether all of a span is one expression. */
function isRead(tokens: Tokens, span: Span, visitor: Visitor): boolean {
  const outcome = attempt(() => {
    const cursor = new Cursor(tokens, span);
    scanExpression(cursor, visitor);
    cursor.expectEnd();
    return true;
  });
  return outcome === true;
}

function operatorsOf(tokens: Tokens, span: Span): Operator[] | undefined {
  const operators: Operator[] = [];
  const operator = (name: string, at: number): void => void operators.push({ name, at });
  return isRead(tokens, span, { subquery: skipBrackets, operator }) ? operators : undefined;
}

function onlyOperator(tokens: Tokens, span: Span): Operator | undefined {
  const operators = operatorsOf(tokens, span);
  return operators?.length === 1 ? operators[0] : undefined;
}

/** Where the ANDs stand that do not belong to a BETWEEN: each BETWEEN takes the next one. */
function joiningAnds(operators: readonly Operator[]): number[] {
  let open = 0;
  return operators.flatMap(({ name, at }) => {
    if (name === 'BETWEEN' || name === 'NOT BETWEEN') open++;
    if (name !== 'AND') return [];
    if (open === 0) return [at];
    open--;
    return [];
  });
}

function isSimple(tokens: Tokens, span: Span): boolean {
  const bare = unwrapped(tokens, span);
  if (bare === undefined) return false;
  if (columnReference(tokens, bare) !== undefined) return true;
  const [first, second, ...more] = tokens.slice(bare.from, Math.min(bare.to, bare.from + 3));
  if (first === undefined || more.length > 0) return false;
  if (second !== undefined) return ['+', '-'].includes(first.text) && second.type === 'number';
  return ['number', 'string', 'blob', 'parameter'].includes(first.type) || upper(first) === 'NULL';
}

/** Without the brackets around all of it; undefined when it is no expression, or a SELECT. */
function unwrapped(tokens: Tokens, span: Span): Span | undefined {
  if (!isRead(tokens, span, { subquery: skipBrackets })) return undefined;
  let bare = span;
  for (let inner = withoutBrackets(tokens, bare); inner !== undefined; inner = withoutBrackets(tokens, bare))
    bare = inner;
  return bare;
}

/** What is in the brackets, when they are around all of an expression; not for a SELECT or several values. */
function withoutBrackets(tokens: Tokens, span: Span): Span | undefined {
  const inner = { from: span.from + 1, to: span.to - 1 };
  if (tokens[span.from]?.text !== '(' || tokens[inner.to]?.text !== ')') return undefined;
  // Read as an expression: `a) AND (b`, `a, b` and a SELECT are none.
  return isRead(tokens, inner, { subquery: skipBrackets }) ? inner : undefined;
}

function isSubquery(tokens: Tokens, span: Span): boolean {
  const cursor = new Cursor(tokens, span);
  if (!cursor.isSelectInBrackets()) return false;
  skipBrackets(cursor);
  return cursor.at === span.to;
}

/** Goes past a pair of brackets. */
function skipBrackets(cursor: Cursor): void {
  let depth = 0;
  do {
    if (cursor.isSign('(')) depth++;
    else if (cursor.isSign(')')) depth--;
    else if (cursor.token() === undefined) cursor.stuck();
    cursor.at++;
  } while (depth > 0);
}
