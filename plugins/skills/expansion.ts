/**
 * How large SQLite's compiler may make a statement: it copies the expressions of a subquery to each place that names its columns.
 *
 * `SELECT x||x AS x FROM (SELECT x||x AS x FROM (…))` doubles with every level, and 22 levels keep the compiler busy for 14 s,
 * which nothing can interrupt. Invariant: the estimate is read from the text alone, before anything is compiled; along each
 * way from the statement to its innermost part it multiplies how often one name is used.
 */
import { isKeyword, nameOf, tokenize } from '../../sdk/plugin.ts';
import type { Token } from '../../sdk/plugin.ts';

/** Copies that compile within 0.2 s: about 1.5 µs each. */
export const MAX_EXPANSION = 100_000;

/** The text of a view by its name; undefined for what is none. */
export type ViewText = (name: string) => string | undefined;

/** The number of copies, at most, that one expression of the statement's innermost part may become. */
export function expansion(sql: string, viewText: ViewText): number {
  const views = new Map<string, number>();
  const ofView: Lookup = (name) => {
    const key = name.toLowerCase();
    const known = views.get(key);
    if (known !== undefined) return known;
    // A view that leads back to itself is SQLite's to refuse.
    views.set(key, 1);
    const text = viewText(name);
    const value = text === undefined ? 1 : grown(tokenize(text), ofView, 'list');
    views.set(key, value);
    return value;
  };
  return grown(tokenize(sql), ofView, 'all');
}

type Lookup = (name: string) => number;
/** What of a SELECT counts: all of it for the outermost, and the list of results for what others build on. */
type Counted = 'all' | 'list';

/** One SELECT, or what stands around it. */
class Level {
  /** How often each name stands in it, and in its list of results. */
  readonly all = new Map<string, number>();
  readonly list = new Map<string, number>();
  /** The largest of its subqueries. */
  inner = 1;
  inList = false;

  count(name: string): void {
    const key = name.toLowerCase();
    this.all.set(key, (this.all.get(key) ?? 0) + 1);
    if (this.inList) this.list.set(key, (this.list.get(key) ?? 0) + 1);
  }

  value(find: Lookup, counted: Counted): number {
    const sources = [...this.all.keys()].map(find);
    return Math.max(1, ...this[counted].values()) * Math.max(this.inner, ...sources);
  }
}

function grown(tokens: readonly Token[], outer: Lookup, counted: Counted): number {
  const expressions = new Map<string, number>();
  const find: Lookup = (name) => expressions.get(name) ?? outer(name);
  let largest = 1;
  let level = new Level();
  const close = (): void => {
    largest = Math.max(largest, level.value(find, counted));
    level = new Level();
  };
  const walk = (part: readonly Token[]): void => {
    for (let at = 0; at < part.length; at += 1) {
      const token = part[at] as Token;
      const next = part[at + 1];
      if (token.text === '(') {
        const end = closing(part, at);
        const content = part.slice(at + 1, end);
        if (isKeyword(content[0], 'SELECT', 'WITH', 'VALUES')) {
          const value = grown(content, find, 'list');
          const name = expressionName(part, at);
          if (name === undefined) level.inner = Math.max(level.inner, value);
          else expressions.set(name.toLowerCase(), value);
        } else {
          walk(content);
        }
        at = end;
      } else if (isKeyword(token, 'UNION', 'INTERSECT', 'EXCEPT') || token.type === 'semicolon') close();
      else if (isKeyword(token, 'SELECT', 'RETURNING')) level.inList = true;
      else if (isKeyword(token, 'FROM')) level.inList = false;
      else if (next?.text !== '.' && next?.text !== '(' && !isKeyword(part[at - 1], 'AS')) {
        const name = nameOf(token);
        if (name !== undefined) level.count(name);
      }
    }
  };
  walk(tokens);
  close();
  return largest;
}

/** Where the bracket that opens at `at` closes. */
function closing(tokens: readonly Token[], at: number): number {
  let depth = 0;
  for (let index = at; index < tokens.length; index += 1) {
    const { text } = tokens[index] as Token;
    if (text === '(') depth += 1;
    else if (text === ')') depth -= 1;
    if (depth === 0) return index;
  }
  return tokens.length;
}

/** The name of the common table expression whose SELECT begins at the bracket `at`: `name (columns) AS NOT MATERIALIZED (`. */
function expressionName(tokens: readonly Token[], at: number): string | undefined {
  let index = at - 1;
  while (isKeyword(tokens[index], 'MATERIALIZED', 'NOT')) index -= 1;
  if (!isKeyword(tokens[index], 'AS')) return undefined;
  index -= 1;
  if (tokens[index]?.text === ')') while (index > 0 && tokens[index]?.text !== '(') index -= 1;
  if (tokens[index]?.text === '(') index -= 1;
  return nameOf(tokens[index]);
}
