// Prints what an editor offers at `|` in a plugin: names of events and services, keys of options and payloads.
// Argument: TypeScript's own module.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const { default: ts } = await import(process.argv[2]);
const file = join(process.cwd(), 'completed.ts');
const options = {
  strict: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  skipLibCheck: true,
};

/** A plugin around a piece of its `activate`. */
const plugin = (piece) => `
import { definePlugin } from 'glyphcase/sdk';
declare module 'glyphcase/sdk' { interface Events { 'own:tick': { n: number } } }
export default definePlugin({
  name: 'a', version: '1.0.0',
  config: { type: 'object', properties: { every: { type: 'string', default: '1m' } } },
  activate(ctx) { ${piece} },
});`;

function offered(piece) {
  const text = plugin(piece);
  const at = text.indexOf('|');
  const snapshot = (path) =>
    path === file ? text.replace('|', '') : existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (path) => {
      const found = snapshot(path);
      return found === undefined ? undefined : ts.ScriptSnapshot.fromString(found);
    },
    getCurrentDirectory: () => process.cwd(),
    getDefaultLibFileName: (given) => ts.getDefaultLibFilePath(given),
    fileExists: (path) => path === file || ts.sys.fileExists(path),
    readFile: (path) => snapshot(path),
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  });
  return (service.getCompletionsAtPosition(file, at, {})?.entries ?? []).map(({ name }) => name);
}

/** What has to be among what is offered. */
const wanted = {
  "ctx.on('|', () => 1)": ['capsule:end', 'own:tick'],
  "ctx.emit('|', 1)": ['capsule:end', 'own:tick'],
  "ctx.on('own:tick', ({ | }) => 1)": ['n'],
  "ctx.use('|')": ['capsule', 'skills'],
  "ctx.onService('|', () => {})": ['capsule', 'skills'],
  'ctx.config.|': ['every'],
  'ctx.hooks.|': ['beforeInsert', 'preCommit'],
};
for (const [piece, names] of Object.entries(wanted)) {
  const all = offered(piece);
  const missing = names.filter((name) => !all.includes(name));
  if (missing.length > 0) console.log(`${piece} does not offer ${missing.join(', ')}`);
}
console.log(`${Object.keys(wanted).length} places`);
