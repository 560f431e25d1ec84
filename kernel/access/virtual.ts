/**
 * Virtual tables: which one an EXPLAIN means, and which tables its module reads behind SQLite's back.
 *
 * Invariant: a module is known here, option by option, or its tables are opaque.
 */
import { isKeyword, nameOf, tokenize } from '../sql/lexer.ts';
import type { Token } from '../sql/lexer.ts';

/** Table-valued functions that compute from their arguments alone. */
export const HARMLESS_FUNCTIONS = ['json_each', 'json_tree', 'jsonb_each', 'jsonb_tree'] as const;

/** What a virtual table's declaration says about the tables it reads. */
export interface VirtualSources {
  readonly module: string;
  /** Tables or views whose rows it shows, by name. */
  readonly tables: readonly string[];
  readonly opaque: readonly string[];
}

/** Options that name no table. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  fts5: [
    'prefix',
    'tokenize',
    'content_rowid',
    'contentless_delete',
    'contentless_unindexed',
    'columnsize',
    'detail',
    'locale',
    'tokendata',
  ],
  fts4: ['matchinfo', 'prefix', 'order', 'languageid', 'notindexed', 'tokenize'],
};

/** Modules that keep all they show in shadow tables of their own. */
const SELF_CONTAINED = ['rtree', 'rtree_i32', 'geopoly'];
/** Modules that show the words of the full-text table given as first argument. */
const VOCABULARIES = ['fts5vocab', 'fts4aux'];

/**
 * Reads `CREATE VIRTUAL TABLE … USING module(arguments)` as it stands in sqlite_schema.
 *
 * fts5 takes abbreviated option names (`c='secret'` is `content='secret'`), so an option that is not known in full is
 * either a beginning of `content` or makes the table opaque.
 */
export function virtualSources(sql: string): VirtualSources {
  const tokens = tokenize(sql);
  const using = tokens.findIndex((token) => isKeyword(token, 'USING'));
  const module = nameOf(tokens[using + 1])?.toLowerCase() ?? '';
  const args = splitArguments(tokens.slice(using + 2));
  if (SELF_CONTAINED.includes(module)) return { module, tables: [], opaque: [] };
  if (VOCABULARIES.includes(module)) return vocabulary(module, args);
  const options = module === 'fts3' ? OPTIONS['fts4'] : OPTIONS[module];
  if (options === undefined) {
    return {
      module,
      tables: [],
      opaque: [`What the virtual-table module ${JSON.stringify(module)} does is not known.`],
    };
  }
  const tables: string[] = [];
  const opaque: string[] = [];
  for (const arg of args) {
    const [name, equals, value] = arg;
    const option = nameOf(name)?.toLowerCase() ?? '';
    if (equals?.text !== '=' || options.includes(option)) continue;
    const table = arg.length === 3 ? nameOf(value) : undefined;
    if (option === '' || !'content'.startsWith(option) || table === undefined) {
      opaque.push(`What the option ${JSON.stringify(option)} of the ${module} table does is not known.`);
    } else if (table !== '') {
      tables.push(table);
    }
  }
  return { module, tables, opaque };
}

function vocabulary(module: string, args: readonly (readonly Token[])[]): VirtualSources {
  const [first, second] = args;
  const table = nameOf(first?.[0]);
  // Three arguments of fts5vocab, or two of fts4aux, name a schema first.
  const plain = args.length === (module === 'fts5vocab' ? 2 : 1) && first?.length === 1 && (second?.length ?? 1) === 1;
  if (plain && table !== undefined) return { module, tables: [table], opaque: [] };
  return { module, tables: [], opaque: [`Which table the ${module} table reads is not known.`] };
}

/** The arguments between the outer brackets, split at their commas. */
function splitArguments(tokens: readonly Token[]): Token[][] {
  const args: Token[][] = [];
  let depth = 0;
  let current: Token[] = [];
  for (const token of tokens) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (depth === 0) break;
    if (depth === 1 && token.text === '(') continue;
    if (depth === 1 && token.text === ',') {
      args.push(current);
      current = [];
    } else {
      current.push(token);
    }
  }
  if (current.length > 0) args.push(current);
  return args;
}
