/**
 * Internal tables as a skill may read them: named in its manifest, and only the rows that are about its own tables.
 *
 * A statement that names one is given a common table expression of the same name that filters it, so that every unqualified
 * mention means the filtered rows. That nothing else in the statement reaches an internal table (by `main.`, a view, a
 * virtual table) is proven twice: by the names in the text, and by the access check of the same statement over an
 * empty stand-in, which SQLite cannot optimise away.
 */
import { nameOf, quoteName, quoteText, tokenize } from '../../sdk/plugin.ts';
import type { Database, Token } from '../../sdk/plugin.ts';
import { TICK } from './meter.ts';
import { isInternal } from './permissions.ts';
import { withExpressions } from './with-expressions.ts';

/** What the filters are made from, as SQL. */
interface Scope {
  /** List of the tables whose rows the skill may read, its own too: `'orders', 'items'`. */
  readonly readable: string;
  /** The same without its own tables: a table made by the skill may bear the name of one that others have dropped. */
  readonly granted: string;
  readonly skill: string;
}

const ofSkill = ({ skill }: Scope): string => `skill = ${skill}`;
const ofSchema = ({ readable }: Scope): string => `tbl_name IN (${readable})`;

/** Which rows of what can be read by name. What is not here stays closed, whatever a manifest names. */
const FILTERS: ReadonlyMap<string, (scope: Scope) => string> = new Map([
  ['sqlite_schema', ofSchema],
  ['sqlite_master', ofSchema],
  ['_capsule_events', ({ granted }) => `table_name IN (${granted})`],
  ['_capsule_watchers', ({ granted }) => `table_or_query IN (${granted})`],
  [
    '_capsule_subscriptions',
    ({ granted }) => `watcher_id IN (SELECT id FROM main._capsule_watchers WHERE table_or_query IN (${granted}))`,
  ],
  [
    '_capsule_transactions',
    ({ granted }) => `EXISTS (SELECT 1 FROM main._capsule_log AS l JOIN main._capsule_tables AS t ON t.id = l.table_id
      WHERE l.seq BETWEEN first_seq AND last_seq AND t.name IN (${granted}))`,
  ],
  ['_skills', ({ skill }) => `id = ${skill}`],
  ['_skill_tables', ofSkill],
  ['_skill_logs', ofSkill],
  ['_scheduler_jobs', ofSkill],
]);

/** The tables that a skill may name in `permissions.database.read`, for messages and documentation. */
export const READABLE_INTERNALS: readonly string[] = [...FILTERS.keys()];

/** A statement with its filters, and the one that proves it. */
export interface Filtered {
  readonly sql: string;
  /** The same over empty stand-ins: it must not read any internal table. */
  readonly proof: string;
}

export interface InternalTablesOptions {
  readonly skill: string;
  readonly db: Database;
  /** `permissions.database.read` as granted. */
  readonly named: readonly string[];
  /** Whether the skill may read a table, by grant or because it made it. */
  readonly mayRead: (table: string) => boolean;
  /** Whether it may by grant alone. */
  readonly isGranted: (table: string) => boolean;
}

export class InternalTables {
  readonly #options: InternalTablesOptions;
  readonly #named: ReadonlySet<string>;
  readonly #known = new Map<string, readonly string[]>();

  constructor(options: InternalTablesOptions) {
    this.#options = options;
    const named = options.named.map((name) => name.toLowerCase()).filter((name) => FILTERS.has(name));
    // Two names of one table.
    if (named.some((name) => name === 'sqlite_schema' || name === 'sqlite_master'))
      named.push('sqlite_schema', 'sqlite_master');
    this.#named = new Set(named);
  }

  /** The internal names in a statement, in lower case, whatever they stand for there. */
  mentioned(sql: string): readonly string[] {
    if (!MAYBE.test(sql)) return [];
    return [...new Set(tokenize(sql).flatMap((token) => internalName(token) ?? []))];
  }

  /** Whether an internal table can be read when it is named in the manifest, and whether it is. */
  standing(name: string): 'closed' | 'unnamed' | 'named' {
    if (this.#named.has(name)) return 'named';
    return FILTERS.has(name) ? 'unnamed' : 'closed';
  }

  /** The statement with filters for the tables it names; undefined when it reaches for one in another way than by its bare name. */
  filter(sql: string, mentioned: readonly string[]): Filtered | undefined {
    const tokens = tokenize(sql);
    const wanted = mentioned.filter((name) => this.#named.has(name));
    const isQualified = tokens.some((token, at) => internalName(token) !== undefined && tokens[at - 1]?.text === '.');
    if (wanted.length === 0 || isQualified || this.#throughOthers(tokens)) return undefined;
    const scope = this.#scope();
    const filters: string[] = [];
    const standIns: string[] = [];
    for (const name of wanted) {
      const columns = this.#columns(name);
      const where = `${FILTERS.get(name)?.(scope)} AND likely(${TICK}(${columns[0] ?? '1'}))`;
      filters.push(`${name} AS (SELECT * FROM main.${name} WHERE ${where})`);
      standIns.push(
        `${name} AS (SELECT ${columns.map((column) => `j.value AS ${column}`).join(', ')} FROM json_each('[]') AS j)`,
      );
    }
    return { sql: withExpressions(sql, tokens, filters), proof: withExpressions(sql, tokens, standIns) };
  }

  /** Whether a view or virtual table that the statement names leads to an internal one. */
  #throughOthers(tokens: readonly Token[]): boolean {
    const names = new Set(tokens.flatMap((token) => nameOf(token)?.toLowerCase() ?? []));
    const others = this.#options.db
      .prepare(
        "SELECT lower(name) AS name, sql FROM main.sqlite_schema WHERE type = 'view' OR (type = 'table' AND rootpage = 0)",
      )
      .all() as { name: string; sql: string | null }[];
    const bodies = new Map(others.map(({ name, sql }) => [name, sql ?? '']));
    const queue = [...names].filter((name) => bodies.has(name) && !isInternal(name));
    const seen = new Set(queue);
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const body = tokenize(bodies.get(next) ?? '');
      if (body.some((token) => internalName(token) !== undefined)) return true;
      for (const token of body) {
        const name = nameOf(token)?.toLowerCase();
        if (name === undefined || !bodies.has(name) || seen.has(name)) continue;
        seen.add(name);
        queue.push(name);
      }
    }
    return false;
  }

  /** Quoted. GlyphCase does not change its tables while it runs. */
  #columns(table: string): readonly string[] {
    const known = this.#known.get(table);
    if (known !== undefined) return known;
    const columns = this.#options.db.prepare(`SELECT * FROM main.${table}`).columns();
    const names = columns.map(({ name }) => quoteName(name));
    this.#known.set(table, names);
    return names;
  }

  #scope(): Scope {
    const { db, mayRead, isGranted, skill } = this.#options;
    const names = db
      .prepare('SELECT tbl_name FROM main.sqlite_schema UNION SELECT name FROM main._capsule_tables')
      .pluck()
      .all() as string[];
    const list = (may: (table: string) => boolean): string =>
      names
        .filter((name) => !isInternal(name) && may(name))
        .map(quoteText)
        .join(', ');
    return { readable: list(mayRead), granted: list(isGranted), skill: quoteText(skill) };
  }
}

/** Cheap to ask of every statement; {@link isInternal} decides. */
const MAYBE = /sqlite_|_(?:capsule|skill|sync|scheduler|cache|glyphcase|http|crypto)/i;

function internalName(token: Token): string | undefined {
  const name = nameOf(token);
  // Not the pattern of `name NOT LIKE 'sqlite_%'`.
  return name !== undefined && isInternal(name) && /^\w+$/.test(name) ? name.toLowerCase() : undefined;
}
