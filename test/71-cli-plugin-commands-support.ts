/** What tests of plugins' commands share: the command line run in this process, and folders with a database and plugins. */
import { vi } from 'vitest';
import Sqlite from 'better-sqlite3';
import { run } from '../sdk/cli/program.ts';
import type { CliResult } from './70-cli-support.ts';
import { folderWith } from './97-plugin-files-support.ts';
import type { Folder } from './97-plugin-files-support.ts';

/** Runs a command line in this process, where starting it costs nothing; what it prints is caught. */
export async function inProcess(...args: readonly string[]): Promise<CliResult> {
  const printed = { stdout: '', stderr: '' };
  const caught = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    }),
  );
  try {
    return { code: await run(args), ...printed };
  } finally {
    for (const spy of caught) spy.mockRestore();
  }
}

/** A plugin in TypeScript that has commands; `more` are further keys. */
export const withCommands = (name: string, commands: string, more = ''): string => `
import { defineCommand, definePlugin, GlyphError } from 'glyphcase/sdk';
export default definePlugin({ name: '${name}', version: '1.2.0', commands: { ${commands} }, ${more}
  activate(ctx) {} });
`;

/** A folder with a database \`glyphcase.db\` and plugins in \`plugins/\`. */
export function shop(plugins: Readonly<Record<string, string>>): Folder {
  const folder = folderWith(
    Object.fromEntries(Object.entries(plugins).map(([file, text]) => [`plugins/${file}`, text])),
  );
  const db = new Sqlite(folder.at('glyphcase.db'));
  db.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL); INSERT INTO orders (total) VALUES (10), (20)');
  db.close();
  return folder;
}

/** The options by which a command finds the plugins and the database of a folder that is not the current one. */
export const at = (folder: Folder): readonly string[] => [
  '--plugins',
  folder.at('plugins'),
  '--db',
  folder.at('glyphcase.db'),
];
