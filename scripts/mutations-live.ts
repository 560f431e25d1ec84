/** Mistakes that could be made in plugins/live/incremental: per rule that grants *incremental*, at least one. */
export interface Mutation {
  /** What is left out or done otherwise. */
  readonly what: string;
  /** Under plugins/live. */
  readonly file: string;
  /** Stands there once. */
  readonly from: string;
  readonly to: string;
}

const of =
  (file: string) =>
  (what: string, from: string, to = ''): Mutation => ({ what, file: `incremental/${file}`, from, to });

const names = of('names.ts');
const equalities = of('equalities.ts');
const root = of('root.ts');
const reading = of('reading.ts');
const steady = of('steady.ts');
const order = of('order.ts');
const reach = of('reach.ts');
const board = of('switchboard.ts');
const switches = of('switches.ts');
const parameters = of('parameters.ts');
const windows = of('window.ts');
const incremental = of('incremental.ts');
const sorted = of('sorted.ts');
const plain = of('plain.ts');
const tally = of('tally.ts');
const fromLog = of('from-log.ts');

export const MUTATIONS: readonly Mutation[] = [
  names('columns with collations are linked', 'a.kind === b.kind && a.binary && b.binary', 'a.kind === b.kind'),
  names('columns of different types are linked', 'a.kind === b.kind && a.binary && b.binary', 'a.binary && b.binary'),
  equalities(
    'the ON of a LEFT JOIN links what stands before it',
    'if (left !== undefined && child.source !== left) continue;',
  ),
  equalities(
    'the ON of a LEFT JOIN settles, whatever else it wants',
    '(to.source !== left || !alone)',
    'to.source !== left',
  ),
  equalities(
    'what is equal is the same, 1 and 1.0 too',
    "ref.column.kind !== 'any' && this.#isEqual(ref)",
    'this.#isEqual(ref)',
  ),
  equalities(
    'a unique column that may be NULL has one row',
    'isUnique(ref.occurrence.table, columns, this.#equalled)',
    'isUnique(ref.occurrence.table, columns)',
  ),
  equalities(
    'a constant in the ON of a LEFT JOIN counts',
    'a?.named.column.binary === true && left === undefined',
    'a?.named.column.binary === true',
  ),
  equalities(
    'a constant counts for columns with collations',
    'a?.named.column.binary === true && left',
    'a !== undefined && left',
  ),
  root('divided by what a LEFT JOIN may have no row of', 'column.binary && !missing.has(occurrence)', 'column.binary'),
  root('divided by a column with a collation', 'column.binary && !missing.has(occurrence)', '!missing.has(occurrence)'),
  root('one row of all is divided', "if (aggregated) refuse('it makes one row of all');"),
  root('groups are divided by other columns', 'if (groups.length > 0) return refs(groups);'),
  root('DISTINCT is divided by other columns', 'if (core.distinct) return refs(outputs);'),
  root('what has no way to the result is ignored', 'else unreached.add(table);', ''),
  root(
    'a way ends one lookup too early',
    'if (find !== parentColumn) lookups.push',
    'if (find !== parentColumn && !isEnd) lookups.push',
  ),
  reading(
    'columns are followed out of one row made of all',
    'readings.length === 1 && !first.aggregated',
    'readings.length === 1',
  ),
  reading(
    'LIKE in a LEFT JOIN is allowed',
    "if (isLike || this.#likes > before.likes) refuse('a LEFT JOIN of it depends on LIKE');",
    'void isLike;',
  ),
  reading('IN links columns of different types', '|| !isComparable(member.column, operand.named.column)'),
  reading(
    'LIMIT in FROM is allowed',
    "    if (select.limit !== undefined) refuse('it has a LIMIT within');\n    const readings",
    '    const readings',
  ),
  reading(
    'LIMIT in a subquery is allowed',
    "      if (select.limit !== undefined) refuse('it has a LIMIT within');\n      return {",
    '      return {',
  ),
  reading('window functions are allowed', "if (core.windowed) refuse('it has window functions');"),
  steady(
    'a subquery may take the first of several rows',
    "if (nested.use === 'scalar') assertOneRow(nested);",
    'void nested;',
  ),
  steady('DISTINCT over collations is allowed', 'if (reading.core.distinct) assertDistinct(reading, isOutermost);'),
  steady(
    'a column of any row of a group is allowed',
    'if (!isInside && !isSettled(named)) refuse',
    'if (isInside && !isInside) refuse',
  ),
  steady(
    'groups by collations are allowed',
    "hasWord(tokens, span, 'COLLATE') || !all.every((one) => isSettled(one) || isExact(one))",
    'all.length < 0',
  ),
  steady(
    'min and max of collations are allowed',
    'if (isPicked && !isSure)',
    'if (isPicked && !isSure && all.length < 0)',
  ),
  of('outputs.ts')(
    'strings are compared without case',
    "type === 'word' ? text.toLowerCase() : text",
    'type ? text.toLowerCase() : text',
  ),
  steady(
    'subqueries may name any column of a group',
    '(!outer.every((found) => isSettled(found.named)))',
    '(outer.length < 0)',
  ),
  order(
    'collations are sorted by bytes',
    'if (!isRef(named) || !named.column.binary) refuse(`it is sorted by',
    'if (!isRef(named)) refuse(`it is sorted by',
  ),
  order(
    'a constant is something to sort by',
    'if (usesIn(tokens, expression, []).length === 0)',
    'if (tokens.length === 0)',
  ),
  order('NULLs stand at the other end', 'nulls === undefined ? !descending', 'nulls === undefined ? descending'),
  order(
    'a name is that of a column before that of a result column',
    'if (use.source === undefined) {',
    'if (use.source !== undefined) {',
  ),
  reach('only what rows are now counts', 'for (const image of [old, now])', 'for (const image of [now])'),
  reach('only what rows were counts', 'for (const image of [old, now])', 'for (const image of [old])'),
  reach(
    'the part of NULL is forgotten',
    'value === undefined || (value === null && !isRoot)',
    'value === undefined || value === null',
  ),
  reach('the part of NULL is forgotten behind a lookup', 'found !== null || isLast', 'found !== null'),
  reach('texts that cannot be read are taken for the same', 'if (!isReadable(value)) return undefined;'),
  reach(
    'changes that may reach any row are ignored',
    'if (touched.of(name).length > 0) return undefined;',
    'void name;',
  ),
  board(
    'tables without the column are ignored',
    'if (open.some(({ name }) => touched.of(name).length > 0)) return undefined;',
    'void open;',
  ),
  board(
    'only what rows are now counts',
    'for (const image of [change.old, change.now])',
    'for (const image of [change.now])',
  ),
  board(
    'values of another type are looked for as they are',
    'return fits(this.#switch.kind, value) ? keyOf(value) : undefined;',
    'void fits;\n    return keyOf(value);',
  ),
  board(
    'queries whose value says nothing are forgotten',
    'for (const query of this.#others) found.set(query, touched);',
  ),
  parameters('a text in quotes is taken as it is written', `.replaceAll("''", "'")`, ''),
  switches(
    'tables on the way are taken for those with the column',
    'columns.get(parent) === parentColumn',
    'columns.has(parent)',
  ),
  incremental(
    'a VACUUM is not noticed',
    'if (isRenumbered && state.schemaVersion !== this.#options.schemaVersion()) return this.#run(query, touched.end);',
    'void isRenumbered;',
  ),
  incremental(
    'rows in the same place keep the order in which they came',
    'if (isOpen) {',
    'if (isOpen && rows.length < 0) {',
  ),
  sorted(
    'a row goes into the place of another',
    'if (there !== undefined && compareRows(there.values, row.values, terms) === 0) return undefined;',
    'void there;',
  ),
  windows(
    'rows behind the bound are taken for near',
    'bound === undefined ? fresh : this.#before(bound, fresh)',
    'fresh',
  ),
  windows('a window that ran empty is not filled', 'if (bound !== undefined && rows.length < to) return undefined;'),
  windows(
    'OFFSET is ignored',
    'return this.#show(rows.slice(from, to));',
    'return this.#show(rows.slice(0, to - from));',
  ),
  plain('conditions beside the equalities are forgotten', 'if (conditions !== switches.length) return undefined;'),
  plain('a key has one row, though it has other columns', ' && others.length === 0'),
  plain('the first columns of what is worked out are enough', 'if (columns.length < outputs.length) return undefined;'),
  plain('DISTINCT rows are rows', 'core.distinct || '),
  plain('what a parameter is turned into is not asked', ' && fits(kind, given)'),
  plain(
    'of several changes of a row the last one read counts',
    '(before !== undefined && rows.has(before)) || (after !== undefined && rows.has(after))',
    'false',
  ),
  plain('a row that leaves stays', 'if (before !== undefined) rows.set(before, []);'),
  plain('all rows are in', 'isIn ? [shown', 'true ? [shown'),
  tally('what was counted before is counted again', 'if (logSeq <= after) continue;'),
  tally('NULL is counted', 'if (image[place] !== null) known', 'known'),
  tally('what goes is counted like what comes', '[old, -1]', '[old, 1]'),
  tally('a join that wants more', 'more.length > 0 || !only.alone', 'more.length > 0'),
  tally('what is counted may be asked for', 'if (core.where !== undefined && !isOfOne(core.where)) return undefined;'),
  tally('groups of what is counted', 'if (!core.groupBy.every(isOfOne)) return undefined;'),
  tally('a key that many share', 'if (!isUnique(one.table, new Set([ref.column]))) return undefined;'),
  tally('three tables', 'more.length > 0 || occurrences.length > 2', 'false'),
  tally('HAVING', 'core.having !== undefined || ', ''),
  tally('aggregates of what counts', 'called.some((name) => aggregates.has(name)) || '),
  tally('counts of the table that counts', 'counted.occurrence === joined', 'true'),
  fromLog('rows that count may change meanwhile', 'if (touched.of(tally.counting.name).length > 0) return undefined;'),
];
