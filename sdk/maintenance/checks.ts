/** What `doctor` finds: one line per question, with what to do about it. */

export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was looked at: two or three words. */
  readonly topic: string;
  readonly message: string;
  /** What to do; absent when all is well. */
  readonly advice?: string;
}

export const ok = (topic: string, message: string): Finding => ({ level: 'ok', topic, message });
export const warn = (topic: string, message: string, advice: string): Finding => ({
  level: 'warn',
  topic,
  message,
  advice,
});
export const fail = (topic: string, message: string, advice: string): Finding => ({
  level: 'fail',
  topic,
  message,
  advice,
});
