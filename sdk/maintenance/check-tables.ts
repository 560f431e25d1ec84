/**
 * Checks of the watched tables: are the triggers those that the table, as it is now, needs, and do they fire first.
 *
 * It builds the triggers with the capsule's own code and compares texts, so it cannot judge otherwise than a host would.
 */
import type { TableLayout } from '../../plugins/capsule/layout.ts';
import { readLayout, readUniqueKeys, widthOf } from '../../plugins/capsule/layout.ts';
import { parseTriggerName, triggersFor } from '../../plugins/capsule/triggers.ts';
import { messageOf } from '../../kernel/errors.ts';
import { fail, ok, warn } from './checks.ts';
import type { Finding } from './checks.ts';
import type { Connection } from './connection.ts';
import { watchedTables } from './state.ts';

type Reader = Parameters<typeof readLayout>[0];

interface TriggerRow {
  readonly rowid: number;
  readonly name: string;
  readonly sql: string;
}

const NEXT_START = 'The next host puts it right when it starts: glyphcase start';

/** One finding when all is well, else one per table that is not. */
export function checkTables(connection: Connection): readonly Finding[] {
  const tables = watchedTables(connection);
  if (tables.length === 0) return [ok('triggers', 'no table is watched'), ...leftOvers(connection, tables)];
  const findings = tables.flatMap((table) => checkTable(connection, table));
  const good = findings.length === 0 ? [ok('triggers', `in place and newest on ${tables.join(', ')}`)] : [];
  return [...good, ...findings, ...leftOvers(connection, tables)];
}

function checkTable(connection: Connection, table: string): readonly Finding[] {
  const topic = `table ${table}`;
  const exists = connection
    .prepare("SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE")
    .get(table);
  if (exists === undefined) {
    return [
      warn(topic, 'it is watched, but does not exist', 'Create it again, or end the subscription that watches it.'),
    ];
  }
  // All that the capsule asks of a database here is statements.
  const reader = connection as unknown as Reader;
  let layout: TableLayout;
  try {
    layout = readLayout(reader, table);
  } catch (error) {
    return [fail(topic, messageOf(error), 'Something that cannot be watched has taken the name; rename it.')];
  }
  const all = triggersOn(connection, layout.table);
  const ours = all.filter((trigger) => parseTriggerName(trigger.name) !== undefined);
  if (ours.length === 0) {
    return [fail(topic, 'its triggers are missing: changes made now are not recorded', NEXT_START)];
  }
  const stored = storedId(connection, layout);
  if (stored === undefined) {
    return [
      fail(topic, 'another program changed its columns or keys; changes made now may be recorded wrongly', NEXT_START),
    ];
  }
  const wanted = { ...layout, id: stored };
  const expected = triggersFor(wanted, readUniqueKeys(reader, wanted));
  const missing = expected.filter(
    (trigger) => !ours.some((one) => one.name === trigger.name && one.sql === trigger.sql),
  );
  if (missing.length > 0 || ours.length !== expected.length) {
    return [fail(topic, 'some of its triggers are missing or not as they should be', NEXT_START)];
  }
  const newestOther = all.filter((trigger) => !ours.includes(trigger)).sort((a, b) => b.rowid - a.rowid)[0];
  if (newestOther !== undefined && ours.some((trigger) => trigger.rowid < newestOther.rowid)) {
    return [
      warn(
        topic,
        `the trigger ${newestOther.name} is newer than ours and fires first, so the log's order may be that of effects`,
        NEXT_START,
      ),
    ];
  }
  return [];
}

function triggersOn(connection: Connection, table: string): readonly TriggerRow[] {
  return connection
    .prepare("SELECT rowid, name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE")
    .all(table) as TriggerRow[];
}

/** The id under which this very layout was stored, as the capsule finds it. */
function storedId(connection: Connection, layout: TableLayout): number | undefined {
  const { id: _id, table, ...rest } = layout;
  return connection
    .prepare('SELECT id FROM _capsule_tables WHERE name = ? AND layout = ? ORDER BY id DESC LIMIT 1')
    .pluck()
    .get(table, JSON.stringify({ ...rest, width: widthOf(layout) })) as number | undefined;
}

/** Triggers on tables that nobody watches make every write dearer for nothing. */
function leftOvers(connection: Connection, watched: readonly string[]): readonly Finding[] {
  const rows = connection
    .prepare('SELECT name, tbl_name AS "table" FROM sqlite_schema WHERE type = \'trigger\'')
    .all() as {
    name: string;
    table: string;
  }[];
  const known = watched.map((table) => table.toLowerCase());
  const tables = new Set(
    rows
      .filter((row) => parseTriggerName(row.name) !== undefined && !known.includes(row.table.toLowerCase()))
      .map((row) => row.table),
  );
  return [...tables].map((table) =>
    warn(
      `table ${table}`,
      'it has triggers of GlyphCase, but nobody watches it',
      'glyphcase detach removes them; hosts put back what they need.',
    ),
  );
}
