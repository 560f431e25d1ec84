/** Writes the tables into the README of the repository, from results/latest.json and results/plugins.json: `npm run readme`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pluginTables } from './plugins/tables.mjs';
import { tables } from './tables.mjs';

const readme = join(import.meta.dirname, '../../README.md');
write('peers', 'latest.json', tables);
write('plugin peers', 'plugins.json', pluginTables);

/** Between the marks of this name. */
function write(name, results, toText) {
  const file = join(import.meta.dirname, 'results', results);
  if (!existsSync(file)) return;
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const text = readFileSync(readme, 'utf8');
  const marked = new RegExp(`<!-- ${name} -->(?:[\\s\\S]*<!-- /${name} -->)?`);
  if (!marked.test(text)) throw new Error(`README.md has no <!-- ${name} --> to write the tables to`);
  writeFileSync(
    readme,
    text.replace(marked, () => `<!-- ${name} -->\n\n${toText(report)}\n\n<!-- /${name} -->`),
  );
  console.log(`README.md: ${report.cells.length} figures of ${report.date}, from ${results}`);
}
