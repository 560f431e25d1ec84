/** Writes the tables into the README of the repository, from results/latest.json: `npm run readme`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tables } from './tables.mjs';

const readme = join(import.meta.dirname, '../../README.md');
const report = JSON.parse(readFileSync(join(import.meta.dirname, 'results/latest.json'), 'utf8'));
const text = readFileSync(readme, 'utf8');
const marked = /<!-- peers -->(?:[\s\S]*<!-- \/peers -->)?/;
if (!marked.test(text)) throw new Error('README.md has no <!-- peers --> to write the tables to');
writeFileSync(
  readme,
  text.replace(marked, () => `<!-- peers -->\n\n${tables(report)}\n\n<!-- /peers -->`),
);
console.log(`README.md: ${report.cells.length} figures of ${report.date}`);
