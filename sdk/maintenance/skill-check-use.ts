/** Parts of a skill that need each other: watches and handlers, hooks and their permission, migrations and their numbers. */
import { GlyphError } from '../../kernel/errors.ts';
import { readMigrations } from '../../plugins/skills/migrations.ts';
import { lineOfPath } from '../../plugins/skills/source-lines.ts';
import { MANIFEST } from './skill-report.ts';
import type { Checked } from './skill-report.ts';

const ROW_HOOKS = /^(before_(insert|update|delete)|validate_(insert|update))$/;

/** Functions that are never called, and keys that call nothing. */
export function checkUse({ manifest, scripts, folder, report }: Checked): void {
  const text = folder.files.get(MANIFEST) ?? '';
  const globals = scripts.flatMap(({ file, names }) => names.sets.map((one) => ({ ...one, file })));
  const handler = globals.find(({ name }) => name === 'on_data_changed');
  // Defined in some other way than a look at the text can see (a table of handlers, _G[…]): then nothing is said.
  const mentions = (pattern: RegExp): boolean =>
    [...folder.files].some(([file, source]) => file.endsWith('.lua') && file !== 'test.lua' && pattern.test(source));
  if (manifest.watches.length > 0 && !mentions(/on_data_changed/)) {
    const line = lineOfPath(text, 'watches');
    report('warning', MANIFEST, line, 'watches: no script defines on_data_changed(), so nothing is called');
  }
  if (manifest.watches.length === 0 && handler !== undefined) {
    const message = 'on_data_changed() is never called: manifest.json names no tables in "watches"';
    report('warning', handler.file, handler.line, message);
  }
  const hooks = manifest.permissions.hooks ?? [];
  for (const { name, file, line } of globals) {
    if (ROW_HOOKS.test(name) && hooks.length === 0)
      report('error', file, line, `${name}() is never called: manifest.json names no tables in permissions.hooks`);
  }
  if (hooks.length > 0 && !mentions(/\b(before|validate)_/)) {
    const line = lineOfPath(text, 'permissions.hooks');
    report('note', MANIFEST, line, 'permissions.hooks: no script defines a before_ or validate_ function');
  }
}

export function checkMigrations({ folder, report }: Pick<Checked, 'folder' | 'report'>): void {
  const paths = [...folder.files.keys()].filter((path) => path.startsWith('migrations/'));
  for (const path of paths.filter((one) => !one.endsWith('.sql')))
    report('warning', path, 1, 'it never runs: migrations are .sql files');
  try {
    const migrations = readMigrations(folder);
    for (const [index, { number, path }] of migrations.entries()) {
      const before = migrations[index - 1]?.number ?? number - 1;
      if (number > before + 1) report('warning', path, 1, `there is no migration ${before + 1} before it`);
    }
  } catch (error) {
    if (!(error instanceof GlyphError)) throw error;
    const [, path = 'migrations', message = error.message] =
      /(migrations\/[^:]*?\.sql)(?::| and)? (.*)/.exec(error.message) ?? [];
    report('error', path.split(' ')[0] ?? path, 1, message);
  }
}
