/**
 * What an adapter is: one file that exports `open`, with those members that its peer really has.
 *
 * Invariant: what an adapter does, a user of the peer does too; the measuring is done outside.
 */

/** A host in which one plugin provides the service `adder` and another one uses it, and five listeners hear `tick`. */
export interface Calls {
  /** As a plugin writes it: the service is taken from the context, then called. */
  through?(value: number): void;
  /** A call of a service that was taken from the context before. */
  kept?(value: number): void;
  /** Tells the five listeners. */
  emit?(value: number): void;
  /** Whether the second of two listeners hears an event that the first one throws at. */
  isolates?(): boolean;
}

export interface Adapter {
  calls?(add: (value: number) => number): Promise<Calls>;
  /** Loads a plugin with one service and one listener, and takes it away again, once a call. */
  cycle?(): Promise<() => unknown>;
  /** The text of a plugin's entry file, when it is not the one that all others have. */
  entry?(name: string): string;
  /** Loads the plugins in these folders. */
  load?(folders: readonly string[]): Promise<void>;
  /** Loads the plugin in a folder, and each new version of it as its files are saved; resolves when it listens. */
  follow?(folder: string): Promise<void>;
}
