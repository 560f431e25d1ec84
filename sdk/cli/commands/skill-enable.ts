/** `glyphcase skill enable` and `disable`: said in the file, which a running host follows. */
import type { Command } from 'commander';
import { GlyphError, messageOf } from '../../../kernel/errors.ts';
import type { Manifest } from '../../../plugins/skills/types.ts';
import type { ControlRow } from '../../maintenance/skill-control.ts';
import { Failure } from '../errors.ts';
import { dbOption, examples, skillsOption } from '../options.ts';
import { note, paint, print, printable } from '../output.ts';
import { DEFAULT_SKILLS, existingDatabase } from '../paths.ts';
import { stateText } from '../states.ts';

/** How long a running host is given to follow, in ms. */
const PATIENCE_MS = 5000;
const LOOK_MS = 100;

interface ControlOptions {
  readonly db: string;
  readonly skills?: readonly string[];
}

export function addSkillEnable(skill: Command): void {
  skill
    .command('enable')
    .summary('let a skill run, and approve what it asks for')
    .description(
      'Lets a disabled or quarantined skill run again, and approves what its manifest asks for beyond tables: ' +
        'network, functions of the host, schema changes, "*". It shows what that is. A running "glyphcase start" follows at once.',
    )
    .argument('<id>', 'the skill')
    .addOption(dbOption())
    .addOption(skillsOption())
    .addHelpText('after', examples(['glyphcase skill enable search-index', 'approve and run it']))
    .action(enable);
}

export function addSkillDisable(skill: Command): void {
  skill
    .command('disable')
    .summary('stop a skill for good')
    .description(
      'Stops a skill, also after a restart; its data and its place in the log stay. A running "glyphcase start" follows at once.',
    )
    .argument('<id>', 'the skill')
    .addOption(dbOption())
    .addOption(skillsOption())
    .addHelpText('after', examples(['glyphcase skill disable audit-trail', 'until it is enabled again']))
    .action(disable);
}

async function enable(id: string, options: ControlOptions): Promise<void> {
  const path = existingDatabase(options.db);
  const { manifest, problem } = await find(path, id, options);
  const [{ enableSkill }, { waitingFor }] = await Promise.all([
    import('../../maintenance/skill-control.ts'),
    import('../grants.ts'),
  ]);
  const approved = manifest === undefined ? [] : waitingFor(manifest.permissions);
  enableSkill(path, id, manifest);
  for (const line of approved) print(`${paint('yellow', 'approved')}  permissions.${printable(line)}`);
  if (problem !== undefined) note(`${paint('yellow', 'warning:', process.stderr)} nothing was approved: ${problem}`);
  await follow(path, id, (row) => !['discovered', 'disabled', 'activating'].includes(row.state));
}

async function disable(id: string, options: ControlOptions): Promise<void> {
  const path = existingDatabase(options.db);
  await find(path, id, options);
  const { disableSkill } = await import('../../maintenance/skill-control.ts');
  disableSkill(path, id);
  await follow(path, id, (row) => row.state === 'disabled');
}

interface Found {
  readonly manifest?: Manifest;
  /** Why there is no manifest, though there should be one. */
  readonly problem?: string;
}

/** @throws GC_NO_SUCH_SKILL when neither the file nor a folder knows it */
async function find(path: string, id: string, options: ControlOptions): Promise<Found> {
  const [{ readControl }, { skillFolders, readFolder }, { readManifest }, { didYouMean }, { VERSION }] =
    await Promise.all([
      import('../../maintenance/skill-control.ts'),
      import('../../../plugins/skills/folder.ts'),
      import('../../../plugins/skills/manifest.ts'),
      import('../../../kernel/schema/problems.ts'),
      import('../../version.ts'),
    ]);
  const dirs = (options.skills ?? [DEFAULT_SKILLS]).flatMap((folder) => skillFolders(folder));
  const nameOf = (dir: string): string => dir.slice(dir.lastIndexOf('/') + 1);
  const dir = dirs.find((one) => nameOf(one) === id);
  const known = readControl(path).map((row) => row.id);
  if (dir === undefined) {
    const all = [...new Set([...known, ...dirs.map(nameOf)])];
    if (known.includes(id))
      return { problem: `its folder is not in ${(options.skills ?? [DEFAULT_SKILLS]).join(', ')} (--skills)` };
    const near = didYouMean(id, all);
    throw new GlyphError(
      'GC_NO_SUCH_SKILL',
      `There is no skill "${id}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
      {
        hint:
          all.length === 0
            ? 'Name the folder with --skills.'
            : `Skills: ${all.join(', ')}. Name other folders with --skills.`,
      },
    );
  }
  try {
    return { manifest: readManifest(readFolder(dir), VERSION) };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

/** Waits until a running host has done as the file says, and tells what came of it. */
async function follow(path: string, id: string, isDone: (row: ControlRow) => boolean): Promise<void> {
  const [{ readControl }, { reading, hasCapsule }, { readHosts }] = await Promise.all([
    import('../../maintenance/skill-control.ts'),
    import('../../maintenance/connection.ts'),
    import('../../maintenance/hosts.ts'),
  ]);
  const isRunning = reading(
    path,
    (connection) => hasCapsule(connection) && readHosts(connection).some((host) => host.alive),
  );
  const row = (): ControlRow | undefined => readControl(path).find((one) => one.id === id);
  if (!isRunning) {
    print(`${id} will be ${row()?.enabled === false ? 'left alone' : 'started'} when a host starts: glyphcase start`);
    return;
  }
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const now = row();
    if (now !== undefined && isDone(now)) {
      print(`${id} is ${stateText(now.state)}${now.error === null ? '' : `: ${printable(now.error)}`}`);
      if (now.state === 'failed' || now.state === 'quarantined') throw new Failure();
      return;
    }
    if (performance.now() > until) {
      note('A host is running, but has not followed; it may not have this skill, or not be "glyphcase start".');
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
