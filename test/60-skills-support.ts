/** Makes hosts with skills for the tests of the `skills` plugin, and skill folders to load. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import actionsPlugin from '../plugins/actions/index.ts';
import type { ActionsService } from '../plugins/actions/index.ts';
import leasePlugin from '../plugins/lease/index.ts';
import type { LeaseService } from '../plugins/lease/types.ts';
import livePlugin from '../plugins/live/index.ts';
import luaPlugin from '../plugins/lua/index.ts';
import skillsPlugin from '../plugins/skills/index.ts';
import type { SkillReport, SkillsService } from '../plugins/skills/types.ts';
import { openHost, settle, tempDir } from './support.ts';
import type { Host, HostOptions } from './support.ts';

export interface SkillHost extends Host {
  readonly skills: SkillsService;
  readonly actions: ActionsService;
  readonly lease: LeaseService;
  /** The folder that skills are found in. */
  readonly dir: string;
  /** Lines logged by the skills so far, without level and skill. */
  logged(): string[];
  /** Everything: writes delivered, skills at rest. */
  rest(): Promise<void>;
}

export interface SkillHostOptions extends HostOptions {
  readonly dir?: string;
  readonly skills?: Readonly<Record<string, unknown>>;
  readonly lua?: Readonly<Record<string, unknown>>;
}

/** Opens a host with all that skills need. They are found in `dir` when it opens; watching is off unless asked for. */
export async function skillHost(options: SkillHostOptions = {}): Promise<SkillHost> {
  const dir = options.dir ?? tempDir();
  const host = openHost(options);
  const { plugins } = host.kernel;
  const reports = plugins.loadAll([
    { definition: actionsPlugin, config: {} },
    { definition: livePlugin, config: {} },
    { definition: leasePlugin, config: {} },
    { definition: luaPlugin, config: options.lua ?? {} },
    { definition: skillsPlugin, config: { dirs: [dir], ...options.skills } },
  ]);
  for (const report of reports) if (report.error !== undefined) throw report.error;
  const skills = plugins.use<SkillsService>('skills');
  await skills.ready();
  return {
    ...host,
    skills,
    actions: plugins.use<ActionsService>('actions'),
    lease: plugins.use<LeaseService>('lease'),
    dir,
    logged: () => skills.logs().map((line) => line.message),
    async rest() {
      await host.flush();
      await skills.settled();
      await settle();
    },
  };
}

/** A manifest as a test writes it. */
export type ManifestText = Readonly<Record<string, unknown>> | string;

/** Writes a skill folder; returns its path. `files` are further files. */
export function writeSkill(
  dir: string,
  id: string,
  main: string,
  manifest: ManifestText = {},
  files: Readonly<Record<string, string>> = {},
): string {
  const folder = join(dir, id);
  const text = typeof manifest === 'string' ? manifest : JSON.stringify({ id, version: '1.0.0', ...manifest }, null, 2);
  for (const [name, content] of Object.entries({ 'main.lua': main, ...files, 'manifest.json': text })) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  return folder;
}

/** Writes and loads a skill. */
export function loadSkill(
  host: SkillHost,
  id: string,
  main: string,
  manifest: ManifestText = {},
): Promise<SkillReport> {
  return host.skills.load(writeSkill(host.dir, id, main, manifest));
}

export const ORDERS =
  'CREATE TABLE orders(id INTEGER PRIMARY KEY, status TEXT, total REAL, note TEXT, meta JSON, data BLOB)';

/** Permissions on tables: `may('orders', 'items')` reads and writes both. */
export const may = (...tables: readonly string[]): { readonly permissions: Readonly<Record<string, unknown>> } => ({
  permissions: { database: { read: tables, write: tables } },
});

/**
 * A program that runs skills in a process of its own, to be killed: `startNode(script, file, dir)`. It prints `ready`, and
 * whether it holds the lease.
 */
export function hostScript(plugins: readonly string[]): string {
  const script = join(tempDir(), 'host.ts');
  const root = join(import.meta.dirname, '..');
  writeFileSync(
    script,
    `import { createKernel } from '${root}/kernel/kernel.ts';
     const names = ${JSON.stringify(plugins)};
     const [file, dir] = process.argv.slice(2);
     const kernel = createKernel({ filename: file, version: '1.0.0' });
     const entries = [];
     for (const name of names) entries.push({
       definition: (await import(\`${root}/plugins/\${name}/index.ts\`)).default,
       config: name === 'skills' ? { dirs: [dir] } : name === 'batching' ? { batchInterval: 0 } : {},
     });
     kernel.plugins.loadAll(entries);
     await kernel.plugins.use('skills').ready();
     console.log('ready', kernel.plugins.use('lease').held);
     setInterval(() => {}, 1000);`,
  );
  return script;
}

/** Something holds the writer while the steps queue up, one after the other. */
export async function queued(host: SkillHost, ...steps: readonly (() => unknown)[]): Promise<void> {
  const gate = Promise.withResolvers<void>();
  const holding = host.db.transaction(() => gate.promise);
  const all: unknown[] = [];
  for (const step of steps) {
    all.push(step());
    await settle();
  }
  gate.resolve();
  await Promise.allSettled([holding, ...all]);
  await host.rest();
}
