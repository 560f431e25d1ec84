/**
 * `_capsule_events`: the log with the columns the documentation promises, as a view, so that every program can query it.
 *
 * Invariants: it keeps to the syntax and limits of SQLite 3.38 (JSON is built by an aggregate over json_each, never by one
 * call with an argument per column); it joins the transactions instead of looking them up per row, so the newest few
 * are found by index; rows of another program that no host has recorded yet are shown too.
 */
import { LOG_WIDTH } from './layout.ts';
import { OP } from './triggers.ts';

const slot = (prefix: string): string => {
  const cases = Array.from({ length: LOG_WIDTH }, (_, index) => `WHEN ${index} THEN c.${prefix}${index}`).join(' ');
  return `CASE j.key % ${LOG_WIDTH} ${cases} END`;
};

/** Row image as JSON text. Value i of a wide row stands i / 16 rows before the head. A BLOB shows as {"$blob":"<hex>"}. */
const image = (prefix: string): string => `(
    SELECT json_group_object(v.name, CASE typeof(v.value) WHEN 'blob' THEN json_object('$blob', hex(v.value)) ELSE v.value END)
    FROM (
      SELECT j.value AS name,
        (SELECT ${slot(prefix)} FROM _capsule_log c WHERE c.seq = l.seq - j.key / ${LOG_WIDTH}) AS value
      FROM json_each(t.columns) j
    ) v)`;

/** The primary key: the value itself, or a JSON array for a composite one. */
const rowId = `
    CASE json_array_length(t.key)
      WHEN 1 THEN (
        SELECT CASE l.op WHEN ${OP.delete} THEN ${slot('o')} ELSE ${slot('n')} END
        FROM (SELECT json_extract(t.key, '$[0]') AS key) j, _capsule_log c WHERE c.seq = l.seq - j.key / ${LOG_WIDTH})
      ELSE (
        SELECT json_group_array(v.value) FROM (
          SELECT (SELECT CASE l.op WHEN ${OP.delete} THEN ${slot('o')} ELSE ${slot('n')} END
            FROM _capsule_log c WHERE c.seq = l.seq - j.key / ${LOG_WIDTH}) AS value
          FROM (SELECT value AS key FROM json_each(t.key)) j) v)
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

export const EVENTS_VIEW = `
  DROP VIEW IF EXISTS _capsule_events;
  CREATE VIEW _capsule_events AS
    SELECT ${columns('x.completed_at', 'x.id', 'x.source')}
    FROM _capsule_transactions x
    JOIN _capsule_log l ON l.seq BETWEEN x.first_seq AND x.last_seq
    JOIN _capsule_tables t ON t.id = l.table_id
    WHERE ${heads}
    UNION ALL
    SELECT ${columns('CURRENT_TIMESTAMP', 'NULL', "'external'")}
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
