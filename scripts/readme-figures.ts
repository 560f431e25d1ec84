/** Writes the benchmark's figures into README, from bench/results/latest.json: `node scripts/readme-figures.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Report {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly sqlite: string;
  readonly figures: readonly {
    readonly what: string;
    readonly value?: number;
    readonly unit: string;
    readonly atLeast?: number;
    readonly atMost?: number;
    readonly program: string;
  }[];
}

const root = join(import.meta.dirname, '..');
const report = JSON.parse(readFileSync(join(root, 'bench/results/latest.json'), 'utf8')) as Report;
const shown = report.figures.filter((figure) => figure.program !== 'spec');

const number = (value: number | undefined): string =>
  value === undefined ? 'not measured' : Number(value.toPrecision(3)).toLocaleString('en');
const target = (figure: Report['figures'][number]): string => {
  if (figure.atLeast !== undefined) return `≥ ${number(figure.atLeast)}`;
  return figure.atMost === undefined ? '' : `≤ ${number(figure.atMost)}`;
};
const rows = shown.map((figure) => `| ${figure.what} | ${number(figure.value)} ${figure.unit} | ${target(figure)} |`);

const section = [
  '<!-- figures -->',
  '',
  `Measured by \`npm run bench\` on ${report.date}: ${report.machine}, shared with other work; Node ${report.node}, SQLite ${report.sqlite},`,
  'a file database in WAL mode. Ratios are taken within one run; the specification’s own tables are in the same output.',
  '',
  '| what | measured | target |',
  '|---|---|---|',
  ...rows,
  '',
  '<!-- /figures -->',
].join('\n');

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const marked = /<!-- figures -->(?:[\s\S]*<!-- \/figures -->)?/;
if (!marked.test(readme)) throw new Error('README.md has no <!-- figures --> to write the figures to');
writeFileSync(
  join(root, 'README.md'),
  readme.replace(marked, () => section),
);
console.log(`README.md: ${rows.length} figures of ${report.date}`);
