/**
 * Keeps docs/errors.md and docs/plugin-reference.md equal to the code: `npm run docs` writes them, `npm run lint` compares.
 *
 * Invariant: every code of the error table is in its document once, under the heading its comment in the table gives.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ERRORS } from '../kernel/errors.ts';
import { root } from './declarations.ts';
import { cell, renderPluginReference } from './plugin-reference.ts';

interface Section {
  readonly title: string;
  readonly codes: string[];
}

/** The table's `// --- title` comments and the codes below each; comments are not in the table at run time. */
function readSections(): readonly Section[] {
  const source = readFileSync(join(root, 'kernel', 'errors.ts'), 'utf8');
  const sections: Section[] = [];
  for (const match of source.matchAll(/^ {2}(?:\/\/ --- (?<title>.+)|(?<code>GC_\w+):)/gm)) {
    const { title, code } = match.groups ?? {};
    if (title !== undefined) sections.push({ title, codes: [] });
    if (code !== undefined) sections.at(-1)?.codes.push(code);
  }
  const found = sections.flatMap((section) => section.codes);
  const missing = Object.keys(ERRORS).filter((code) => !found.includes(code));
  if (missing.length > 0 || found.length !== Object.keys(ERRORS).length) {
    throw new Error(`kernel/errors.ts: not every code stands below a "// --- title" comment: ${missing.join(', ')}`);
  }
  return sections;
}

function renderErrors(): string {
  const hints: Readonly<Record<string, string>> = ERRORS;
  const sections = readSections().map(({ title, codes }) => {
    const heading = title.charAt(0).toUpperCase() + title.slice(1);
    const rows = codes.map((code) => `| \`${code}\` | ${cell(hints[code] ?? '')} |`);
    return [`## ${heading}`, '', '| code | what to do |', '|---|---|', ...rows, ''].join('\n');
  });
  return [
    '# Errors',
    '',
    'Everything GlyphCase throws on purpose is a `GlyphError`. Its `code` is one of these, its `message` says what went wrong',
    'and where, and its `hint` is the text on the right unless the place of the error knows better.',
    'It may also name the `plugin` or `skill`, the `phase`, and the `cause`.',
    '',
    '<!-- Written by `npm run docs` from kernel/errors.ts; edit that file instead. -->',
    '',
    ...sections,
  ].join('\n');
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

interface Generated {
  readonly path: string;
  /** What it is made from, for the complaint. */
  readonly from: string;
  readonly text: string;
}

const generated: readonly Generated[] = [
  { path: 'docs/errors.md', from: 'kernel/errors.ts', text: renderErrors() },
  {
    path: 'docs/plugin-reference.md',
    from: 'kernel/hooks.ts, sdk/events.ts and the services in plugins/',
    text: renderPluginReference(),
  },
];

for (const { path, from, text } of generated) {
  const document = join(root, path);
  if (process.argv.includes('--write')) {
    mkdirSync(dirname(document), { recursive: true });
    writeFileSync(document, text);
    console.log(`docs: wrote ${path}`);
  } else if (readIfThere(document) !== text) {
    console.error(`docs: ${path} does not match ${from}. Run \`npm run docs\` and commit the result.`);
    process.exitCode = 1;
  }
}
