/**
 * Takes everything of GlyphCase out of a file.
 *
 * Invariants: one transaction, so a file is attached or it is not; no user's table, row, index, view or trigger is touched;
 * it refuses while a host lives on the file, which would otherwise lose its log under its feet.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { quoteName } from '../../kernel/sql/identifiers.ts';
import { guarded, hasCapsule, openToRead, openToWrite } from './connection.ts';
import type { Connection } from './connection.ts';
import { describeHost, readHosts } from './hosts.ts';
import { isOurs } from './tables.ts';

export interface DetachOptions {
  /** Also removes what is known of skills: their states, logs and jobs. Tables that skills made hold users' data and stay. */
  readonly all?: boolean;
  /** Goes on although a host seems to live on the file. */
  readonly force?: boolean;
}

export interface DetachReport {
  readonly triggers: number;
  readonly tables: readonly string[];
  readonly views: readonly string[];
  /** Tables with state of skills that were left where they are. */
  readonly kept: readonly string[];
  /** Users' own views and triggers that name a table of ours. */
  readonly dangling: readonly string[];
  /** Bytes that a VACUUM would give back. */
  readonly freeBytes: number;
}

interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly sql: string | null;
}

/** @throws GC_HOST_RUNNING, GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_READ_ONLY, GC_LOCKED */
export function detach(filename: string, options: DetachOptions = {}): DetachReport {
  if (!isAttached(filename)) return { triggers: 0, tables: [], views: [], kept: [], dangling: [], freeBytes: 0 };
  const connection = openToWrite(filename);
  try {
    return guarded(filename, () => {
      // IMMEDIATE: no host can enter between the look at the hosts and the removal.
      const report = connection.transaction(() => remove(connection, filename, options)).immediate();
      const [pages, size] = ['freelist_count', 'page_size'].map(
        (name) => connection.pragma(name, { simple: true }) as number,
      );
      return { ...report, freeBytes: (pages ?? 0) * (size ?? 0) };
    });
  } finally {
    connection.close();
  }
}

function isAttached(filename: string): boolean {
  const connection = openToRead(filename);
  try {
    return guarded(filename, () => schema(connection).some((row) => isOurs(row.name)));
  } finally {
    connection.close();
  }
}

function remove(connection: Connection, filename: string, options: DetachOptions): Omit<DetachReport, 'freeBytes'> {
  if (options.force !== true) refuseWhileRunning(connection, filename);
  const rows = schema(connection);
  const goes = (row: SchemaRow): boolean => isCapsules(row.name) || (options.all === true && isOurs(row.name));
  const going = rows.filter(goes);
  const of = (type: string): readonly string[] => going.filter((row) => row.type === type).map((row) => row.name);
  const [triggers, views, tables] = [of('trigger'), of('view'), of('table')];
  for (const name of triggers) connection.exec(`DROP TRIGGER IF EXISTS ${quoteName(name)}`);
  for (const name of views) connection.exec(`DROP VIEW ${quoteName(name)}`);
  for (const name of tables) connection.exec(`DROP TABLE ${quoteName(name)}`);
  const names = [...views, ...tables];
  return {
    triggers: triggers.length,
    tables,
    views,
    kept: rows.filter((row) => row.type === 'table' && isOurs(row.name) && !goes(row)).map((row) => row.name),
    dangling: rows
      .filter((row) => (row.type === 'view' || row.type === 'trigger') && !isOurs(row.name))
      .filter((row) => names.some((name) => row.sql?.includes(name) === true))
      .map((row) => `${row.type} ${row.name}`),
  };
}

function refuseWhileRunning(connection: Connection, filename: string): void {
  if (!hasCapsule(connection)) return;
  const alive = readHosts(connection).filter((host) => host.alive);
  if (alive.length === 0) return;
  throw new GlyphError(
    'GC_HOST_RUNNING',
    `GlyphCase is running on ${filename}: ${alive.map(describeHost).join(', ')}`,
    {
      hint: 'Stop it first. If it is gone for certain, repeat with --force.',
    },
  );
}

const isCapsules = (name: string): boolean => /^_capsule(_|$)/i.test(name);

function schema(connection: Connection): readonly SchemaRow[] {
  return connection.prepare('SELECT type, name, sql FROM sqlite_schema').all() as SchemaRow[];
}
