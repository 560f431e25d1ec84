/** A real `glyphcase start` on a real file: hostile folders fall into its skills folder while others write and a good skill works. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cliHere, startCli, writeSkill } from './70-cli-support.ts';
import { sqlite3, tempDir, until } from './support.ts';

const MAY = {
  version: '1.0.0',
  limits: { time: '150ms' },
  watches: ['orders'],
  permissions: {
    database: { read: ['orders'], write: ['orders'] },
    actions: { dispatch: ['*'], listen: ['*'] },
    schedule: true,
  },
};

/** Lua of a hostile skill → what `skill list` must say of it. */
const LUA: Readonly<Record<string, readonly [main: string, says: RegExp, manifest?: object]>> = {
  'loop-at-load': ['while true do end', /(failed|quarantined).*time limit/],
  'loop-on-install': ['function on_install() while true do pcall(error) end end', /(failed|quarantined).*time limit/],
  'loop-in-reaction': ['function on_data_changed() while true do end end', /(failed|quarantined|active).*time limit/],
  'memory-bomb': [
    'local t = {} while true do t[#t + 1] = ("x"):rep(1e5) .. #t end',
    /(failed|quarantined).*memory/,
    { limits: { time: '5s' } },
  ],
  'action-loop': [
    'function on_activate() glyphcase.on("x", function() glyphcase.dispatch("x") end) glyphcase.dispatch("x") end',
    /quarantined.*without end/,
  ],
  'watch-loop': [
    'function on_activate() glyphcase.execute("CREATE TABLE IF NOT EXISTS mine(a)") glyphcase.watch("mine", function(e) for i = 1, 2 * #e do glyphcase.insert("mine", {}) end end) glyphcase.insert("mine", {}) end',
    /quarantined.*(without end|time limit)/,
  ],
  'reads-secrets': [
    'function on_activate() glyphcase.query("SELECT * FROM secrets") end',
    /failed.*may not read the table "secrets"/,
  ],
  'writes-internals': ['function on_activate() glyphcase.execute("DELETE FROM _skills") end', /failed.*internal table/],
  attaches: ['function on_activate() glyphcase.execute("ATTACH \'/etc/passwd\' AS p") end', /failed.*ATTACH/],
  'wants-the-network': ['', /waiting .*permissions\.network/, { permissions: { network: ['*'] } }],
  'wants-everything': ['', /waiting .*"\*"/, { permissions: { database: { read: ['*'], write: ['*'] } } }],
  'looks-around': [
    'function on_activate() error(tostring(io) .. tostring(os.execute) .. tostring(debug) .. tostring(process)) end',
    /nilnilnilnil/,
  ],
  'no-lua': ['this is no Lua', /failed.*main\.lua:1/],
  'slow-config': [
    '',
    /failed.*config: the schema cannot be used/,
    {
      config: {
        type: 'object',
        properties: { a: { type: 'string', pattern: '^(a+)+$', default: `${'a'.repeat(40)}!` } },
      },
    },
  ],
  'log-flood': [
    'function on_data_changed() for i = 1, 2000 do log.info("\\27[2J" .. ("x"):rep(1000)) end error("\\27[31m flooded") end',
    /(failed|quarantined|active) .*(flooded|time limit)/,
  ],
};

const residentMb = (pid: number): number =>
  Number(
    /VmRSS:\s+(\d+)/.exec(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '')?.[1] ??
      0,
  ) / 1024;

test('the host lives, the good skill handles every row once, each hostile one is held back with a reason', async () => {
  const folder = tempDir();
  const file = join(folder, 'app.db');
  sqlite3(
    file,
    'CREATE TABLE orders(id INTEGER PRIMARY KEY, status TEXT)',
    'CREATE TABLE secrets(x)',
    "INSERT INTO secrets VALUES ('s3cret')",
  );
  writeFileSync(join(folder, 'c.json'), JSON.stringify({ lua: { limits: { time: '10s', memory: '16MB' } } }));
  writeSkill(folder, 'good', {
    'manifest.json': {
      id: 'good',
      version: '1.0.0',
      watches: ['orders'],
      permissions: { database: { read: ['orders'] } },
    },
    'main.lua': `function on_install() glyphcase.execute("CREATE TABLE handled(id INTEGER)") end
      function on_data_changed(t, op, row) if op == "INSERT" then glyphcase.insert("handled", { id = row.id }) end end`,
  });
  const host = startCli(['start', '--db', 'app.db', '--config', 'c.json', '--no-sample'], { cwd: folder });
  await host.shows('Ctrl-C stops it.');
  const pid = host.child.pid ?? 0;
  const before = residentMb(pid);

  let rows = 0;
  const write = (): void => {
    rows += 1;
    spawnSync('sqlite3', [file], { input: `.timeout 8000\nINSERT INTO orders(id) VALUES (${rows});\n` });
  };
  for (const [id, [main, , extra]] of Object.entries(LUA)) {
    writeSkill(folder, id, { 'main.lua': main, 'manifest.json': { id, ...MAY, ...extra } });
    write();
    await new Promise((resolve) => setTimeout(resolve, 100));
    write();
  }
  const odd = join(folder, 'skills', 'odd\u001b[31m');
  mkdirSync(odd);
  writeFileSync(join(odd, 'manifest.json'), '{"id":"odd","version":"1.0.0"}');
  symlinkSync('/etc', join(folder, 'skills', 'link'));
  writeSkill(folder, 'huge', { 'manifest.json': ' '.repeat(5e6), 'main.lua': '' });
  for (let index = 0; index < 10; index++) write();

  const list = async (): Promise<readonly string[]> => {
    const { stdout } = await cliHere(['skill', 'list', '--db', 'app.db'], { cwd: folder });
    return stdout.split('\n');
  };
  const isSaid = (lines: readonly string[], id: string, says: RegExp): boolean =>
    lines.some((line) => line.startsWith(`${id} `) && says.test(line));
  let lines: readonly string[] = [];
  const silent = (): string[] => Object.entries(LUA).flatMap(([id, [, says]]) => (isSaid(lines, id, says) ? [] : [id]));
  for (let round = 0; round < 150; round++) {
    lines = await list();
    if (silent().length === 0) break;
    // One that was let in late has not seen a change yet.
    write();
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  expect(silent().map((id) => lines.find((line) => line.startsWith(`${id} `)) ?? id)).toEqual([]);
  expect(isSaid(lines, 'huge', /failed.*larger than 1 MiB/)).toBe(true);
  expect(isSaid(lines, 'good', /active/)).toBe(true);
  // eslint-disable-next-line no-control-regex -- the very thing that must not be there
  expect(lines.join('')).not.toMatch(/\u001b/);

  await until(() => sqlite3(file, 'SELECT count(*) FROM handled').trim() === String(rows), 60_000);
  expect(sqlite3(file, 'SELECT count(DISTINCT id) || "/" || count(*) FROM orders WHERE id <= 1000').trim()).toBe(
    `${rows}/${rows}`,
  );
  expect(sqlite3(file, 'SELECT count(DISTINCT id), count(*) FROM handled').trim()).toBe(`${rows}|${rows}`);
  expect(sqlite3(file, 'PRAGMA integrity_check').trim()).toBe('ok');
  expect(host.child.exitCode).toBe(null);
  expect(residentMb(pid) - before).toBeLessThan(400);
  expect(host.stdout + host.stderr).not.toContain('s3cret');
  expect(await host.stop()).toBe(0);
  expect(host.stdout).toContain('Stopped.');
}, 120_000);
