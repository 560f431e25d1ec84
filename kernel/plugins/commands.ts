/**
 * What a plugin adds to the command line: the type of a command, and what its `run` is given.
 *
 * The kernel only checks what is declared; who reads command lines runs it.
 */
import type { PluginContext } from './types.ts';

interface Parameter<Type extends string> {
  /** What it is, in a few words, for the help. */
  readonly summary: string;
  /** What is typed is turned into this, or refused. @defaultValue 'string' */
  readonly type?: Type;
  /** The only texts it may be. */
  readonly choices?: readonly string[];
  /** What it is when it is not given. */
  readonly default?: string | number;
  /** Takes any number of values, as a list. */
  readonly many?: boolean;
}

/** A word after the command's name. */
export interface CommandArgument extends Parameter<'string' | 'number' | 'integer'> {
  /** It may be left out; those after it too, then. With `many` only: none at all is fine. */
  readonly optional?: boolean;
}

/** `--name <value>`, or `--name` for a boolean one. A key such as `dryRun` is typed as `--dry-run`. */
export interface CommandOption extends Parameter<'string' | 'number' | 'integer' | 'boolean'> {
  /** The command cannot do without it. */
  readonly required?: boolean;
  /** One letter, for `-l <value>`. */
  readonly short?: string;
}

/** In the order in which they are typed; only the last may take many. */
export type CommandArguments = Readonly<Record<string, CommandArgument>>;
export type CommandOptions = Readonly<Record<string, CommandOption>>;

/** What was typed for a parameter; undefined for one that was left out. */
export type CommandValue = string | number | boolean | readonly string[] | readonly number[] | undefined;

type One<P> = P extends { readonly type: 'number' | 'integer' }
  ? number
  : P extends { readonly type: 'boolean' }
    ? boolean
    : P extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : string;

/** A boolean option is false, a list empty, and a default there, when nothing was typed. */
type Given<P, Needed> = P extends { readonly many: true }
  ? readonly One<P>[]
  : P extends Needed | { readonly default: string | number } | { readonly type: 'boolean' }
    ? One<P>
    : One<P> | undefined;

/** The values of declared arguments, by their names. */
export type ArgumentValues<Arguments> = string extends keyof Arguments
  ? Readonly<Record<string, CommandValue>>
  : {
      readonly [Name in keyof Arguments]: Arguments[Name] extends { readonly optional: true }
        ? Given<Arguments[Name], never>
        : Given<Arguments[Name], unknown>;
    };

/** The values of declared options, by their names. */
export type OptionValues<Options> = string extends keyof Options
  ? Readonly<Record<string, CommandValue>>
  : { readonly [Name in keyof Options]: Given<Options[Name], { readonly required: true }> };

/** What a command is given beside what was typed. Its plugin is active, in a host of the command's own. */
export interface CommandContext<Config = unknown> extends Pick<
  PluginContext<Config>,
  'name' | 'config' | 'db' | 'log' | 'clock' | 'defer'
> {
  /** Aborted at Ctrl-C; a command that goes on all the same is cut off a second later. */
  readonly signal: AbortSignal;
  /** A service that the plugin provides, or names in `requires` or `optional`. @throws GC_NO_SERVICE, GC_BAD_PLUGIN */
  readonly use: PluginContext<Config>['use'];
  /** Writes a line of the result to stdout. */
  print(line?: string | number): void;
}

/** A command of `glyphcase`. Write one with `defineCommand` from `glyphcase/sdk`, which infers what `run` is given. */
export interface PluginCommand<Arguments = CommandArguments, Options = CommandOptions, Config = unknown> {
  /** One line in the list of commands. */
  readonly summary: string;
  /** Above its own help. @defaultValue the summary */
  readonly description?: string;
  readonly arguments?: Arguments;
  readonly options?: Options;
  /** What is typed after `glyphcase` → what it does. */
  readonly examples?: Readonly<Record<string, string>>;
  /** Does it. What it throws is shown, and ends `glyphcase` with 1. */
  run(
    ctx: CommandContext<Config>,
    args: ArgumentValues<Arguments>,
    options: OptionValues<Options>,
  ): void | Promise<void>;
}

/** Name → command. A name is small letters, digits and hyphens; `mail:send` is one too. The plugin's options have their type from elsewhere. */
export type PluginCommands<Config = unknown> = Readonly<
  Record<string, PluginCommand<CommandArguments, CommandOptions, NoInfer<Config>>>
>;
