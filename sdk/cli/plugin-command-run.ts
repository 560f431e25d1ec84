/**
 * Runs a command of a plugin: in a host of its own, in which the plugin and what it requires are active, and no skill.
 *
 * Invariants: the database is there already, as with every command but `start`; the host is closed, however the command
 * ends. Other plugins of the folder are left alone: what they listen to and write is the business of the host that runs.
 */
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import type { CommandContext, CommandValue } from '../../kernel/plugins/commands.ts';
import type { Logger } from '../../kernel/logger.ts';
import { inRange } from '../../kernel/plugins/services.ts';
import type { PluginContext } from '../../kernel/plugins/types.ts';
import { builtinDefinitions } from '../builtin.ts';
import { GlyphCase } from '../glyphcase.ts';
import { definePlugin } from '../plugin.ts';
import { labelOf } from '../plugin-files/source.ts';
import { placeIn } from '../plugin-files/stack.ts';
import { VERSION } from '../version.ts';
import { complaints } from './complaints.ts';
import { untilDone } from './lifetime.ts';
import { print } from './output.ts';
import { DEFAULT_DB, existingDatabase } from './paths.ts';
import type { OwnedCommand } from './plugin-commands.ts';
import { configOf, placeOf } from './plugin-sources.ts';
import type { PluginSources, SourcedPlugin } from './plugin-sources.ts';

type Values = Readonly<Record<string, CommandValue>>;

export interface Typed {
  readonly args: Values;
  readonly options: Values;
  /** The database, when it was named. */
  readonly db?: string;
}

/** @throws GC_CANNOT_OPEN, GC_BAD_PLUGIN, GC_PLUGIN_FAILED, and whatever GlyphError the command throws */
export async function runPluginCommand(owned: OwnedCommand, sources: PluginSources, typed: Typed): Promise<void> {
  const { plugin, command } = owned;
  const { config } = sources;
  const filename = typed.db ?? config.filename ?? DEFAULT_DB;
  const options = configOf(plugin);
  const host = new GlyphCase({
    ...config,
    filename: filename === ':memory:' ? filename : existingDatabase(filename, ' (or do without: --db :memory:)'),
    logger: withoutStart(plugin.definition.name),
    plugins: [],
    skills: false,
  });
  await untilDone({
    async run(signal) {
      const own = await started(host, owned, sources);
      const context = contextOf(own, plugin, { config: options, signal });
      try {
        await command.run(context, typed.args, typed.options);
      } catch (error) {
        throw asThrownBy(owned, error);
      }
    },
    close: () => host.close(),
  });
}

/** That the plugin itself does not start is what the command fails with, and need not be said twice. */
const withoutStart = (name: string): Logger => ({
  ...complaints,
  error(message, fields) {
    const { error } = fields ?? {};
    const isItsStart = error instanceof GlyphError && error.plugin === name && error.phase === 'activate';
    if (!isItsStart) complaints.error(message, fields);
  },
});

/** Starts the plugin with what it requires; the context returned reaches its services as well as theirs. */
async function started(
  host: GlyphCase,
  { name, plugin }: OwnedCommand,
  sources: PluginSources,
): Promise<PluginContext> {
  const { definition } = plugin;
  for (const one of withRequired(plugin, sources.plugins)) host.plugins.load(one.definition, configOf(one));
  let own: PluginContext | undefined;
  const stand = definePlugin({
    name: `command:${name}`,
    version: VERSION,
    optional: { ...definition.optional, ...definition.requires, ...definition.provides },
    activate(ctx) {
      own = ctx;
    },
  });
  host.plugins.load(stand);
  await host.ready;
  const report = host.plugins.get(definition.name);
  if (report?.state === 'active' && own !== undefined) return own;
  const why = report?.error?.message ?? host.plugins.why(definition.name).join(' ');
  // One of these files may hold what it waits for.
  const unloaded =
    report?.state === 'waiting' && sources.problems.length > 0 ? ` Not loaded: ${sources.problems.join('; ')}` : '';
  throw new GlyphError('GC_PLUGIN_FAILED', `${placeOf(plugin)}: ${why}`, {
    plugin: definition.name,
    hint: `The command ${name} needs its plugin to be active.${unloaded}`,
    ...(report?.error === undefined ? {} : { cause: report.error }),
  });
}

/** The plugin, and of the others those that provide what it requires, and what they require. */
function withRequired(plugin: SourcedPlugin, others: readonly SourcedPlugin[]): readonly SourcedPlugin[] {
  const builtin = new Set(builtinDefinitions().flatMap(({ provides = {} }) => Object.keys(provides)));
  const found = new Set<SourcedPlugin>();
  const visit = (one: SourcedPlugin): void => {
    if (found.has(one)) return;
    found.add(one);
    for (const [service, range] of Object.entries(one.definition.requires ?? {})) {
      if (builtin.has(service)) continue;
      const offers = others.filter(({ definition }) => definition.provides?.[service] !== undefined);
      const fitting = offers.find(({ definition }) => inRange(definition.provides?.[service] ?? '', range));
      const provider = fitting ?? offers[0];
      if (provider !== undefined) visit(provider);
    }
  };
  visit(plugin);
  return [...found];
}

function contextOf(
  own: PluginContext,
  { definition }: SourcedPlugin,
  { config, signal }: Pick<CommandContext, 'config' | 'signal'>,
): CommandContext {
  const { db, log, clock } = own;
  const { name } = definition;
  const use = (service: string): unknown => {
    const declared = { ...definition.provides, ...definition.requires, ...definition.optional };
    if (Object.hasOwn(declared, service)) return own.use(service);
    const message = `a command of the plugin '${name}' uses the service '${service}', which it neither provides nor declares`;
    throw new GlyphError('GC_BAD_PLUGIN', message, {
      plugin: name,
      hint: `Add ${service}: '^1.0.0' to \`requires\`, or to \`optional\` if it can do without.`,
    });
  };
  return {
    name,
    config,
    db,
    log,
    clock,
    signal,
    use,
    defer: (fn, label) => own.defer(fn, label),
    print: (line = '') => print(String(line)),
  };
}

/** What a command throws is its own failure, and no defect of GlyphCase: with the line, where its files tell it. */
function asThrownBy({ name, plugin }: OwnedCommand, error: unknown): GlyphError {
  if (error instanceof GlyphError) return error;
  const { source } = plugin;
  const place = source && placeIn(source.root, error);
  const where = source === undefined || place === undefined ? '' : ` (at ${labelOf(source, place.file)}:${place.at})`;
  return new GlyphError('GC_PLUGIN_FAILED', `${messageOf(error)}${where}`, {
    plugin: plugin.definition.name,
    phase: 'command',
    cause: error,
    hint: `The command ${name} of the plugin '${plugin.definition.name}' (${placeOf(plugin)}) has thrown it.`,
  });
}
