/**
 * Lets a skill run, or stops it, from outside its host: through the file, which a host started by the command line follows.
 *
 * Invariant: approval covers exactly what the manifest asks for at this moment, and is shown to whoever gives it.
 */
import type { Manifest } from '../../plugins/skills/types.ts';
import { approvalOf } from '../../plugins/skills/requirements.ts';
import { SkillStore } from '../../plugins/skills/store.ts';
import { guarded, openToWrite, reading, schemaNames } from './connection.ts';
import type { Connection } from './connection.ts';

type StoreDatabase = ConstructorParameters<typeof SkillStore>[0];

/** What the file says of one skill. */
export interface ControlRow {
  readonly id: string;
  readonly state: string;
  readonly enabled: boolean;
  readonly approved: string | null;
  readonly error: string | null;
}

/** Lets a skill run, also when it was quarantined; approves what its manifest asks for, if that is given. @throws GC_LOCKED, GC_READ_ONLY */
export function enableSkill(filename: string, id: string, manifest: Manifest | undefined): void {
  change(filename, (store, connection) => {
    const now = Date.now();
    store.setEnabled(id, true, now);
    if (manifest !== undefined) store.approve(id, approvalOf(manifest), now);
    // What a running host takes for "try again"; it never writes this itself while it holds the skill back.
    connection.prepare("UPDATE _skills SET state = 'discovered' WHERE id = ? AND state <> 'active'").run(id);
  });
}

/** Stops a skill for good, also after a restart. @throws GC_LOCKED, GC_READ_ONLY */
export function disableSkill(filename: string, id: string): void {
  change(filename, (store) => store.setEnabled(id, false, Date.now()));
}

/** @throws GC_CANNOT_OPEN, GC_NOT_A_DATABASE */
export function readControl(filename: string): readonly ControlRow[] {
  return reading(filename, (connection) => (schemaNames(connection).has('_skills') ? readControlRows(connection) : []));
}

/** What a file in which skills have run says of them. */
export function readControlRows(connection: Connection): readonly ControlRow[] {
  const rows = connection.prepare('SELECT id, state, enabled, approved, error FROM _skills ORDER BY id').all() as (Omit<
    ControlRow,
    'enabled'
  > & { enabled: number })[];
  return rows.map((row) => ({ ...row, enabled: row.enabled === 1 }));
}

function change(filename: string, fn: (store: SkillStore, connection: Connection) => void): void {
  const connection = openToWrite(filename);
  try {
    guarded(filename, () =>
      connection.transaction(() => fn(new SkillStore(asDatabase(connection)), connection)).immediate(),
    );
  } finally {
    connection.close();
  }
}

/** A plain connection with an open transaction is all that the store needs of a database. */
function asDatabase(connection: Connection): StoreDatabase {
  const run = (sql: string, params: readonly unknown[] | Readonly<Record<string, unknown>> = []): unknown =>
    Array.isArray(params) ? connection.prepare(sql).run(...(params as unknown[])) : connection.prepare(sql).run(params);
  return {
    prepare: (sql: string) => connection.prepare(sql),
    exec: (sql: string) => connection.exec(sql),
    run,
    write: (fn: () => void) => fn(),
    deferWrite: (fn: () => void) => fn(),
    flushDeferred: () => true,
  } as unknown as StoreDatabase;
}
