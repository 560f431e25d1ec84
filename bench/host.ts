/** The host API against raw better-sqlite3, start-up with and without skills, and closing. */
import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GlyphCase } from '../sdk/index.ts';
import { median, residentKiB, time, timeAsync, withFolder } from './measure.ts';

const ROWS = 10_000;
const SKILLS = 200;
const TABLE = 'CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, title TEXT)';
const row = (index: number): { user_id: number; status: string; title: string } => ({
  user_id: index % 1000,
  status: index % 3 === 0 ? 'active' : 'done',
  title: `Task number ${index}`,
});

export async function run(): Promise<Record<string, number>> {
  // First, while the process holds no memory that others have given back.
  const rssPerSkillKiB = await memoryOfSkills();
  return { rssPerSkillKiB, ...(await insertMany()), ...(await starts()), ...closing() };
}

/** `insertMany` on a watched table, relative to a raw prepared statement on an unwatched one in the same run. */
async function insertMany(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const rows = Array.from({ length: ROWS }, (_, index) => row(index));
    const raw = new Database(join(folder, 'raw.db'));
    raw.pragma('journal_mode = WAL');
    raw.pragma('synchronous = NORMAL');
    raw.exec(TABLE);
    const statement = raw.prepare('INSERT INTO tasks(user_id, status, title) VALUES (?, ?, ?)');
    const bulk = raw.transaction(() => {
      for (const one of rows) statement.run(one.user_id, one.status, one.title);
    });
    const db = new GlyphCase(join(folder, 'host.db'));
    await db.execute(TABLE);
    db.watch('tasks');
    const ratios: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      const base = time(() => bulk());
      const ours = await timeAsync(() => db.insertMany('tasks', rows));
      if (round > 1) ratios.push(base / ours);
    }
    raw.close();
    await db.close();
    return { insertManyRatio: median(ratios) };
  });
}

async function starts(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const bare: number[] = [];
    for (let index = 0; index < 7; index += 1) {
      bare.push(
        await timeAsync(async () => {
          const db = new GlyphCase(join(folder, `start-${index}.db`));
          await db.ready;
          await db.close();
        }),
      );
    }
    const skills = join(folder, 'skills');
    for (let index = 0; index < SKILLS; index += 1) writeSkill(skills, `skill-${index}`);
    const db = new GlyphCase({
      filename: join(folder, 'skills.db'),
      skills: { dir: skills, watch: false },
      schema: { tables: [{ name: 'tasks', columns: [{ name: 'id', type: 'INTEGER', primary: true }] }] },
    });
    const started = performance.now();
    const report = await db.ready;
    const ms = Math.max(report.ms, performance.now() - started);
    const active = report.skills.filter((skill) => skill.state === 'active').length;
    await db.close();
    // The first host of the process pays for compiling; a new process is what a user sees, so it is measured apart.
    return {
      startMs: median(bare),
      start200SkillsMs: ms,
      active200: active,
      ...coldStart(folder),
    };
  });
}

/** Resident KiB of each further skill, once the first has paid for the interpreter. */
async function memoryOfSkills(): Promise<number> {
  return await withFolder(async (folder) => {
    const skills = join(folder, 'skills');
    for (let index = 0; index < SKILLS; index += 1) writeSkill(skills, `skill-${index}`);
    const db = new GlyphCase({
      filename: join(folder, 'memory.db'),
      schema: { tables: [{ name: 'tasks', columns: [{ name: 'id', type: 'INTEGER', primary: true }] }] },
    });
    await db.ready;
    for (let index = 0; index < 10; index += 1) await db.skills.load(join(skills, `skill-${index}`));
    const before = residentKiB();
    for (let index = 10; index < SKILLS; index += 1) await db.skills.load(join(skills, `skill-${index}`));
    const perSkill = (residentKiB() - before) / (SKILLS - 10);
    await db.close();
    return perSkill;
  });
}

/** A fresh process: importing GlyphCase, opening a database, ready, closed, and gone by itself. */
function coldStart(folder: string): Record<string, number> {
  const index = fileURLToPath(new URL('../sdk/index.ts', import.meta.url));
  const program = `
    const t0 = performance.now();
    const { GlyphCase } = await import(${JSON.stringify(index)});
    const t1 = performance.now();
    const db = new GlyphCase(${JSON.stringify(join(folder, 'cold.db'))});
    await db.ready;
    const t2 = performance.now();
    await db.close();
    console.log(JSON.stringify([t1 - t0, t2 - t1]));`;
  const imports: number[] = [];
  const opens: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    const [importMs, openMs] = JSON.parse(child.stdout) as [number, number];
    imports.push(importMs);
    opens.push(openMs);
  }
  return { coldImportMs: median(imports), coldOpenMs: median(opens) };
}

/** 1 when a process that used everything exits by itself after close(). */
function closing(): Record<string, number> {
  const index = fileURLToPath(new URL('../sdk/index.ts', import.meta.url));
  const program = `
    import { GlyphCase } from ${JSON.stringify(index)};
    const db = new GlyphCase(':memory:');
    await db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, v)');
    db.subscribe(db.watch('t'), () => {}, { name: 'durable' });
    await db.insert('t', { v: 1 });
    await db.executeLuaScript('return 1');
    await db.flush();
    await db.close();`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 10_000 });
  return { exitsByItself: child.status === 0 ? 1 : 0 };
}

export function writeSkill(
  dir: string,
  id: string,
  main = 'function on_data_changed(table_name, operation, row) end\n',
  permissions: unknown = { database: { read: ['tasks'] } },
): void {
  const folder = join(dir, id);
  mkdirSync(folder, { recursive: true });
  const manifest = { id, name: id, version: '1.0.0', main: 'main.lua', watches: ['tasks'], permissions };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest, undefined, 2));
  writeFileSync(join(folder, 'main.lua'), main);
}

if (process.argv[1] === import.meta.filename) console.log(await run());
