/** `glyphcase skill install`: a skill from somewhere else, shown before it is let in. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { SkillsOptions } from '../../config.ts';
import type { InstallPlan, InstallResult } from '../../install/index.ts';
import type { OwnHostOptions } from '../../install/own-host.ts';
import { UsageError } from '../errors.ts';
import { examples, repeated } from '../options.ts';
import { note, paint, print, printPrettyJson, printable } from '../output.ts';
import { DEFAULT_SKILLS, existingDatabase, shown } from '../paths.ts';
import { stateText } from '../states.ts';

interface InstallCommandOptions {
  readonly skills?: string;
  readonly db?: string;
  readonly config?: string;
  readonly trustedKey?: readonly string[];
  readonly yes?: true;
  readonly force?: true;
  readonly json?: true;
}

export function addSkillInstall(skill: Command): void {
  skill
    .command('install')
    .summary('install a skill from elsewhere')
    .description(
      'Installs a skill from a folder, an archive, npm or git. Nothing of it runs before it has been shown, with what it may do, ' +
        'and confirmed. A running host picks it up; with --db it is started on a database at once, and if that fails nothing is installed.',
    )
    .argument(
      '<source>',
      'FOLDER, FILE.tgz, FILE.zip, npm:NAME@RANGE, git+file:PATH, git+https://… or git+ssh://… (#REF, #REF:FOLDER)',
    )
    .option('--skills <dir>', `where skills live (default: ${DEFAULT_SKILLS})`)
    .option('--db <file>', 'SQLite file to start it on; what it asks for is approved there')
    .option('--config <file>', "a host's options: its file, its skills folder, its skills.trustedKeys; flags win")
    .addOption(
      new Option(
        '--trusted-key <key>',
        'install only what this public key signed: a .pub file, or base64; may be repeated',
      ).argParser(repeated),
    )
    .option('--yes', 'do not ask: for programs')
    .option('--force', 'also an older version, over changed files, without a trusted signature')
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill install invoices-1.2.0.tgz', 'an archive'],
        ['glyphcase skill install npm:@acme/invoices@^1.0.0', "with your npm's registry"],
        ['glyphcase skill install git+file:../tools#v2:skills/tidy', 'a folder of a repository'],
      ),
    )
    .action(install);
}

async function install(source: string, options: InstallCommandOptions): Promise<void> {
  const [{ installOnFile }, { showInstallPlan }, { confirmed }] = await Promise.all([
    import('../../install/on-file.ts'),
    import('../install-plan.ts'),
    import('../confirm.ts'),
  ]);
  const { dir, filename, trustedKeys, host } = await settingsOf(options);
  const confirm = (plan: InstallPlan): Promise<boolean> => {
    showInstallPlan(plan);
    return confirmed(`Install it into ${shown(plan.dir)}?`, options.yes === true);
  };
  const result = await installOnFile(
    {
      source,
      dir,
      confirm,
      force: options.force === true,
      ...(filename === undefined ? {} : { filename }),
      ...(trustedKeys === undefined ? {} : { trustedKeys }),
    },
    host,
  );
  if (options.json === true) printPrettyJson(result);
  else printResult(result, filename);
}

function printResult({ id, version, changed, dir, report }: InstallResult, filename: string | undefined): void {
  const what = changed ? paint('green', 'installed') : 'already installed:';
  print(`${what} ${id} ${version} in ${shown(dir)}`);
  if (report !== undefined && filename !== undefined) {
    print(`${id} is ${stateText(report.state)} on ${shown(filename)}`);
    for (const reason of report.reasons) print(`  ${printable(reason)}`);
  } else if (changed) {
    note('A host that watches the folder starts it now; another one with: glyphcase start');
  }
}

interface Settings {
  readonly dir: string;
  readonly filename: string | undefined;
  readonly trustedKeys: readonly string[] | undefined;
  readonly host: OwnHostOptions;
}

/** What flags and configuration file say together. */
export async function settingsOf(options: Omit<InstallCommandOptions, 'yes' | 'force' | 'json'>): Promise<Settings> {
  const { readConfigFile } = await import('../config-file.ts');
  const { filename, skills, ...rest } = options.config === undefined ? {} : await readConfigFile(options.config);
  const inFile = skills === false ? undefined : skills;
  const [first, second] = inFile === undefined ? [] : [inFile.dir].flat();
  if (options.skills === undefined && second !== undefined) {
    throw new UsageError('The configuration names several skills folders', 'Say which with --skills DIR');
  }
  const file = options.db ?? filename;
  const trustedKeys = options.trustedKey ?? inFile?.trustedKeys;
  return {
    dir: options.skills ?? first ?? DEFAULT_SKILLS,
    filename: file === undefined ? undefined : existingDatabase(file),
    trustedKeys,
    host: inFile === undefined ? rest : { ...rest, skills: settingsOnly(inFile) },
  };
}

/** Without what is asked here, and where skills lie. */
function settingsOnly({ grants, configs }: SkillsOptions): NonNullable<OwnHostOptions['skills']> {
  return { ...(grants === undefined ? {} : { grants }), ...(configs === undefined ? {} : { configs }) };
}
