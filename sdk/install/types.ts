/** What installing and removing skills takes and tells. */
import type { Permissions, SkillReport } from '../../plugins/skills/types.ts';
import type { PermissionDiff } from './permission-diff.ts';
import type { Signature } from './signature.ts';

/** What is about to be installed, before anything is changed. */
export interface InstallPlan {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly author?: string;
  /** As the lock will remember it. */
  readonly source: string;
  readonly resolved?: string;
  readonly hash: string;
  readonly files: number;
  readonly bytes: number;
  /** Where it will lie. */
  readonly dir: string;
  /** The version it replaces. */
  readonly previous?: string;
  readonly permissions: Permissions;
  /** Against the version that is installed. */
  readonly diff: PermissionDiff;
  /** Who signed it; absent when nobody did. */
  readonly signature?: Signature;
  /** Skills it needs that are not there in the right version, such as `currency ^2.0.0`. */
  readonly missing: readonly string[];
  /** What else a person should know, in sentences. */
  readonly warnings: readonly string[];
}

export interface InstallOptions {
  /** `FOLDER`, `FILE.tgz`, `FILE.zip`, `npm:NAME@RANGE`, `git+file:PATH#REF:FOLDER`, `git+https://…`, `git+ssh://…` */
  readonly source: string;
  /** The skills folder. */
  readonly dir: string;
  /** A database on which the skill is activated at once; if that fails, nothing is installed. */
  readonly filename?: string;
  /** Asked before anything is changed; false ends it. Without it nobody is asked. */
  readonly confirm?: (plan: InstallPlan) => boolean | Promise<boolean>;
  /** Also an older version, over changed files, and without a signature that is trusted. */
  readonly force?: boolean;
  /** Public keys (PEM, base64 or files). With a list, even an empty one, only what they signed is installed. */
  readonly trustedKeys?: readonly string[];
}

export interface InstallResult extends InstallPlan {
  /** False when exactly this was installed already. */
  readonly changed: boolean;
  /** What became of it on the database, if one was named. */
  readonly report?: SkillReport;
}

/** What is about to be removed, before anything is changed. */
export interface RemovePlan {
  readonly id: string;
  /** Its folder; absent when it is gone already. */
  readonly dir?: string;
  readonly version?: string;
  /** Tables that go, with their rows. */
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  readonly keepData: boolean;
}

export interface RemoveOptions {
  readonly id: string;
  /** The skills folder. */
  readonly dir: string;
  /** The database its data goes from. */
  readonly filename?: string;
  /** Its tables stay. */
  readonly keepData?: boolean;
  /** Asked before anything is changed; false ends it. Without it nobody is asked. */
  readonly confirm?: (plan: RemovePlan) => boolean | Promise<boolean>;
}
