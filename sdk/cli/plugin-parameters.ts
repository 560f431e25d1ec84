/**
 * The arguments and options of a plugin's command, as the command line reads them.
 *
 * Invariant: what `run` is given has the types that were declared; what does not fit them is a usage error.
 */
import { Argument, InvalidArgumentError, Option } from 'commander';
import type { CommandArgument, CommandOption, CommandValue } from '../../kernel/plugins/commands.ts';

export function argumentOf(name: string, declared: CommandArgument): Argument {
  const { summary, many, optional } = declared;
  const word = many === true ? `${name}...` : name;
  const isOptional = optional === true || declared.default !== undefined;
  const argument = new Argument(isOptional ? `[${word}]` : `<${word}>`, summary);
  if (declared.default !== undefined) argument.default(declared.default, String(declared.default));
  if (declared.choices !== undefined) return argument.choices(declared.choices);
  return argument.argParser(parserOf(declared));
}

export function optionOf(name: string, declared: CommandOption): Option {
  const { summary, type, short, many, required } = declared;
  const letter = short === undefined ? '' : `-${short}, `;
  const long = `${letter}--${name.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}`;
  if (type === 'boolean') return new Option(long, summary);
  const kind = type === undefined || type === 'string' ? 'text' : type;
  const option = new Option(`${long} <${kind}>`, many === true ? `${summary}; may be repeated` : summary);
  if (declared.default !== undefined) option.default(declared.default, String(declared.default));
  if (required === true) option.makeOptionMandatory();
  // The parser after the choices: theirs would keep the last of many.
  if (declared.choices !== undefined) option.choices(declared.choices);
  return option.argParser(parserOf(declared));
}

/** What was typed for all parameters of a command; a boolean option is false, and a list empty, when it was left out. */
export function valuesOf(
  declared: Readonly<Record<string, CommandArgument | CommandOption>>,
  given: (name: string, index: number) => unknown,
): Readonly<Record<string, CommandValue>> {
  const entries = Object.entries(declared).map(([name, { type, many }], index) => {
    const absent = type === 'boolean' ? false : many === true ? [] : undefined;
    return [name, (given(name, index) as CommandValue) ?? absent];
  });
  return Object.fromEntries(entries) as Record<string, CommandValue>;
}

type Value = string | number;

function parserOf(declared: CommandArgument | CommandOption): (text: string, before: unknown) => Value | Value[] {
  const convert = converterOf(declared);
  if (declared.many !== true) return convert;
  return (text, before) => [...((before as Value[] | undefined) ?? []), convert(text)];
}

function converterOf({ type, choices }: CommandArgument | CommandOption): (text: string) => Value {
  if (type === 'number') return aNumber;
  if (type === 'integer') return anInteger;
  return (text) => {
    if (choices === undefined || choices.includes(text)) return text;
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
  };
}

function aNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('It must be a number.');
}

function anInteger(text: string): number {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('It must be a whole number.');
}
