/**
 * A host whose backups do not fit: `bash -c 'ulimit -f BLOCKS; node 98-outside-plugins-full.ts FILE'`. Prints one line of JSON.
 * The plugin is loaded as a file, because nothing else resolves `glyphcase/sdk` here.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GlyphCase } from '../sdk/index.ts';
import { loadPluginFile } from '../sdk/plugin-files/load.ts';
import { definePlugin } from '../sdk/plugin.ts';
import type { BackupService } from '../examples/plugins/sqlite-backup/index.ts';

const [file = ''] = process.argv.slice(2);
const { definition } = await loadPluginFile(join(import.meta.dirname, '../examples/plugins/sqlite-backup'));
let backup: BackupService | undefined;
const user = definePlugin({
  name: 'user',
  version: '1.0.0',
  requires: { backup: '^1.0.0' },
  activate: (ctx) => void (backup = ctx.use<BackupService>('backup')),
});
await using db = new GlyphCase(file, { plugins: [definition, user] });
await db.ready;
const told = await backup!.now().then(
  () => ({ code: 'none', message: '', hint: '' }),
  (error: unknown) => error as { code: string; message: string; hint: string },
);
await db.execute("INSERT INTO t (who) VALUES ('after')");
const after = await db.queryScalar("SELECT count(*) FROM t WHERE who = 'after'");
const { code, message, hint } = told;
console.log(JSON.stringify({ code, message, hint, after, files: readdirSync(join(dirname(file), 'backups')) }));
