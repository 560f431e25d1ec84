/** The command line as a whole: help, mistakes, exit codes, colours, pipes; and the page that documents it. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../sdk/cli/program.ts';
import { VERSION } from '../sdk/version.ts';
import { cli, cliHere, root, startCli } from './70-cli-support.ts';
import { openHost, tempDir, tempFile } from './support.ts';

/** All commands, such as `skill new`. */
function commands(parent = createProgram(), prefix = ''): readonly string[] {
  return parent.commands.flatMap((command) => {
    const name = `${prefix}${command.name()}`;
    return command.commands.length > 0 ? [name, ...commands(command, `${name} `)] : [name];
  });
}

describe('a mistake', () => {
  test.each([
    [['strat'], "unknown command 'strat'", 'Did you mean start?'],
    [['skill', 'chekc', 'x'], "unknown command 'chekc'", 'Did you mean check? See glyphcase skill --help'],
    [['log', 'x.db', '--limt', '3'], "unknown option '--limt'", 'Did you mean --limit? See glyphcase log --help'],
    [['log'], "missing required argument 'db'", 'See glyphcase log --help'],
    [['log', 'x.db', '--limit', '-1'], 'whole number', 'See glyphcase log --help'],
    [['watch', 'x.db', 'orders', 'more'], 'too many arguments', 'See glyphcase watch --help'],
    [['start', '--skills', ''], 'must not be empty', 'See glyphcase start --help'],
    [['start', '--grant', 'netwrk=x'], 'there is no permission "netwrk" (did you mean "network"?)', 'one of network='],
    [['skill', 'new', 'My Skill'], '"My Skill" is no id for a skill', 'glyphcase skill new my-skill'],
  ])('in %j is explained, with code 2', async (args, error, hint) => {
    const { code, stdout, stderr } = await cliHere(args, { cwd: tempDir() });
    expect(stderr).toContain(`error: `);
    expect(stderr).toContain(error);
    expect(stderr).toContain(hint);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('no command at all shows the help as an error', async () => {
    const { code, stdout, stderr } = await cli([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: glyphcase');
  });

  test('a file that is not there is a failure, with code 1 and nothing created', async () => {
    const folder = tempDir();
    for (const args of [
      ['log', 'no.db'],
      ['watch', 'no.db', 'orders'],
      ['inspect', '--db', 'no.db'],
      ['doctor', 'no.db'],
      ['detach', 'no.db'],
      ['skill', 'logs', '--db', 'no.db'],
      ['skill', 'enable', 'x', '--db', 'no.db'],
    ]) {
      const { code, stdout, stderr } = await cliHere(args, { cwd: folder });
      expect(stderr).toBe(
        'error: There is no database no.db [GC_CANNOT_OPEN]\n  hint: Correct the name, or create it: glyphcase start --db no.db\n',
      );
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    }
    expect(await cli(['log', 'no.db'], { cwd: folder })).toMatchObject({ code: 1, stdout: '' });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('a file that is no database, or a folder, is said to be that', async () => {
    const text = await cliHere(['log', join(root, 'package.json')]);
    expect(text.code).toBe(1);
    expect(text.stderr).toContain('[GC_NOT_A_DATABASE]');
    const folder = await cliHere(['inspect', '--db', root]);
    expect(folder.stderr).toContain('is a folder, not a database file');
  });
});

describe('help', () => {
  test('is there for every command, with an example', async () => {
    const names = commands();
    expect(names).toEqual(
      expect.arrayContaining(['start', 'watch', 'log', 'inspect', 'doctor', 'detach', 'skill new', 'plugin list']),
    );
    for (const name of names.filter((one) => one !== 'skill' && one !== 'plugin')) {
      const help = helpOf(name);
      expect(help).toContain(`Usage: glyphcase ${name}`);
      expect(help).toContain('Examples:');
      for (const line of help.split('\n')) expect(line.length, `${name}: ${line}`).toBeLessThanOrEqual(110);
    }
  });

  test('goes to stdout with code 0; so does the version', async () => {
    const help = await cli(['watch', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('Usage: glyphcase watch');
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  });
});

describe('colours', () => {
  const lines = async (env: Record<string, string>): Promise<string> => (await cli(['--help'], { env })).stdout;

  test('are not in a pipe, and never with NO_COLOR', async () => {
    expect(await lines({})).not.toContain('\u001B');
    expect(await lines({ FORCE_COLOR: '1' })).toContain('\u001B[');
    expect(await lines({ FORCE_COLOR: '', NO_COLOR: '1' })).not.toContain('\u001B');
  });

  test('data cannot smuggle in escapes of their own', async () => {
    const host = openHost({ schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)' });
    host.capsule.watch('t');
    host.run("INSERT INTO t (a) VALUES (char(27) || '[2J' || char(7) || 'x' || char(10) || 'y')");
    const { stdout } = await cliHere(['log', host.file]);
    expect(stdout.trim()).toMatch(/a='\\x07x\\ny'/);
    expect(stdout.trim().split('\n')).toHaveLength(1);
  });
});

describe('a closed pipe', () => {
  const shell = (command: string): ReturnType<typeof spawnSync> =>
    spawnSync('bash', ['-c', command], { encoding: 'utf8', timeout: 60_000 });
  const command = `"${process.execPath}" "${join(root, 'bin/glyphcase.js')}"`;

  test('ends a long output quietly', () => {
    const host = openHost({ schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)' });
    host.capsule.watch('t');
    host.run(
      'WITH r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5000) INSERT INTO t (a) SELECT hex(randomblob(50)) FROM r',
    );
    const { stdout, stderr } = shell(`${command} log "${host.file}" --limit 0 | head -2; echo "\${PIPESTATUS[0]}"`);
    expect(String(stdout).trim().split('\n').at(-1)).toBe('0');
    expect(String(stdout).split('\n')).toHaveLength(4);
    expect(stderr).toBe('');
  });

  test('ends a command that waits, too', async () => {
    const file = tempFile();
    openHost({ file, schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY)' });
    const watching = startCli(['watch', file, 't']);
    await watching.shows('Watching t');
    watching.child.stdout?.destroy();
    spawnSync('sqlite3', [file], { input: '.timeout 5000\nINSERT INTO t VALUES (1);' });
    expect(await watching.ended).toBe(0);
    expect(watching.stderr).not.toContain('EPIPE');
  });
});

/** The text of `--help`, as a program that is no terminal gets it. */
function helpOf(name: string): string {
  let command = createProgram();
  for (const part of name === '' ? [] : name.split(' ')) {
    command = command.commands.find((one) => one.name() === part) as typeof command;
  }
  let text = '';
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 80,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trimEnd();
}

/** `## \`glyphcase log\``, what is said of it, and its help. */
const BLOCK = /^## `glyphcase( [^`]*)?`\n((?:(?!^## |^```).*\n)*)```text\n[\s\S]*?^```$/gm;

test('docs/cli.md shows the help of every command as it is', async () => {
  const file = join(root, 'docs', 'cli.md');
  const page = readFileSync(file, 'utf8');
  const written = [...page.matchAll(BLOCK)].map((match) => match[1]?.trim() ?? '');
  expect(written).toEqual(['', ...commands()].filter((name) => name !== 'help'));
  // `npx vitest run test/70-cli-usage.test.ts -u` writes the page anew.
  const current = page.replace(
    BLOCK,
    (_, name: string | undefined = '', between: string | undefined = '') =>
      `## \`glyphcase${name}\`\n${between}\`\`\`text\n${helpOf(name.trim())}\n\`\`\``,
  );
  await expect(current).toMatchFileSnapshot(file);
});
