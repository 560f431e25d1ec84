/**
 * Gets one commit of a git repository with the user's own git: credentials and proxies are as git is set up.
 *
 * Invariants: nothing is checked out, so no hook, filter or submodule of the repository runs and no link of it is made; only
 * the protocol that was named is spoken; nothing is asked on the terminal.
 */
import { devNull } from 'node:os';
import { join } from 'node:path';
import { runChild } from './child.ts';
import { MAX_UNPACKED_BYTES } from './limits.ts';
import type { SkillFiles } from './package-files.ts';
import { readTar } from './read-tar.ts';
import type { SkillSource } from './source.ts';

type GitSource = Extract<SkillSource, { kind: 'git' }>;

/** What would point git at another repository, or let it ask questions in a window. */
const NOT_OURS =
  /^(GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|ASKPASS)|SSH_ASKPASS)$/;
const LITTLE = 1024 * 1024;

/** @param work an empty folder. @throws GC_FETCH_FAILED, GC_BAD_PACKAGE */
export async function fetchGit(
  source: GitSource,
  work: string,
): Promise<{ readonly files: SkillFiles; readonly resolved: string }> {
  const repository = join(work, 'repository.git');
  const env = environment(source);
  // What reads the content does so without the user's settings: line ends stay as they are, no filter is known.
  const plain = { ...env, GIT_CONFIG_GLOBAL: devNull, GIT_CONFIG_NOSYSTEM: '1' };
  const what = `Getting git+${withoutPassword(source.url)}`;
  const git = (args: readonly string[], settings: NodeJS.ProcessEnv, maxBytes = LITTLE): Promise<Buffer> =>
    runChild('git', ['-c', `core.hooksPath=${devNull}`, '-c', 'core.askPass=', ...args], {
      what,
      env: settings,
      maxBytes,
      secret: passwordOf(source.url),
    });
  await git(['init', '--bare', '--quiet', '--template=', repository], plain);
  const inside = ['--git-dir', repository];
  const only = ['--quiet', '--depth=1', '--no-tags', '--no-recurse-submodules', '--no-auto-maintenance'];
  await git([...inside, 'fetch', ...only, '--', source.url, source.ref], env);
  const commit = (await git([...inside, 'rev-parse', '--verify', 'FETCH_HEAD^{commit}'], plain))
    .toString('utf8')
    .trim();
  const tree = source.folder === '' ? commit : `${commit}:${source.folder}`;
  const tar = await git([...inside, 'archive', '--format=tar', tree], plain, MAX_UNPACKED_BYTES);
  return { files: await readTar(tar), resolved: commit };
}

function environment({ protocol }: GitSource): NodeJS.ProcessEnv {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_OURS.test(name)));
  return {
    ...env,
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: protocol,
    GIT_SSH_COMMAND: env['GIT_SSH_COMMAND'] ?? 'ssh -o BatchMode=yes',
  };
}

const passwordOf = (url: string): string => /^[a-z]+:\/\/[^/@]*:([^/@]*)@/.exec(url)?.[1] ?? '';

/** A URL as it may be shown and written down. A user's name is needed with ssh, and may be a token with https. */
export const withoutPassword = (url: string): string =>
  url.startsWith('ssh:') ? url.replace(/:[^/@:]*@/, '@') : url.replace(/^(https:\/\/)[^/@]*@/, '$1');
