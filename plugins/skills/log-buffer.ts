/**
 * Skills' log lines: the last of each skill in memory, and in the file for other processes to read.
 *
 * Invariant: bounded everywhere: length of a line, lines per skill, lines waiting to be written. Writing is lazy and never
 * part of anybody's transaction, so that what a failed delivery logged is kept.
 */
import type { Clock, Database, Logger, Timer } from '../../sdk/plugin.ts';
import { withTraceback } from './traceback.ts';
import type { LogLevel, SkillLogLine } from './types.ts';

/** Lines kept of each skill. */
const KEPT = 500;
/** Characters of one line. */
const MAX_LINE = 4000;
const WRITE_AFTER_MS = 250;

export interface LogBufferOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LogBuffer {
  readonly #options: LogBufferOptions;
  readonly #lines = new Map<string, SkillLogLine[]>();
  readonly #unwritten = new Map<string, SkillLogLine[]>();
  #timer: Timer | undefined;

  constructor(options: LogBufferOptions) {
    this.#options = options;
  }

  /** @param error that is told of: its Lua traceback stands below the message */
  add(skill: string, level: LogLevel, message: string, error?: unknown): void {
    const { clock, logger } = this.#options;
    const whole = withTraceback(message, error);
    const text = whole.length > MAX_LINE ? `${whole.slice(0, MAX_LINE)}…` : whole;
    const line: SkillLogLine = { skill, at: clock.now(), level, message: text };
    keep(this.#lines, line);
    keep(this.#unwritten, line);
    logger[level](`[${skill}] ${text}`, error === undefined ? { skill } : { skill, error });
    this.#timer ??= clock.timeout(() => {
      this.#timer = undefined;
      this.flush();
    }, WRITE_AFTER_MS);
  }

  /** Lines of this host, oldest first. */
  read(skill?: string): readonly SkillLogLine[] {
    if (skill !== undefined) return [...(this.#lines.get(skill) ?? [])];
    return [...this.#lines.values()].flat().sort((a, b) => a.at - b.at);
  }

  /** Drops the lines of a skill that was removed. */
  forget(skill: string): void {
    this.#lines.delete(skill);
    this.#unwritten.delete(skill);
  }

  /** Hands what waits to the database, to be written when it is free. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { db } = this.#options;
    const waiting = [...this.#unwritten];
    this.#unwritten.clear();
    if (waiting.length === 0 || !db.sqlite.open) return;
    db.deferWrite(() => {
      for (const [skill, lines] of waiting) this.#write(skill, lines);
    });
  }

  #write(skill: string, lines: readonly SkillLogLine[]): void {
    const { db } = this.#options;
    const insert = db.cached('INSERT INTO _skill_logs(skill, at, level, message) VALUES (?, ?, ?, ?)');
    for (const { at, level, message } of lines) insert.run(skill, BigInt(at), level, message);
    db.run(
      `DELETE FROM _skill_logs WHERE skill = @skill AND id <=
       (SELECT id FROM _skill_logs WHERE skill = @skill ORDER BY id DESC LIMIT 1 OFFSET @kept)`,
      { skill, kept: KEPT },
    );
  }
}

function keep(lines: Map<string, SkillLogLine[]>, line: SkillLogLine): void {
  const own = lines.get(line.skill);
  if (own === undefined) {
    lines.set(line.skill, [line]);
    return;
  }
  own.push(line);
  // Cut in larger pieces: shifting one by one would cost a copy of the rest each time.
  if (own.length > KEPT * 2) own.splice(0, own.length - KEPT);
}
