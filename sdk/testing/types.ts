/** What a run of a skill's tests tells, and what it takes. Plain data, fit for JSON. */
import type { LogLevel } from '../../plugins/skills/types.ts';

export interface RunSkillOptions {
  /** Only tests whose name contains this text, whatever the case. */
  readonly grep?: string;
  /** More folders that hold skills, for `dependencies` that do not lie beside the skill. */
  readonly skills?: readonly string[];
  /** Time at which each test begins. @defaultValue 2026-01-01T00:00:00Z */
  readonly startAt?: Date;
  /** Real time one test may take, in ms; a stretch of Lua is stopped by its own limit before. @defaultValue 10000 */
  readonly timeoutMs?: number;
  /** Told of each test as it ends. */
  readonly onTest?: (test: SkillTest) => void;
}

/** What became of `test.lua` as a whole. */
export interface SkillTestResult {
  readonly skill: string;
  readonly version?: string;
  /** The skill's folder, as it was given. */
  readonly dir: string;
  readonly ok: boolean;
  readonly passed: number;
  readonly failed: number;
  /** Tests that `grep` left out. */
  readonly skipped: number;
  readonly ms: number;
  readonly tests: readonly SkillTest[];
  /** Why no test could run: a broken manifest, no test.lua, a syntax error in it. */
  readonly error?: SkillTestFailure;
}

export interface SkillTest {
  readonly name: string;
  /** Line of `test.lua` on which it begins. */
  readonly line: number;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly ms: number;
  readonly failure?: SkillTestFailure;
  /** What the skills logged during the test, oldest first. */
  readonly logs: readonly SkillTestLog[];
}

export interface SkillTestLog {
  /** `test.lua` for what the test itself prints. */
  readonly skill: string;
  readonly level: LogLevel;
  readonly message: string;
}

export interface SkillTestFailure {
  /** Without the place. */
  readonly message: string;
  /** Of the error's code, when it was GlyphCase that refused. */
  readonly code?: string;
  readonly hint?: string;
  /** `test.lua`, or another file of the folder. */
  readonly file: string;
  /** 0 when no line is to blame. */
  readonly line: number;
  /** Both sides of a comparison, as Lua would write them. */
  readonly expected?: string;
  readonly actual?: string;
  /** Lines of the test's files that led there, innermost first: `test.lua:12`. */
  readonly stack: readonly string[];
  /** Lua's traceback in the skill, innermost first, when the skill failed. */
  readonly traceback: readonly string[];
}
