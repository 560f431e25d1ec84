/**
 * `_capsule_events`: the log with the columns the documentation promises, as a view, so that every program can query it.
 *
 * Invariants: it keeps to the syntax and limits of SQLite 3.38 (JSON is built by an aggregate over json_each, never by one
 * call with an argument per column); the newest few are found by index, by time and by id; rows of another program that no
 * host has recorded yet are shown too; a `row_id` is the one that the change's event has.
 */
import { LOG_WIDTH } from './layout.ts';
import { OP } from './triggers.ts';

/** Value number `j.key` of the row that `l` is the head of; value i of a wide row stands i / 16 rows before it. */
const slot = (prefix: 'o' | 'n'): string => {
  const pick = (row: string): string =>
    Array.from({ length: LOG_WIDTH }, (_, index) => `WHEN ${index} THEN ${row}.${prefix}${index}`).join(' ');
  return `CASE WHEN j.key < ${LOG_WIDTH} THEN CASE j.key ${pick('l')} END ELSE (
        SELECT CASE j.key % ${LOG_WIDTH} ${pick('c')} END FROM _capsule_log c WHERE c.seq = l.seq - j.key / ${LOG_WIDTH}) END`;
};

/** A value as JSON: a BLOB as {"$blob":"<hex>"}, an infinity as a number beyond all others, as JavaScript and SQLite read it. */
const encoded = `CASE typeof(v.value)
      WHEN 'blob' THEN json_object('$blob', hex(v.value))
      WHEN 'real' THEN CASE v.value WHEN 9e999 THEN json('9e999') WHEN -9e999 THEN json('-9e999') ELSE v.value END
      ELSE v.value END`;

/** Row image as JSON text. */
const image = (prefix: 'o' | 'n'): string => `(
    SELECT json_group_object(v.name, ${encoded})
    FROM (SELECT j.value AS name, ${slot(prefix)} AS value FROM json_each(t.columns) j) v)`;

/** One value of the key, old for a DELETE. `from` gives `j.key`, its place in the row. */
const keyPart = (from: string): string =>
  `SELECT CASE l.op WHEN ${OP.delete} THEN ${slot('o')} ELSE ${slot('n')} END AS value FROM ${from} j`;

/** The rowid where it is logged, because the key may hold NULL; it comes after the columns. */
const loggedRowid = `(${keyPart("(SELECT json_array_length(t.columns) AS key WHERE json_extract(t.layout, '$.logsRowid'))")})`;

/** The primary key: the value itself, or a JSON array for a composite one; the whole row where nothing identifies it. */
const rowId = `
    CASE json_array_length(t.key)
      WHEN 1 THEN ifnull((${keyPart("(SELECT json_extract(t.key, '$[0]') AS key)")}), ${loggedRowid})
      ELSE (
        SELECT CASE WHEN count(*) > count(v.value) THEN ifnull(${loggedRowid}, json_group_array(${encoded})) ELSE json_group_array(${encoded}) END
        FROM (${keyPart("(SELECT value AS key FROM json_each(CASE t.key WHEN '[]' THEN (SELECT json_group_array(a.key) FROM json_each(t.columns) a) ELSE t.key END))")}) v)
    END`;

/** Everybody has passed it: durable subscriptions by their cursor, the others by their host's position. */
const processed = `l.seq <= (
      SELECT min(p) FROM (
        SELECT min(cursor) AS p FROM _capsule_subscriptions WHERE is_active AND cursor IS NOT NULL
        UNION ALL SELECT min(position) FROM _capsule_hosts
        UNION ALL SELECT max(seq) FROM _capsule_log))`;

const columns = (timestamp: string, transaction: string, source: string): string => `
    l.seq AS id,
    t.watcher_id AS watcher_id,
    CASE l.op WHEN ${OP.insert} THEN 'INSERT' WHEN ${OP.update} THEN 'UPDATE' ELSE 'DELETE' END AS operation,
    t.name AS table_name,
    ${rowId} AS row_id,
    CASE WHEN l.op <> ${OP.insert} THEN ${image('o')} END AS old_data,
    CASE WHEN l.op <> ${OP.delete} THEN ${image('n')} END AS new_data,
    ${timestamp} AS timestamp,
    ${transaction} AS transaction_id,
    ${source} AS source,
    ${processed} AS processed`;

const heads = `l.op <= ${OP.delete}`;

/**
 * SQLite merges the halves of a UNION ALL in order, and computes no more rows than are wanted, only where their columns have
 * the same affinities. A scalar subquery has that of its last SELECT, here a column's, whatever value the first one gives.
 */
const like = (column: string, value: string): string =>
  `(SELECT ${value} UNION ALL SELECT ${column} FROM _capsule_transactions WHERE 0)`;

/**
 * A change and its transaction, found from either: by time the transactions come first and the range gives their changes, by id
 * the changes come first and the subquery finds their transaction. The likelihoods say that a transaction has few changes, so
 * that SQLite sees both ways and takes the one that needs no sorting; `+` keeps it from scanning the ranges below a change.
 */
const belongs = `likelihood(l.seq >= +x.first_seq, 0.0001) AND likelihood(l.seq <= +x.last_seq, 0.015)
      AND x.first_seq = (SELECT max(y.first_seq) FROM _capsule_transactions y WHERE y.first_seq <= l.seq)`;

export const EVENTS_VIEW = `
  DROP VIEW IF EXISTS _capsule_events;
  CREATE VIEW _capsule_events AS
    SELECT ${columns('x.completed_at', 'x.id', 'x.source')}
    FROM _capsule_transactions x
    JOIN _capsule_log l ON ${belongs}
    JOIN _capsule_tables t ON t.id = l.table_id
    WHERE ${heads}
    UNION ALL
    SELECT ${columns(like('completed_at', 'CURRENT_TIMESTAMP'), like('id', 'NULL'), like('source', "'external'"))}
    FROM _capsule_log l
    JOIN _capsule_tables t ON t.id = l.table_id
    WHERE ${heads} AND l.seq > ifnull((SELECT last_seq FROM _capsule_transactions ORDER BY first_seq DESC LIMIT 1), 0);
  CREATE TRIGGER _capsule_events_prune INSTEAD OF DELETE ON _capsule_events
    WHEN OLD.processed AND OLD.id < (SELECT max(seq) FROM _capsule_log)
    BEGIN
      DELETE FROM _capsule_log WHERE seq <= OLD.id AND seq >= OLD.id - (
        SELECT (json_extract(t.layout, '$.width') - 1) / ${LOG_WIDTH}
        FROM _capsule_log l JOIN _capsule_tables t ON t.id = l.table_id WHERE l.seq = OLD.id);
    END;
`;
