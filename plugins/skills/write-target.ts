/** Which table or view an INSERT, UPDATE or DELETE names as its target: the access check sees past views, to what their triggers write. */
import { isKeyword, nameOf, tokenize } from '../../sdk/plugin.ts';
import type { Token } from '../../sdk/plugin.ts';

/** The target's name as written, without its schema; undefined when the statement is none of these. */
export function writeTarget(sql: string): string | undefined {
  const tokens = tokenize(sql);
  const verb = verbAt(tokens);
  if (verb < 0) return undefined;
  let at = verb + 1;
  // INSERT OR IGNORE INTO t, UPDATE OR FAIL t
  if (isKeyword(tokens[at], 'OR')) at += 2;
  if (isKeyword(tokens[at], 'INTO', 'FROM')) at += 1;
  if (tokens[at + 1]?.text === '.') at += 2;
  return nameOf(tokens[at]);
}

/** The verb stands outside all brackets, behind the common table expressions. REPLACE may be a name there, the others may not. */
function verbAt(tokens: readonly Token[]): number {
  let depth = 0;
  return tokens.findIndex((token, index) => {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (depth > 0) return false;
    return (
      isKeyword(token, 'INSERT', 'UPDATE', 'DELETE') ||
      (isKeyword(token, 'REPLACE') && isKeyword(tokens[index + 1], 'INTO'))
    );
  });
}
