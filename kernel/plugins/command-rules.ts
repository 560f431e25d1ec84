/**
 * Checks of the commands in a plugin's definition.
 *
 * Invariant: every mistake is a sentence that names the place, `commands.greet.options.loud.type`; what passes can be
 * turned into a command line without further questions.
 */
import { describeProblems, validate } from '../schema/validate.ts';
import type { CommandArgument, CommandOption, PluginCommands } from './commands.ts';
import type { JsonSchema } from './types.ts';

const text: JsonSchema = { type: 'string', minLength: 1 };
const parameter = {
  summary: text,
  choices: { type: 'array', minItems: 1, items: text },
  default: { type: ['string', 'number'] },
  many: { type: 'boolean' },
};
const NUMBERS = ['number', 'integer'];
const argument: JsonSchema = {
  type: 'object',
  required: ['summary'],
  properties: { ...parameter, type: { enum: ['string', ...NUMBERS] }, optional: { type: 'boolean' } },
};
const option: JsonSchema = {
  type: 'object',
  required: ['summary'],
  properties: {
    ...parameter,
    type: { enum: ['string', ...NUMBERS, 'boolean'] },
    required: { type: 'boolean' },
    short: { type: 'string', pattern: '^[a-zA-Z]$' },
  },
};
const SCHEMA: JsonSchema = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    required: ['summary', 'run'],
    properties: {
      summary: text,
      description: text,
      arguments: { type: 'object', additionalProperties: argument },
      options: { type: 'object', additionalProperties: option },
      examples: { type: 'object', additionalProperties: text },
      run: {},
    },
  },
};

const COMMAND = /^[a-z][a-z0-9-]*(?::[a-z0-9-]+)*$/;
const KEY = /^[a-z][a-zA-Z0-9]*$/;
/** Options that `glyphcase` itself has on every command, and the letter of one of them. */
const TAKEN = ['db', 'plugins', 'config', 'help', 'version'];
const HELP_LETTER = 'h';

/** What is wrong with the key `commands` of a definition, in sentences. */
export function checkCommands(commands: unknown): readonly string[] {
  if (commands === undefined) return [];
  const { problems } = validate(SCHEMA, commands, { what: 'commands' });
  if (problems !== undefined) {
    const placed = problems.map((problem) => ({ ...problem, path: under('commands', problem.path) }));
    return [describeProblems(placed)];
  }
  return Object.entries(commands as PluginCommands).flatMap(([name, command]) => {
    const place = `commands.${name}`;
    return [
      ...unless(COMMAND.test(name), `\`${place}\`: a command is small letters, digits and hyphens`),
      ...unless(typeof command.run === 'function', `\`${place}.run\` is ${typeof command.run}, not a function`),
      ...checkArguments(command.arguments ?? {}, `${place}.arguments`),
      ...checkOptions(command.options ?? {}, `${place}.options`),
    ];
  });
}

const under = (root: string, path: string): string =>
  path === '' || path.startsWith('[') ? `${root}${path}` : `${root}.${path}`;

const unless = (holds: boolean, sentence: string): readonly string[] => (holds ? [] : [sentence]);

function checkArguments(parameters: Readonly<Record<string, CommandArgument>>, place: string): readonly string[] {
  const entries = Object.entries(parameters);
  const firstOptional = entries.findIndex(([, one]) => isOptional(one));
  return entries.flatMap(([name, one], index) => [
    ...checkParameter(name, one, `${place}.${name}`),
    ...unless(
      one.many !== true || index === entries.length - 1,
      `\`${place}.${name}\` takes many, which only the last argument may`,
    ),
    ...unless(
      isOptional(one) || firstOptional < 0 || index < firstOptional,
      `\`${place}.${name}\` must be given, but stands after one that may be left out`,
    ),
  ]);
}

const isOptional = (one: CommandArgument): boolean => one.optional === true || one.default !== undefined;

function checkOptions(parameters: Readonly<Record<string, CommandOption>>, place: string): readonly string[] {
  const letters = new Map<string, string>([[HELP_LETTER, 'help']]);
  return Object.entries(parameters).flatMap(([name, one]) => {
    const at = `${place}.${name}`;
    const other = one.short === undefined ? undefined : letters.get(one.short);
    if (one.short !== undefined) letters.set(one.short, name);
    const valued = ['choices', 'default', 'many', 'required'].filter((key) => key in one);
    return [
      ...checkParameter(name, one, at),
      ...unless(!TAKEN.includes(name), `\`${at}\`: every command has an option --${name} already`),
      ...unless(
        !/^no[A-Z]/.test(name),
        `\`${at}\`: no option begins with --no-; say what it does, such as --skip-mail`,
      ),
      ...unless(other === undefined, `\`${at}.short\` is '${one.short}', which is --${other} already`),
      ...(one.type === 'boolean' ? valued.map((key) => `\`${at}\` is boolean and cannot have \`${key}\``) : []),
    ];
  });
}

function checkParameter(name: string, one: CommandArgument | CommandOption, place: string): readonly string[] {
  const wanted = NUMBERS.includes(one.type ?? 'string') ? 'number' : 'string';
  const { choices, many } = one;
  const given = one.default;
  return [
    ...unless(KEY.test(name), `\`${place}\`: a name is a word such as 'dryRun', letters and digits`),
    ...unless(choices === undefined || wanted === 'string', `\`${place}.choices\` are for texts, not numbers`),
    ...unless(given === undefined || many !== true, `\`${place}\` takes many and cannot have \`default\``),
    ...unless(
      given === undefined || one.type === 'boolean' || typeof given === wanted,
      `\`${place}.default\` is ${JSON.stringify(given)}, not a ${wanted}`,
    ),
    ...unless(
      given === undefined || choices === undefined || choices.includes(String(given)),
      `\`${place}.default\` is ${JSON.stringify(given)}, none of its \`choices\``,
    ),
  ];
}
