/**
 * Turns a validator's errors into sentences a person can act on: where, what, and the likely cure.
 *
 * Invariant: one mistake is reported once. Of a union (`anyOf`, `oneOf`) only the branch the value was meant for speaks.
 */
import type { ErrorObject } from 'ajv';
import { distance } from 'fastest-levenshtein';

/** One thing that is wrong. `path` is as one would write it: `permissions.database.read[0]`; empty for the whole value. */
export interface Problem {
  readonly path: string;
  readonly message: string;
  /** The key or value that was probably meant. */
  readonly suggestion?: string;
}

/** The problems as one text: `key: sentence (did you mean 'x'?)`, joined by semicolons. */
export function describeProblems(problems: readonly Problem[]): string {
  return problems.map(describe).join('; ');
}

/** The candidate that is most like `word`, if any is near enough to be a slip of the pen. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.ceil(word.length / 3);
  let best: string | undefined;
  let least = limit + 1;
  for (const candidate of candidates) {
    const far = distance(word.toLowerCase(), candidate.toLowerCase());
    if (far < least) [best, least] = [candidate, far];
  }
  return best;
}

/** @internal */
export function problemsOf(errors: readonly ErrorObject[]): Problem[] {
  const problems = relevant(errors).map(problemOf);
  const seen = new Set<string>();
  return problems.filter((problem) => {
    const key = `${problem.path}\0${problem.message}`;
    return seen.has(key) ? false : seen.add(key);
  });
}

function describe({ path, message, suggestion }: Problem): string {
  const hint = suggestion === undefined ? '' : ` (did you mean '${suggestion}'?)`;
  return `${path === '' ? '' : `${path}: `}${message}${hint}`;
}

const isWithin = (path: string, outer: string): boolean => `${path}/`.startsWith(`${outer}/`);
const isUnion = (error: ErrorObject): boolean => error.keyword === 'anyOf' || error.keyword === 'oneOf';

/** In a union, branches for another type of value are noise, and so is the union's own error once a branch has spoken. */
function relevant(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  let left = errors;
  for (const union of errors.filter(isUnion)) {
    const inside = left.filter((error) => error !== union && isWithin(error.instancePath, union.instancePath));
    const spoken = inside.filter((error) => error.instancePath !== union.instancePath || error.keyword !== 'type');
    const silent = new Set(spoken.length > 0 ? [union, ...inside.filter((error) => !spoken.includes(error))] : inside);
    left = left.filter((error) => !silent.has(error));
  }
  return left.filter((error) => error.keyword !== 'if');
}

function problemOf(error: ErrorObject): Problem {
  const path = pathOf(error.instancePath);
  const params = error.params as Record<string, unknown>;
  const properties = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {});
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params['additionalProperty']);
      return withSuggestion({ path: join(path, key), message: `unknown key '${key}'` }, didYouMean(key, properties));
    }
    case 'required':
      return { path, message: `the key '${String(params['missingProperty'])}' is missing` };
    case 'type':
      return { path, message: `must be ${list(params['type'])}, not ${show(error.data)}` };
    case 'enum': {
      const allowed = params['allowedValues'] as readonly unknown[];
      const names = allowed.filter((value) => typeof value === 'string');
      const near = typeof error.data === 'string' ? didYouMean(error.data, names) : undefined;
      return withSuggestion(
        { path, message: `must be one of ${allowed.map(show).join(', ')}, not ${show(error.data)}` },
        near,
      );
    }
    case 'anyOf':
    case 'oneOf': {
      const types = (error.schema as readonly { type?: unknown }[]).map((branch) => branch.type).filter(Boolean);
      const meant = types.length > 0 ? `must be ${list(types.flat())}` : 'fits none of the forms allowed here';
      return { path, message: `${meant}, not ${show(error.data)}` };
    }
    default:
      return { path, message: `${error.message ?? 'is not valid'}, but is ${show(error.data)}` };
  }
}

function withSuggestion(problem: Problem, suggestion: string | undefined): Problem {
  return suggestion === undefined ? problem : { ...problem, suggestion };
}

/** `/a/b~1c/0` → `a['b/c'][0]`, as one would write it in JavaScript. */
function pathOf(pointer: string): string {
  const keys = pointer.split('/').slice(1);
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~')).reduce(join, '');
}

function join(path: string, key: string): string {
  if (/^\d+$/.test(key)) return `${path}[${key}]`;
  if (!/^[\w$-]+$/.test(key)) return `${path}['${key}']`;
  return path === '' ? key : `${path}.${key}`;
}

function list(types: unknown): string {
  return [types]
    .flat()
    .map((type) => `${/^[aeio]/.test(String(type)) ? 'an' : 'a'} ${String(type)}`)
    .join(' or ');
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (value === undefined || typeof value === 'symbol') return String(value);
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    text = 'a value that refers to itself';
  }
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
