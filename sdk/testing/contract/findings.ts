/**
 * What checks find, and which of it others have told of already.
 *
 * Invariant: findings of one cause are told of once, by the first check that meets them; the later ones say which that was.
 */
import { messageOf } from '../../../kernel/errors.ts';
import { thrownAt } from './call-site.ts';

/** What is wrong, in a sentence. */
export type Finding =
  | string
  | {
      readonly text: string;
      /** The same for all findings that one mistake leads to, in whatever words. */
      readonly cause: string;
    };

/** What a check found, or why it was not made. */
export type Findings = readonly Finding[] | { readonly skipped: string };

export const causeOf = (finding: Finding): string => (typeof finding === 'string' ? finding : finding.cause);

export const prefixed = (prefix: string, finding: Finding): Finding => ({
  text: `${prefix}${textOf(finding)}`,
  cause: causeOf(finding),
});

export const textOf = (finding: Finding): string => (typeof finding === 'string' ? finding : finding.text);

/** An error that reached the host, with the line that threw it. */
export const ofError = (error: unknown): Finding => ({
  text: `${messageOf(error)}${thrownAt(error)}`,
  cause: messageOf(error),
});

/** Which checks have told of which causes. */
export class Told {
  readonly #by = new Map<string, string>();

  /** The findings that no check before `check` has told of. */
  unheard(check: string, findings: readonly Finding[]): Findings {
    const known = new Set<string>();
    const fresh = findings.filter((finding) => {
      const cause = causeOf(finding);
      const teller = this.#by.get(cause);
      if (teller === undefined || teller === check) this.#by.set(cause, check);
      else known.add(teller);
      return teller === undefined || teller === check;
    });
    if (fresh.length > 0 || known.size === 0) return fresh;
    return { skipped: `It meets only what ${[...known].join(' and ')} tells of.` };
  }
}

/** Each different text once, with how often it came. */
export function counted(texts: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => (count === 1 ? text : `${text} (${count} times)`));
}
