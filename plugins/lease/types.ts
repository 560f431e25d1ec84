/** What the plugin `lease` offers: the answer to "does this host run reactions and jobs on the file?". */

/** The service `lease`. */
export interface LeaseService {
  /** Whether this host holds the lease, as far as it has looked. */
  readonly held: boolean;
  /** The epoch of the last lease this host has held; 0 when it has held none. Grows with every change of holder. */
  readonly epoch: number;
  /**
   * Whether this host holds the lease by the file's own word. Inside a transaction the answer holds until its end,
   * because nobody else can write meanwhile; about a microsecond.
   */
  mayRun(): boolean;
  /** Says that this host has something to run; until then it neither takes the lease nor waits for it. Idempotent. @throws GC_LOCKED */
  want(): void;
}
