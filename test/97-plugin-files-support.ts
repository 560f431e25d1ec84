/** What tests of plugins in files share: folders with files in them, and the text of small plugins. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tempDir } from './support.ts';

/** A folder of the test's own, and how files get into it and out. */
export interface Folder {
  readonly dir: string;
  /** Path of a file in it. */
  at(name: string): string;
  write(files: Readonly<Record<string, string | object>>): void;
  remove(name: string): void;
}

export function folderWith(files: Readonly<Record<string, string | object>> = {}): Folder {
  const dir = tempDir();
  const folder: Folder = {
    dir,
    at: (name) => join(dir, name),
    write(more) {
      for (const [name, content] of Object.entries(more)) {
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
      }
    },
    remove: (name) => rmSync(join(dir, name), { recursive: true }),
  };
  folder.write(files);
  return folder;
}

/** A plugin in TypeScript; `more` are further keys, `body` what its activate does. */
export const source = (name: string, version = '1.0.0', body = '', more = ''): string => `
import { definePlugin } from 'glyphcase/sdk';
interface Options { readonly limit?: number }
export default definePlugin<Options>({ name: '${name}', version: '${version}', ${more}
  activate(ctx) { ${body} },
});
`;
