/**
 * What the host logs during a test: the skills' lines for the report, and what failed by itself for the test to be told.
 *
 * Invariant: a failure is handed out once.
 */
import type { Logger } from '../../kernel/logger.ts';
import { HOST } from '../../plugins/skills/instance.ts';
import type { LogLevel } from '../../plugins/skills/types.ts';
import type { SkillTestLog } from './types.ts';

/** Under which what test.lua prints is listed. */
export const TEST_FILE = 'test.lua';

export class TestLog {
  readonly lines: SkillTestLog[] = [];
  #failures: Error[] = [];
  readonly logger: Logger = {
    debug: (message, fields) => this.#add('debug', message, fields),
    info: (message, fields) => this.#add('info', message, fields),
    warn: (message, fields) => this.#add('warn', message, fields),
    error: (message, fields) => this.#add('error', message, fields),
  };

  /** Reactions, jobs, watches and answers that have failed since this was asked last. */
  takeFailures(): readonly Error[] {
    const taken = this.#failures;
    this.#failures = [];
    return taken;
  }

  #add(level: LogLevel, message: string, { skill, error }: Readonly<Record<string, unknown>> = {}): void {
    if (typeof skill !== 'string') return;
    // What test.lua prints is in the log of the host's own state.
    const who = skill === HOST ? TEST_FILE : skill;
    this.lines.push({ skill: who, level, message: message.replace(`[${skill}] `, '') });
    if (level === 'error' && error instanceof Error) this.#failures.push(error);
  }
}
