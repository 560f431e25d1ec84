/**
 * Every error GlyphCase throws on purpose, in one table.
 *
 * Invariant: a `GlyphError` always carries a code from {@link ERRORS}, a message that says what went wrong and where,
 * and a hint that says what to do. `docs/errors.md` is generated from the table.
 */

/** Code → what to do about it. The message is written where the error is thrown, because only there the "what" is known. */
export const ERRORS = {
  // --- arguments and options
  GC_BAD_ARGUMENT: 'Correct the named argument; docs/api.md lists what each call takes.',
  GC_BAD_OPTION: 'Correct the named option; docs/api.md lists all of them.',
  GC_BAD_VALUE: 'Bind numbers, bigints, strings, booleans, null, Date, Uint8Array, plain objects or arrays.',
  GC_CLOSED: 'The database, plugin or handle was closed; open it again before use.',
  // --- database
  GC_NODE_VERSION: 'Install Node.js 22.18 or newer (https://nodejs.org), and run the program with that.',
  GC_NOT_A_DATABASE: 'Point GlyphCase at a SQLite file, or at a new file name.',
  GC_CANNOT_OPEN: 'Check that the folder exists and that this user may read and write it.',
  GC_READ_ONLY: 'GlyphCase keeps its log in the file, so it needs to write; make the file and its folder writable.',
  GC_LOCKED: 'Another program holds the write lock; end its transaction, or raise the `busyTimeout` option (ms).',
  GC_DISK_FULL: 'Free disk space; everything committed so far is safe.',
  GC_NEWER_SCHEMA: 'Another, newer GlyphCase wrote this file; upgrade this one.',
  GC_SQL: 'Correct the SQL statement.',
  GC_NO_SUCH_TABLE: 'Create the table first, or correct its name.',
  GC_NO_SUCH_COLUMN: 'Correct the column name.',
  GC_CONSTRAINT: 'The row breaks a constraint of its table; change the row or the constraint.',
  GC_REFUSED: 'A before or validate hook refused the row; the message says why.',
  GC_WRITE_IN_QUERY: 'Use execute() for statements that write.',
  GC_INTERNAL_TABLE: 'Tables that begin with _capsule belong to GlyphCase; read them, do not write them.',
  GC_TRANSACTION:
    'Await every statement inside the transaction callback, and do not use a transaction after it has ended.',
  // --- change log and watchers
  GC_NO_CAPSULE: 'The file becomes active with its first host: glyphcase start --db FILE.',
  GC_HOST_RUNNING: 'Stop the host that is named, and try again.',
  GC_NOT_WATCHABLE: 'Watch an ordinary table; for views and joins watch a SELECT.',
  GC_BAD_FILTER: 'A filter is an expression over the columns of one table, such as "status = ?".',
  GC_NO_SUCH_WATCHER: 'Pass a watcher returned by watch(), or its id.',
  GC_HANDLER_FAILED: 'A subscriber threw; the batch is delivered again after a pause when the subscription is durable.',
  GC_CASCADE: 'Reactions trigger each other without end; make one of them write only when something really changes.',
  GC_TOO_MANY: 'End some of what is open or under way, or raise the limit that is named.',
  GC_NOT_SUPPORTED: 'This part is not available here; the message says what is.',
  // --- plugins
  GC_BAD_PLUGIN: 'Correct the plugin definition; docs/plugins.md shows a complete one.',
  GC_PLUGIN_FAILED: 'The cause says what the plugin threw; plugins.why(name) tells the whole state.',
  GC_PLUGIN_TIMEOUT: 'The named phase did not finish in time; you may have forgotten to resolve a promise.',
  GC_NO_SERVICE: 'Load a plugin that provides the service, in the version range asked for.',
  GC_NO_SUCH_PLUGIN: 'plugins.list() names the plugins that are loaded.',
  GC_INTERNAL: 'This is a defect in GlyphCase itself; please report it with the message and what led to it.',
  GC_SCOPE_CLOSED: 'The plugin or skill that owns this handle was unloaded.',
  // --- Lua and skills
  GC_LUA: 'Correct the Lua code at the given file and line.',
  GC_LUA_SYNTAX: 'Correct the Lua syntax at the given file and line.',
  GC_LUA_TIME: 'The script ran longer than its time limit; do less per call, or raise limits.time in the manifest.',
  GC_LUA_MEMORY:
    'The script needed more memory than its limit; keep less in memory, or raise limits.memory in the manifest.',
  GC_LUA_VALUE: 'Only nil, booleans, numbers, strings and tables of these cross between Lua and the host.',
  GC_BAD_MANIFEST: 'Correct manifest.json at the given key; skills.manifest.schema.json describes every key.',
  GC_BAD_MIGRATION:
    'Restore the file as it ran and put the change into a new one with the next number, or start over with `glyphcase skill remove ID`.',
  GC_DOWNGRADE:
    'Install a newer version, or force it: skills.reload(id, { force: true }), `glyphcase skill install --force`.',
  GC_NO_SUCH_SKILL: 'skills.list() names the skills that are loaded.',
  GC_SKILL_FAILED: 'The cause says what the skill threw; `glyphcase skill logs ID` shows its log.',
  GC_PERMISSION: 'Add the permission to the skill’s manifest.json, as the message shows.',
  GC_NO_SUCH_FUNCTION: 'Define the function as a global in the script, or register it with registerLuaFunction().',
  // --- installing skills
  GC_BAD_PACKAGE: 'Nothing of it was installed; have its author correct the package, at the entry that is named.',
  GC_FETCH_FAILED: 'The message holds what npm or git said; try the same with npm or git alone.',
  GC_NOT_TRUSTED: 'Get the skill signed by a key you trust, or trust the key: skills.trustedKeys, --trusted-key.',
  GC_INSTALL_REFUSED: 'Nothing was changed; the message says what would have been, and how to have it.',
} as const satisfies Record<string, string>;

/** One of the codes in {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/** What {@link GlyphError} takes beside code and message. */
export interface ErrorDetails {
  /** Replaces the table's hint where the place of the error knows better. */
  readonly hint?: string;
  readonly plugin?: string;
  readonly skill?: string;
  /** The lifecycle phase or operation in which it happened, such as `activate` or `on_data_changed`. */
  readonly phase?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of GlyphCase.
 *
 * @example
 * ```ts
 * try { db.watch('ordrs'); } catch (error) {
 *   if (error instanceof GlyphError && error.code === 'GC_NO_SUCH_TABLE') console.error(error.message, error.hint);
 * }
 * ```
 */
export class GlyphError extends Error {
  override readonly name = 'GlyphError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly plugin?: string;
  readonly skill?: string;
  readonly phase?: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint ?? ERRORS[code];
    if (details.plugin !== undefined) this.plugin = details.plugin;
    if (details.skill !== undefined) this.skill = details.skill;
    if (details.phase !== undefined) this.phase = details.phase;
  }
}

/** The message of anything that was thrown; a thrown non-error is shown as text. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

const OUTSIDE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'GC_LOCKED',
  'GC_DISK_FULL',
  'GC_READ_ONLY',
  'GC_CLOSED',
  'GC_SCOPE_CLOSED',
]);

/** Whether an error comes of circumstances, a locked or full database or a host that closes, and says nothing about the code that met it. */
export const isOutside = (error: unknown): boolean => error instanceof GlyphError && OUTSIDE.has(error.code);
