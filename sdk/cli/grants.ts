/**
 * `--grant`: what of the permissions that wait for a person's approval is approved beforehand.
 *
 * What waits is said by the plugin `skills`, as lines such as `network "api.example.com"`.
 */
import { didYouMean } from '../../kernel/schema/problems.ts';
import { approvalOf } from '../../plugins/skills/requirements.ts';
import type { Manifest, Permissions } from '../../plugins/skills/types.ts';
import { UsageError } from './errors.ts';

const KEYS = [
  'network',
  'functions',
  'database.schema',
  'database.read',
  'database.write',
  'hooks',
  'database.recursive',
];

/** Permissions of a manifest that wait until a person has seen them. */
export function waitingFor(permissions: Permissions): readonly string[] {
  return JSON.parse(approvalOf({ permissions } as Manifest)) as string[];
}

/** What `--grant` allows. */
export class Grants {
  readonly #items: readonly { readonly key: string; readonly value: string }[];
  /** Nothing waits for approval. */
  readonly all: boolean;

  /** @throws UsageError for a permission there is none of */
  constructor(given: readonly string[]) {
    this.all = given.includes('all');
    this.#items = given.filter((text) => text !== 'all').map(parse);
  }

  /** Whether everything that waits in these permissions was granted. */
  cover(permissions: Permissions): boolean {
    const waiting = waitingFor(permissions);
    return waiting.length > 0 && waiting.every((line) => this.#covers(line));
  }

  #covers(line: string): boolean {
    return this.#items.some(({ key, value }) =>
      value === '*' || key === 'database.recursive' ? line.startsWith(`${key} "`) : line === `${key} "${value}"`,
    );
  }
}

function parse(text: string): { readonly key: string; readonly value: string } {
  const at = text.indexOf('=');
  const key = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? '' : text.slice(at + 1);
  if (!KEYS.includes(key)) {
    const near = didYouMean(key, KEYS);
    throw new UsageError(
      `--grant ${text}: there is no permission "${key}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
      `all, or one of ${KEYS.map((name) => (name === 'database.recursive' ? name : `${name}=…`)).join(', ')}`,
    );
  }
  if (value === '' && key !== 'database.recursive') {
    throw new UsageError(`--grant ${key} needs a value`, `--grant ${key}=NAME, or --grant "${key}=*" for all`);
  }
  return { key, value };
}
