/** `glyphcase start`: the host, on a database file, with the skills of a folder, until Ctrl-C. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { GlyphCaseConfig } from '../../config.ts';
import type { FileConfig } from '../config-file.ts';
import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { untilStopped } from '../lifetime.ts';
import { examples, pluginsOption, repeated, skillsOption } from '../options.ts';
import { assertFolder, DEFAULT_DB, DEFAULT_SKILLS, isFolder, pluginFolder, shown } from '../paths.ts';
import type { Reporter } from '../reporter.ts';

interface StartOptions {
  readonly db?: string;
  readonly skills?: readonly string[];
  readonly plugins?: readonly string[];
  readonly config?: string;
  readonly sample: boolean;
  readonly grant?: readonly string[];
  readonly quiet?: true;
  readonly json?: true;
}

export function addStart(program: Command): void {
  program
    .command('start')
    .summary('run the skills of a folder on a database')
    .description(
      'Opens a database, runs the skills of a folder on it, and takes their edits over as they are saved, until Ctrl-C. ' +
        'A new database gets the tables of a small shop to play with.',
    )
    .option('--db <file>', `SQLite file (default: ${DEFAULT_DB})`)
    .addOption(skillsOption())
    .addOption(pluginsOption())
    .option('--config <file>', 'options of the host: JSON, or a module with a default export; flags win')
    .option('--no-sample', 'leave a new database empty')
    .option(
      '--grant <permission>',
      'approve for every skill what else waits for "skill enable": all, network=HOST, functions=NAME, ' +
        'database.schema=TABLE, "database.read=*", …; may be repeated',
      repeated,
    )
    .option('--quiet', 'only what skills and plugins log, and what goes wrong')
    .option('--json', 'one line of JSON per happening')
    .addHelpText(
      'after',
      examples(
        ['glyphcase start', `./${DEFAULT_SKILLS} on ./${DEFAULT_DB}`],
        ['glyphcase start --db app.db --skills skills', 'on a database of yours'],
        ['glyphcase start --plugins plugins', 'with the plugins of a folder'],
        ['glyphcase start --grant network=api.example.com', 'let skills that ask for it talk to that host'],
      ),
    )
    .action(start);
}

async function start(options: StartOptions): Promise<void> {
  const began = performance.now();
  const [{ Grants }, { humanReporter, jsonReporter }, { readConfigFile }] = await Promise.all([
    import('../grants.ts'),
    import('../reporter.ts'),
    import('../config-file.ts'),
  ]);
  // Only people's own code can hold everything up.
  const hasCode = options.config !== undefined || options.plugins !== undefined;
  const stalls = hasCode ? (await import('../stall-watch.ts')).watchForStalls() : undefined;
  const grants = new Grants(options.grant ?? []);
  const fromFile = options.config === undefined ? {} : await readConfigFile(options.config);
  const filename = options.db ?? fromFile.filename ?? DEFAULT_DB;
  const folders = skillFoldersOf(options, fromFile);
  const given = [...(fromFile.plugins ?? []), ...(options.plugins ?? []).map(pluginFolder)];
  // Stack traces of plugins then name the lines of their sources. In a program of somebody else's that is not ours to switch on.
  if (given.length > 0) process.setSourceMapsEnabled(true);
  const isNew = filename !== ':memory:' && !existsSync(filename);
  const sample =
    options.sample && isNew && fromFile.schema === undefined ? (await import('../sample.ts')).SAMPLE : undefined;
  const [{ startHost, knownPlugins, placesOf }, { catchStrays, reportStray }] = await Promise.all([
    import('../host.ts'),
    import('../strays.ts'),
  ]);
  let host: Host | undefined;
  const plugins = knownPlugins(() => host);
  const reporter: Reporter =
    options.json === true ? jsonReporter({ plugins }) : humanReporter({ quiet: options.quiet === true, plugins });
  const fileSkills = fromFile.skills === false ? undefined : fromFile.skills;
  const config: GlyphCaseConfig = {
    ...fromFile,
    filename,
    logger: reporter.logger,
    plugins: given,
    ...(sample === undefined ? {} : { schema: sample }),
    skills: folders.length === 0 ? false : { ...fileSkills, dir: folders.map((folder) => resolve(folder)) },
  };
  const over = new AbortController();
  const stopped = untilStopped(over.signal);
  const tellPlaces = (): void => stalls?.tell({ plugins: placesOf(host).map(({ name, path }) => [name, path]) });
  const strays = catchStrays({
    logger: reporter.logger,
    plugins: () => placesOf(host),
    crashed: (...crash) => host?.crashed(...crash) ?? false,
  });
  try {
    host = startHost({
      config,
      grants,
      stalls,
      reacted: reporter.reacted,
      skillChanged: reporter.skillChanged,
      pluginChanged(now, before) {
        tellPlaces();
        reporter.pluginChanged(now, before);
      },
    });
    const ended = Promise.race([stopped, strays.fatal]);
    const started = await Promise.race([host.ready, ended]);
    tellPlaces();
    if (typeof started === 'object' && 'skills' in started) {
      reporter.started({
        ...started,
        file: shown(resolve(filename)),
        isNew,
        sample: sample?.tables.map((table) => table.name) ?? [],
        folders: folders.map(shown),
        missingFolders: folders.filter((folder) => !isFolder(folder)).map(shown),
        ms: performance.now() - began,
      });
    }
    const ending = await ended;
    if (typeof ending === 'object') {
      reportStray(ending.error);
      throw new Failure();
    }
  } finally {
    await host?.close();
    strays.close();
    over.abort();
  }
  reporter.stopped();
}

/** @throws GC_BAD_OPTION for a folder that was named and is not there; the default one may come later */
function skillFoldersOf(options: StartOptions, fromFile: FileConfig): readonly string[] {
  const { skills } = fromFile;
  if (options.skills === undefined && skills === false) return [];
  const named = options.skills ?? (skills === undefined || skills === false ? undefined : [skills.dir].flat());
  for (const folder of named ?? []) assertFolder(folder, 'skills');
  return named ?? [DEFAULT_SKILLS];
}
