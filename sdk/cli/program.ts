/**
 * The command line's grammar: which commands there are, and how help and usage errors look.
 *
 * Invariant: building it loads neither a database nor Lua, and no plugin; a command loads what it needs when it runs, and
 * the files of plugins are run only for a command that is not built in, or for a list that names them.
 */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.ts';
import { addDetach } from './commands/detach.ts';
import { addDoctor } from './commands/doctor.ts';
import { addInspect } from './commands/inspect.ts';
import { addLog } from './commands/log.ts';
import { addPlugin } from './commands/plugin.ts';
import { addSkill } from './commands/skill.ts';
import { addStart } from './commands/start.ts';
import { addWatch } from './commands/watch.ts';
import { complaints } from './complaints.ts';
import { EXIT, explain, report } from './errors.ts';
import { examples } from './options.ts';
import { paint } from './output.ts';
import { DEFAULT_PLUGINS, isFolder } from './paths.ts';
import type { MissingCommands } from './plugin-commands.ts';

/** All commands. Throws CommanderError instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('glyphcase')
    .description('Makes a SQLite file active: whatever writes to it wakes handlers, watchers and Lua skills.')
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureHelp({
      styleTitle: (title) => paint('bold', title),
      styleCommandText: (text) => paint('cyan', text),
      styleSubcommandText: (text) => paint('cyan', text),
      styleOptionText: (text) => paint('cyan', text),
      styleArgumentText: (text) => paint('cyan', text),
    })
    .addHelpText(
      'after',
      examples(
        ['glyphcase start', 'run the skills in ./skills on ./glyphcase.db'],
        ['glyphcase help watch', 'how to use one command'],
      ),
    );
  addStart(program);
  addWatch(program);
  addLog(program);
  addSkill(program);
  addPlugin(program);
  addInspect(program);
  addDoctor(program);
  addDetach(program);
  explainUsage(program, 'glyphcase');
  return program;
}

/** Gives each command its own way to the help that belongs to it. */
export function explainUsage(command: Command, name: string): void {
  command.configureOutput({ outputError: (text) => usageError(text, name) });
  for (const child of command.commands) explainUsage(child, `${name} ${child.name()}`);
}

/** Runs a command line. @returns the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const program = createProgram();
  let missing: MissingCommands | undefined;
  // Somebody who only asks what there is has not asked for anything to be run.
  if (isList(args) && !namesPlugins(args) && isFolder(DEFAULT_PLUGINS)) program.addHelpText('after', UNASKED);
  try {
    if (mayBeOfPlugin(args, program)) {
      const { addPluginCommands } = await import('./plugin-commands.ts');
      missing = await addPluginCommands(program, args);
      explainUsage(program, 'glyphcase');
    }
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error);
    if (isList(args)) warn(missing?.unloaded, missing?.refused);
    else if (error.code === 'commander.unknownCommand') warn(missing?.unloaded);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

const UNASKED = `
The plugins in ./${DEFAULT_PLUGINS} may have more commands. To list them runs their files:
  glyphcase --help --plugins ${DEFAULT_PLUGINS}`;

function warn(...sentences: readonly (readonly string[] | undefined)[]): void {
  for (const sentence of sentences.flat()) if (sentence !== undefined) complaints.warn(sentence);
}

/** What is asked for, or asked about: the first word, or the one after `help`. */
const asked = ([first, second]: readonly string[]): string | undefined => (first === 'help' ? second : first);

/** Whether the list of all commands is asked for. */
function isList(args: readonly string[]): boolean {
  const word = asked(args);
  return word === undefined || word === '--help' || word === '-h';
}

/** Whether plugins have to be asked for their commands; what is built in is not held up by them. */
function mayBeOfPlugin(args: readonly string[], { commands }: Command): boolean {
  const word = asked(args);
  if (isList(args)) return namesPlugins(args);
  const isBuiltin = word !== undefined && (word.startsWith('-') || commands.some((command) => command.name() === word));
  return !isBuiltin && (namesPlugins(args) || isFolder(DEFAULT_PLUGINS));
}

const namesPlugins = (args: readonly string[]): boolean => args.some((arg) => /^--(plugins|config)(=|$)/.test(arg));

/** `error: unknown option '--jsn'\n(Did you mean --json?)` in the shape of all our errors. */
function usageError(text: string, command: string): void {
  const [first = '', ...rest] = text.trim().split('\n');
  const meant = rest.join(' ').replace(/^\((.*)\)$/, '$1 ');
  explain(first.replace(/^error: /, ''), `${meant}See ${command} --help`);
}
