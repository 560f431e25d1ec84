/**
 * What an adapter is: one file that exports `open`, and how a peer's live queries look from outside.
 *
 * Invariant: a callback means that the peer told its user of a result; an adapter never calls it on its own account.
 */
import type { Task, User } from '../workload.mjs';

/** The result as the peer's user has it when called. */
export interface View {
  /** A row by its id, if it is in the result. */
  row(id: number): Readonly<Record<string, unknown>> | undefined;
  readonly size: number;
}

export type Callback = (view: View) => void;

export interface OpenOptions {
  /** An empty folder, removed afterwards. */
  readonly folder: string;
  readonly [option: string]: string;
}

export interface Adapter {
  load(users: User[], tasks: Task[]): Promise<void>;
  /** The active tasks. Resolves when the first result is there. */
  watchFilter(callback: Callback): Promise<void>;
  /** Each user with the number of tasks, rows `{ id, name, n }`; absent where the peer has no such query. */
  watchJoin?(callback: Callback): Promise<void>;
  /** Why there is no `watchJoin`. */
  readonly noJoin?: string;
  /** One user's tasks. */
  watchUser(user: number, callback: Callback): Promise<void> | void;
  /** Resolves when all that was watched so far has its first result; where `watchUser` does not wait for it. */
  settled?(): Promise<void>;
  updateTitle(id: number, title: string): Promise<unknown>;
  updateStatus(id: number, status: string): Promise<unknown>;
  insertTask(task: Task): Promise<unknown>;
  /** All rows in one transaction, by the quickest way there is. */
  bulkInsert(tasks: Task[]): Promise<unknown>;
}

export type Open = (options: OpenOptions) => Promise<Adapter>;
