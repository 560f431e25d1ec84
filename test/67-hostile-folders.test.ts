/** Folders that are hostile before any of their Lua runs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printable } from '../sdk/cli/output.ts';
import { logLine } from '../sdk/cli/log-lines.ts';
import { writeSkill } from './60-skills-support.ts';
import { hostileHost, timeOf } from './67-hostile-support.ts';
import type { HostileHost } from './67-hostile-support.ts';

const text = (extra: object): string => JSON.stringify({ id: 'bad', version: '1.0.0', ...extra });
const FINE = 'function f() return 1 end';

/** Makes the folder; returns its path. */
type Make = (host: HostileHost) => string;
const manifest =
  (content: string, main = FINE): Make =>
  ({ dir }) =>
    writeSkill(dir, 'bad', main, content);

const FOLDERS: readonly (readonly [what: string, make: Make, why: RegExp])[] = [
  ['a manifest of 100 MB', manifest(' '.repeat(100e6)), /manifest\.json is larger than 1 MiB/],
  ['a manifest of 900 KB', manifest(text({ description: 'x'.repeat(900e3) })), /longer than 64 KiB/],
  ['a manifest of thousands of unknown keys', manifest(text(manyKeys(4000))), /unknown key.*and \d+ more/],
  ['a manifest that is deep', manifest(text({ config: deep(3000) })), /nested deeper than 32/],
  ['a manifest that is an array', manifest('[]'), /must be (an )?object/],
  ['a manifest that is cut off', manifest('{"id": "bad", '), /manifest\.json:1: not valid JSON/],
  ['a manifest of bytes', manifest('\u0000\u0001\ufffd'), /not valid JSON/],
  ['a version that is no version', manifest(text({ version: '1'.repeat(300) })), /semantic version/],
  [
    'an expression without end in the schema of its config',
    manifest(
      text({
        config: {
          type: 'object',
          properties: { a: { type: 'string', pattern: '^(a+)+$', default: `${'a'.repeat(40)}!` } },
        },
      }),
    ),
    /config: the schema cannot be used: checking it takes longer/,
  ],
  ['a config that refers to itself', manifest(text({ config: { $ref: '#' } })), /config: the schema cannot be used/],
  [
    'a config that refers elsewhere',
    manifest(text({ config: { $ref: 'https://evil.example/x.json' } })),
    /config: the schema cannot be used/,
  ],
  [
    'a config with another schema’s name',
    manifest(
      text({
        config: { $id: 'https://glyphcase.dev/skills.manifest.schema.json', properties: { a: { $ref: '#/nowhere' } } },
      }),
    ),
    /config: the schema cannot be used/,
  ],
  ['a main file outside', manifest(text({ main: '../../../../etc/passwd.lua' })), /main/],
  ['a main file that is too large', manifest(text({}), `-- ${'x'.repeat(1.1e6)}`), /"main\.lua" is larger than 1 MiB/],
  ['a main file of nested brackets', manifest(text({}), `x = ${'('.repeat(100_000)}`), /overflow|levels|limit/],
  ['a main file of nested blocks', manifest(text({}), 'do '.repeat(100_000)), /overflow|levels|limit/],
  [
    'a main file of too many locals',
    manifest(text({}), Array.from({ length: 300 }, (_, i) => `local a${i}`).join('\n')),
    /too many local variables/,
  ],
  ['a main file of bytecode', manifest(text({}), '\u001bLua'), /binary chunk/],
  [
    'an id that is no id',
    ({ dir }) => writeSkill(dir, '__proto__', FINE, '{"id":"__proto__","version":"1.0.0"}'),
    /id: must match|id:/,
  ],
  [
    'a name of control characters',
    ({ dir }) => writeSkill(dir, 'x\u001b[2J\u0007y', FINE, '{"id":"x","version":"1.0.0"}'),
    /must be the folder's name/,
  ],
  ['ten thousand files', tenThousandFiles, /holds more than \d+ files/],
  [
    'forty megabytes',
    ({ dir }) =>
      writeSkill(
        dir,
        'bad',
        FINE,
        text({}),
        Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}.md`, 'x'.repeat(1e6)])),
      ),
    /holds more than 16 MiB/,
  ],
  [
    'a manifest that is a link',
    ({ dir }) => linked(dir, 'manifest.json'),
    /manifest\.json is larger than 1 MiB, or a link/,
  ],
  ['a main file that is a link', ({ dir }) => linked(dir, 'main.lua'), /"main\.lua" is larger than 1 MiB, or a link/],
  ['a main file that is a pipe', pipe, /"main\.lua" is larger than 1 MiB, or a link or pipe/],
  [
    'a main file that is a folder',
    ({ dir }) => {
      const folder = writeSkill(dir, 'bad', FINE, text({ main: 'sub.lua' }));
      mkdirSync(join(folder, 'sub.lua'));
      return folder;
    },
    /there is no file "sub\.lua"/,
  ],
  [
    'a manifest that is a folder',
    ({ dir }) => {
      mkdirSync(join(dir, 'bad', 'manifest.json'), { recursive: true });
      return join(dir, 'bad');
    },
    /manifest\.json is missing/,
  ],
  [
    'a migration that is none',
    ({ dir }) => writeSkill(dir, 'bad', FINE, text({}), { 'migrations/001.sql': 'DROP TABLE orders; ATTACH "x" AS y' }),
    /may not|migration/i,
  ],
];

function manyKeys(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 1]));
}

function deep(levels: number): object {
  return JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels)) as object;
}

function tenThousandFiles({ dir }: HostileHost): string {
  const folder = writeSkill(dir, 'bad', FINE, text({}));
  for (let index = 0; index < 10_000; index++) writeFileSync(join(folder, `f${index}.txt`), '');
  return folder;
}

function linked(dir: string, name: string): string {
  const outside = join(dir, '..', `outside-${process.pid}-${name}`);
  writeFileSync(outside, name === 'main.lua' ? FINE : text({}));
  const folder = join(dir, 'bad');
  mkdirSync(folder);
  writeFileSync(
    join(folder, name === 'main.lua' ? 'manifest.json' : 'main.lua'),
    name === 'main.lua' ? text({}) : FINE,
  );
  symlinkSync(outside, join(folder, name));
  return folder;
}

function pipe({ dir }: HostileHost): string {
  const folder = join(dir, 'bad');
  mkdirSync(folder);
  writeFileSync(join(folder, 'manifest.json'), text({}));
  execFileSync('mkfifo', [join(folder, 'main.lua')]);
  return folder;
}

describe('a folder with', () => {
  it.each(FOLDERS)('%s is refused with a reason', async (_, make, why) => {
    const host = await hostileHost();
    const folder = make(host);
    const took = await timeOf(() => host.skills.load(folder));
    const report = host.skills.list().find((one) => one.id !== 'neighbour');
    expect(report?.reasons.join('\n')).toMatch(why);
    expect(report?.state).toMatch(/^(failed|incompatible|waiting|quarantined)$/);
    expect(report?.reasons.join('\n').length).toBeLessThan(3000);
    expect(took).toBeLessThan(2000);
    await host.unharmed();
  });

  it.each([
    ['a megabyte of lines', 'x = 1\n'.repeat(160_000)],
    ['a huge string', `x = "${'y'.repeat(1_000_000)}"`],
    ['many functions', 'function f() end '.repeat(50_000)],
    ['many constants', `x = { ${'1.5, '.repeat(150_000)} }`],
  ])('%s is started, or refused', async (_, main) => {
    const host = await hostileHost();
    const took = await timeOf(() => host.hostile(main));
    expect(took).toBeLessThan(1500);
    expect(host.skills.get('hostile')?.state).toMatch(/active|failed/);
    await host.unharmed();
  });
});

describe('what a terminal shows of it', () => {
  it('holds nothing that moves the cursor, and no line that it did not log', async () => {
    const host = await hostileHost();
    await host.hostile(
      `function f() log.info("a\\27[2Jb\\rc\\n12:00:00 neighbour error forged\\7") print("\\27]0;title\\7") error("\\27[31mred") end`,
      { name: 'x\u001b[2J', description: '\u0007' },
    );
    await host.skills.call('hostile', 'f').catch((error: unknown) => error);
    const lines = host.skills.logs('hostile').map((line) => logLine(line));
    for (const line of lines) {
      // eslint-disable-next-line no-control-regex -- the very thing that must not be there
      expect(line).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      // What follows a line break is indented: it cannot pass for a line of the log.
      for (const more of line.split('\n').slice(1)) expect(more).toMatch(/^ {9}/);
    }
    expect(printable(host.skills.get('hostile')?.name ?? '')).not.toContain('\u001b');
  });
});
