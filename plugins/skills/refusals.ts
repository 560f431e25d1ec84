/**
 * How permissions are refused, and what is refused to all Lua code.
 *
 * Invariant: a refusal names the code's owner, what it tried and, where a permission could allow it, the very line of the
 * manifest that would.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Access } from '../../sdk/plugin.ts';
import { isInternal } from './permissions.ts';

const NEVER = 'No permission allows this to Lua code; do it in the host, or in another way.';

const REFUSED: Readonly<Partial<Record<Access['kind'], string>>> = {
  transaction: 'begin or end transactions; use glyphcase.transaction(fn)',
  pragma: 'run a PRAGMA',
  attach: 'attach or detach databases',
  vacuum: 'run VACUUM',
  analyze: 'run ANALYZE',
};

/** Functions that reach outside the database, or into SQLite itself. */
const DANGEROUS = ['load_extension', 'fts3_tokenizer', 'readfile', 'writefile', 'edit', 'eval', 'zipfile', 'fsdir'];

/** Who is judged, and what he may do beside a skill. */
export interface Who {
  /** Begins the sentence: `The skill x`. */
  readonly name: string;
  readonly skill?: string;
  /** The operator's own code: it may analyze, and remove events by the view's trigger. */
  readonly isOperator?: boolean;
}

export function never({ name, skill }: Who, what: string, sql?: string, hint: string = NEVER): GlyphError {
  const text = `${name} may not ${what}${sql === undefined ? '' : `: ${shorten(sql)}`}`;
  return new GlyphError('GC_PERMISSION', text, { hint, ...(skill === undefined ? {} : { skill }) });
}

/** The error for what a permission would allow. `wanted` is what belongs between the braces of `"permissions"`. */
export function missing(skill: string, what: string, wanted: string, sql?: string, hint?: string): GlyphError {
  const text = `The skill ${skill} may not ${what}${sql === undefined ? '' : `: ${shorten(sql)}`}`;
  return new GlyphError('GC_PERMISSION', `${text}. Its manifest.json would need "permissions": { ${wanted} }`, {
    skill,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The line of a manifest that lists one table: `"database": { "read": ["orders"] }`. */
export const databaseLine = (list: 'read' | 'write' | 'schema', table: string): string =>
  `"database": { "${list}": [${JSON.stringify(table)}] }`;

/** What no Lua code may do, the operator's included but for what {@link Who} says. @throws GC_PERMISSION */
export function refuseAlways(access: Access, sql: string, who: Who): void {
  const refused = REFUSED[access.kind];
  if (refused !== undefined && !(who.isOperator === true && access.kind === 'analyze')) throw never(who, refused, sql);
  const { name = '', newName = '', temp = false } = access.schemaChange ?? {};
  if (isInternal(name) || isInternal(newName)) {
    throw never(
      who,
      `make or change ${JSON.stringify(isInternal(name) ? name : newName)}, which is an internal name`,
      sql,
    );
  }
  const { reads, writes } = access.temp;
  if (temp || reads.size > 0 || writes.size > 0) throw never(who, 'use temporary tables', sql);
  for (const fn of DANGEROUS) if (access.functions.has(fn)) throw never(who, `call the function ${fn}`, sql);
  if (access.kind !== 'analyze') refuseInternalWrites(access, sql, who);
}

function refuseInternalWrites(access: Access, sql: string, who: Who): void {
  // The triggers of watched tables fill the log; the trigger of the view _capsule_events empties it.
  const allowed = who.isOperator === true ? ['insert', 'delete'] : ['insert'];
  for (const [table, { direct, nested }] of access.writes) {
    const isLog = table === '_capsule_log' && direct.size === 0 && [...nested].every((one) => allowed.includes(one));
    if (isInternal(table) && !isLog) throw never(who, `write the internal table "${table}"`, sql);
  }
}

export const shorten = (sql: string): string => {
  const text = sql.trim().replace(/\s+/g, ' ');
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
};
