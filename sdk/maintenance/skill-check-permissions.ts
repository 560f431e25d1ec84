/**
 * What a skill's scripts do with names and SQL that stand there as plain text, held against what its manifest asks for.
 *
 * Invariant: only what will be refused is an error; what is put together at run time is not judged. With a database SQLite
 * itself says what a statement touches, else its text does.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { statements } from '../../kernel/sql/index.ts';
import { placeOf, readHosts } from '../../plugins/http/hosts.ts';
import { complete, coversAction, coversTable, isInternal } from '../../plugins/skills/permissions.ts';
import { lineOfPath } from '../../plugins/skills/source-lines.ts';
import type { LuaCall } from './lua-names.ts';
import { MANIFEST } from './skill-report.ts';
import type { Checked } from './skill-report.ts';
import { tablesIn } from './sql-tables.ts';

const WRITES_ROWS = /^glyphcase\.(insert|insertMultiple|update|updateWhere|delete|deleteWhere)$/;
const QUERIES = /^glyphcase\.(query|queryOne|queryScalar)$/;
const PLANS = /^scheduler\.(every|after|cron)$/;
const NEVER = /^(PRAGMA|ATTACH|DETACH|VACUUM|BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ANALYZE)$/;

interface Place {
  readonly file: string;
  readonly line: number;
}

export function checkPermissions(checked: Checked): void {
  new PermissionCheck(checked).run();
}

class PermissionCheck {
  readonly #checked: Checked;
  readonly #granted: ReturnType<typeof complete>;
  /** Tables that its scripts and migrations create. */
  readonly #own: ReadonlySet<string>;
  /** Some SQL is put together at run time, and may create a table. */
  readonly #mayOwnMore: boolean;
  readonly #calls: readonly (LuaCall & Place)[];

  constructor(checked: Checked) {
    this.#checked = checked;
    this.#granted = complete(checked.manifest.permissions);
    this.#calls = checked.scripts.flatMap(({ file, names }) => names.calls.map((call) => ({ ...call, file })));
    const executed = this.#calls.filter(({ name }) => name === 'glyphcase.execute');
    const migrations = [...checked.folder.files].filter(([file]) => /^migrations\/.*\.sql$/i.test(file));
    const scripts = [...executed.flatMap(({ texts }) => texts[0] ?? []), ...migrations.map(([, sql]) => sql)];
    this.#own = new Set(
      scripts.flatMap((sql) => statements(sql).flatMap((one) => [...tablesIn(one).creates].map(lower))),
    );
    this.#mayOwnMore = executed.some(({ texts }) => texts[0] === undefined);
  }

  run(): void {
    for (const call of this.#calls) this.#check(call);
    this.#checkWatches();
    this.#noteUnused();
  }

  #check(call: LuaCall & Place): void {
    const { name, texts, fields } = call;
    const [first] = texts;
    const { actions, schedule, network } = this.#granted;
    if (WRITES_ROWS.test(name) && first !== undefined) this.#needsTable('write', first, call);
    else if (QUERIES.test(name) && first !== undefined) this.#needsSql(first, call, true);
    else if (name === 'glyphcase.execute' && first !== undefined) this.#needsSql(first, call, false);
    else if (name === 'glyphcase.watch' && first !== undefined && /^\s*(select|with|values)\b/i.test(first))
      this.#needsSql(first, call, true);
    else if (name === 'glyphcase.watch' && first !== undefined) this.#needsTable('read', first, call);
    else if (name === 'glyphcase.dispatch' && first !== undefined && !coversAction(actions.dispatch, first))
      this.#needs(call, `dispatch the action "${first}"`, `"actions": { "dispatch": ["${first}"] }`);
    else if (name === 'glyphcase.on' && first !== undefined && !coversAction(actions.listen, first))
      this.#needs(call, `listen to the action "${first}"`, `"actions": { "listen": ["${first}"] }`);
    else if (PLANS.test(name) && !schedule) this.#needs(call, 'use timers', '"schedule": true');
    else if (name === 'http.request') this.#needsHost(call, fields['url'], network);
    else if (name === 'glyphcase.call' && first !== undefined && !(first in this.#checked.manifest.dependencies)) {
      const message = `it may not call the skill "${first}": the manifest would need "dependencies": { "${first}": "*" }`;
      this.#checked.report('error', call.file, call.line, message);
    }
  }

  #needs({ file, line }: Place, what: string, wanted: string, level: 'error' | 'warning' = 'error'): void {
    this.#checked.report(level, file, line, `it may not ${what}: the manifest would need "permissions": { ${wanted} }`);
  }

  #needsHost(call: Place, url: string | undefined, network: readonly string[]): void {
    if (url === undefined) {
      if (network.length === 0) this.#needs(call, 'send requests', '"network": ["api.example.com"]');
      return;
    }
    const parsed = URL.parse(url);
    if (parsed === null) return;
    const place = placeOf(parsed);
    if (!readHosts(network).covers(place)) this.#needs(call, `reach ${place.host}`, `"network": ["${place.host}"]`);
  }

  #needsTable(how: 'read' | 'write', table: string, place: Place): void {
    const { read, write, schema } = this.#granted.database;
    const lists = how === 'read' ? [read, schema] : [write, schema];
    if (lists.some((list) => coversTable(list, table)) || this.#own.has(lower(table))) return;
    const isSure = isInternal(table) || !this.#mayOwnMore;
    const unless = isSure ? '' : ', unless it has created it';
    this.#needs(
      place,
      `${how} the table "${table}"${unless}`,
      `"database": { "${how}": ["${table}"] }`,
      isSure ? 'error' : 'warning',
    );
  }

  #needsSql(script: string, place: Place, mustRead: boolean): void {
    for (const sql of statements(script)) {
      const { verb, reads, writes } = this.#tablesOf(sql, place);
      if (NEVER.test(verb)) {
        this.#checked.report('error', place.file, place.line, `no skill may run ${verb}`);
        continue;
      }
      if (mustRead && writes.size > 0) {
        this.#checked.report('error', place.file, place.line, `this statement writes: use glyphcase.execute()`);
        continue;
      }
      for (const table of reads) this.#needsTable('read', table, place);
      for (const table of writes) this.#needsTable('write', table, place);
    }
  }

  #tablesOf(sql: string, { file, line }: Place): Pick<ReturnType<typeof tablesIn>, 'verb' | 'reads' | 'writes'> {
    const told = tablesIn(sql);
    const { access, report } = this.#checked;
    const touchesOwn = [...told.reads, ...told.writes].some((table) => this.#own.has(lower(table)));
    if (access === undefined || touchesOwn || NEVER.test(told.verb) || /^(CREATE|ALTER|DROP)$/.test(told.verb))
      return told;
    try {
      const { directReads, writes } = access.check(sql);
      const direct = [...writes].filter(([, write]) => write.direct.size > 0).map(([table]) => table);
      return { verb: told.verb, reads: new Set(directReads), writes: new Set(direct) };
    } catch (error) {
      if (!(error instanceof GlyphError)) throw error;
      report('error', file, line, error.message);
      return { verb: told.verb, reads: new Set(), writes: new Set() };
    }
  }

  #checkWatches(): void {
    const { manifest, folder, report } = this.#checked;
    const text = folder.files.get(MANIFEST) ?? '';
    for (const [index, watch] of manifest.watches.entries()) {
      const table = typeof watch === 'string' ? watch : watch.table;
      if (coversTable(this.#granted.database.read, table)) continue;
      const message = `watches[${index}]: it watches "${table}" but may not read it: add it to permissions.database.read`;
      report('error', MANIFEST, lineOfPath(text, `watches[${index}]`), message);
    }
  }

  /** What is asked for and cannot be used: only where no script puts names together at run time. */
  #noteUnused(): void {
    const { folder, report } = this.#checked;
    const text = folder.files.get(MANIFEST) ?? '';
    const { database, actions, functions, network, schedule } = this.#granted;
    const note = (path: string, what: string): void =>
      report('note', MANIFEST, lineOfPath(text, path), `${path}: ${what}, and no script uses it`);
    const isNamed = (name: string): boolean =>
      [...folder.files].some(([file, source]) => file.endsWith('.lua') && file !== 'test.lua' && source.includes(name));
    // A name that comes from the config, or is put together, leaves no trace in the scripts.
    const comesLate = (pattern: RegExp): boolean =>
      this.#calls.some(({ name, texts }) => pattern.test(name) && texts[0] === undefined);
    if (schedule && !isNamed('scheduler')) note('permissions.schedule', 'timers');
    if (network.length > 0 && !isNamed('http')) note('permissions.network', 'requests');
    for (const name of functions) if (name !== '*' && !isNamed(name)) note('permissions.functions', `"${name}"`);
    if (!comesLate(/^glyphcase\.dispatch$/)) {
      const sent = this.#calls.flatMap(({ name, texts }) => (name === 'glyphcase.dispatch' ? (texts[0] ?? []) : []));
      for (const pattern of actions.dispatch)
        if (!sent.some((action) => coversAction([pattern], action)))
          note('permissions.actions.dispatch', `"${pattern}"`);
    }
    if (!comesLate(/^glyphcase\./))
      for (const table of database.write)
        if (table !== '*' && !isNamed(table)) note('permissions.database.write', `"${table}"`);
  }
}

const lower = (name: string): string => name.toLowerCase();
