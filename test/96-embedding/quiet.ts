/**
 * Opens hosts, uses and closes them, and prints as JSON what the process held before GlyphCase was imported and after.
 *
 * Arguments: a folder. It ends by itself, or not at all.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { useEverything, writeSkill } from './use.ts';

const [folder = ''] = process.argv.slice(2);

/** Where the descriptor leads, without what is new each time. */
function target(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).replace(folder, '.');
  } catch {
    return 'the listing itself';
  }
}

async function held() {
  // What was asked of the system in the turn before has ended by then.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  return {
    listeners: Object.fromEntries(
      process.eventNames().map((name) => [String(name), process.listenerCount(name as string)]),
    ),
    timers: process.getActiveResourcesInfo().sort(),
    files: readdirSync('/proc/self/fd').map(target).sort(),
    threads: readdirSync('/proc/self/task').length,
    globals: Reflect.ownKeys(globalThis).map(String).sort(),
    environment: { ...process.env },
    folder: process.cwd(),
  };
}

// What Node.js makes when it is first needed, by whomever: its thread pool, and the stream of stderr (by node:assert).
await Promise.all(Array.from({ length: 8 }, async () => await readFile(import.meta.filename)));
await import('node:assert');

const before = await held();
const { GlyphCase } = await import('../../sdk/index.ts');
const skills = { dir: writeSkill(folder) };
/** More than ten, which is where Node.js begins to warn of listeners; two of them on the same file, with skills. */
const files = ['0.db', ...Array.from({ length: 10 }, (_, index) => `${index}.db`)].map((name) => join(folder, name));
const round = async (): Promise<readonly string[]> => {
  const hosts = [...files, ':memory:'].map(
    (file, index) => new GlyphCase(file, { capsule: { batchInterval: 0 }, ...(index < 2 ? { skills } : {}) }),
  );
  await Promise.all(hosts.map(async (db) => await useEverything(db)));
  await hosts[0]?.executeLuaScript('return crypto.bcrypt("secret")');
  const reports = await Promise.all(hosts.map(async ({ ready }) => await ready));
  await Promise.all(hosts.map(async (db) => await db.close()));
  return reports.flatMap((report) => report.skills.map(({ state }) => state));
};
const states = await round();
const once = await held();
await round();
const twice = await held();

process.stdout.write(JSON.stringify({ before, once, twice, states }));
