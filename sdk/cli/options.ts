/** What several commands' options have in common: how they are read, and how their help ends. */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_DB, DEFAULT_SKILLS } from './paths.ts';

/** A whole number from 0 on. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('It must be a whole number, 0 or more.');
}

/** Gathers the values of an option that may be repeated. */
export function repeated(value: string, before: readonly string[] | undefined): readonly string[] {
  if (value === '') throw new InvalidArgumentError('It must not be empty.');
  return [...(before ?? []), value];
}

/** `--db FILE`, the database of the current folder unless told. */
export const dbOption = (): Option => new Option('--db <file>', 'SQLite file').default(DEFAULT_DB, DEFAULT_DB);

/** `--skills DIR`, which may be repeated; undefined when it is not given. */
export const skillsOption = (): Option =>
  new Option('--skills <dir>', `folder with skills; may be repeated (default: ${DEFAULT_SKILLS})`).argParser(repeated);

/** `--plugins DIR`, which may be repeated; undefined when it is not given. */
export const pluginsOption = (description = 'folder with plugins; may be repeated'): Option =>
  new Option('--plugins <dir>', description).argParser(repeated);

/** An option with a default that is shown without quotes. */
export const withDefault = (flags: string, description: string, value: string): Option =>
  new Option(flags, description).default(value, value);

/** Examples below a command's help: what is typed, and what it does. */
export function examples(...lines: readonly (readonly [command: string, meaning: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  const rows = lines.map(([command, meaning]) => `  ${command.padEnd(width)}   # ${meaning}`);
  return ['', 'Examples:', ...rows].join('\n');
}
