/**
 * Reads the documents for the tests of 92 and 95: fenced blocks with their markers, links, headings.
 *
 * A marker is an HTML comment on the line above a fence. `<!-- prints -->` belongs to the example before it.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import ts from 'typescript';

export const root = join(import.meta.dirname, '..');

/** README and docs/, relative to the root. */
export const documents: readonly string[] = ['README.md', ...globSync('docs/**/*.md', { cwd: root })].sort();

/** A fenced block. `place` is what a failure names: `docs/api.md:12`. */
export interface Block {
  readonly place: string;
  readonly language: string;
  /** What the comment above it says; undefined when there is none. */
  readonly marker: string | undefined;
  readonly text: string;
}

/** A step of a document: a block, or a comment that stands alone. */
export type Part = Block | { readonly place: string; readonly comment: string };

const COMMENT = /^<!--\s*(.*?)\s*-->$/;

/** Blocks and comments of a document, in order. Throws for a fence that is never closed. */
export function partsOf(document: string, text = readFileSync(join(root, document), 'utf8')): readonly Part[] {
  const parts: Part[] = [];
  let comment: { readonly place: string; readonly comment: string } | undefined;
  let open: { readonly place: string; readonly language: string; readonly lines: string[] } | undefined;
  const keepComment = (): void => {
    if (comment !== undefined) parts.push(comment);
    comment = undefined;
  };
  for (const [index, line] of text.split('\n').entries()) {
    const place = `${document}:${index + 1}`;
    if (open !== undefined) {
      if (line.trimEnd() !== '```') {
        open.lines.push(line);
        continue;
      }
      parts.push({ place: open.place, language: open.language, marker: comment?.comment, text: open.lines.join('\n') });
      [open, comment] = [undefined, undefined];
    } else if (line.startsWith('```')) {
      open = { place, language: line.slice(3).trim(), lines: [] };
    } else if (line.trim() !== '') {
      keepComment();
      const [, inside] = COMMENT.exec(line.trim()) ?? [];
      if (inside !== undefined) comment = { place, comment: inside };
    }
  }
  if (open !== undefined) throw new Error(`${open.place}: the fenced block is never closed`);
  keepComment();
  return parts;
}

export const isBlock = (part: Part): part is Block => 'text' in part;

export const blocksOf = (document: string, text?: string): readonly Block[] => partsOf(document, text).filter(isBlock);

/** A program in a document, the files it finds in its folder, and what it prints. */
export interface Example {
  readonly name: string;
  readonly place: string;
  readonly source: string;
  readonly files: Readonly<Record<string, string>>;
  readonly prints: string | undefined;
}

/**
 * The programs of a document: `example: NAME`, and `skill: ID driver` with the `skill: ID FILE` blocks above it as
 * `skills/ID/FILE`. Throws for a marker it does not know, a name used twice, and a `prints` that follows no program.
 */
export function examplesOf(document: string, text?: string): readonly Example[] {
  const examples: Example[] = [];
  const skills = new Map<string, Record<string, string>>();
  let last: Block | undefined;
  const add = (name: string, block: Block, files: Example['files']): void => {
    if (examples.some((one) => one.name === name)) throw new Error(`${block.place}: the name ${name} is used twice`);
    examples.push({ name, place: block.place, source: block.text, files, prints: undefined });
  };
  for (const block of blocksOf(document, text)) {
    const [kind = '', name = '', file = ''] = (block.marker ?? '').split(/:?\s+/);
    if (kind === 'example') add(name, block, {});
    else if (kind === 'skill' && file === 'driver')
      add(`skill-${name}`, block, inSkillFolder(name, skills.get(name) ?? {}));
    else if (kind === 'skill') skills.set(name, { ...skills.get(name), [file]: block.text });
    else if (kind === 'prints') {
      const before = last?.marker ?? '';
      if (before.startsWith('program:')) continue;
      const example = examples.at(-1);
      if (example === undefined || !/^example|driver$/.test(before))
        throw new Error(`${block.place}: nothing runs before this output`);
      examples[examples.length - 1] = { ...example, prints: block.text };
    }
    last = block;
  }
  return examples;
}

/** A file of a program that a test of its own runs, and what it prints. */
export interface Program {
  readonly file: string;
  readonly place: string;
  readonly source: string;
  readonly prints: string | undefined;
}

/** The blocks `program: FILE` of a document. They are compiled with the examples; 96-embedding.test.ts runs them. */
export function programsOf(document: string): readonly Program[] {
  const blocks = blocksOf(document);
  return blocks.flatMap(({ marker = '', place, text }, index) => {
    const [, file] = /^program: (\S+)$/.exec(marker) ?? [];
    if (file === undefined) return [];
    const next = blocks[index + 1];
    return [{ file, place, source: text, prints: next?.marker === 'prints' ? next.text : undefined }];
  });
}

/** Writes the programs of a document into a folder, with the packages they need installed; returns their paths. */
export function layPrograms(document: string, folder: string): readonly string[] {
  const programs = programsOf(document);
  if (programs.length === 0) return [];
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return programs.map(({ file, source }) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `${resolved(source)}\n`);
    return join(folder, file);
  });
}

const inSkillFolder = (id: string, files: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([file, text]) => [`skills/${id}/${file}`, text]));

const MARKERS = /^(example: [\w-]+|fragment|lua|program: [\w./-]+|skill: [a-z0-9-]+ \S+|prints|tour: .+)$/;

/** Blocks that nothing checks: TypeScript, Lua and JSON without a marker, or with one that nobody knows. */
export function uncheckedBlocks(document: string, text?: string): readonly string[] {
  return blocksOf(document, text)
    .filter(({ language, marker }) =>
      marker === undefined
        ? ['ts', 'tsx', 'typescript', 'js', 'javascript', 'lua', 'json'].includes(language)
        : !MARKERS.test(marker),
    )
    .map(
      ({ place, language, marker }) =>
        `${place}: ${marker === undefined ? `a ${language} block without a marker` : `unknown marker "${marker}"`}`,
    );
}

/** `import … from 'glyphcase'` as it resolves in the repository: Node strips no types below node_modules. */
export const resolved = (source: string): string =>
  source
    .replaceAll(/(from\s+|import\s*\(?\s*)'glyphcase'/g, `$1'${join(root, 'sdk/index.ts')}'`)
    .replaceAll(/(from\s+|import\s*\(?\s*)'glyphcase\/sdk'/g, `$1'${join(root, 'sdk/plugin.ts')}'`)
    .replaceAll(/(from\s+|import\s*\(?\s*)'glyphcase\/react'/g, `$1'${join(root, 'sdk/react/index.ts')}'`)
    .replaceAll(/(from\s+|import\s*\(?\s*)'glyphcase\/channel'/g, `$1'${join(root, 'sdk/channel.ts')}'`)
    .replaceAll(/(from\s+|import\s*\(?\s*)'glyphcase\/testing'/g, `$1'${join(root, 'sdk/testing/index.ts')}'`);

/** Relative links that lead nowhere: a file that is not there, or a heading that the file does not have. */
export function brokenLinks(document: string, text = readFileSync(join(root, document), 'utf8')): readonly string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return targets
    .filter((target) => !/^[a-z]+:/i.test(target))
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? document : join(dirname(document), path);
      if (!isThere(join(root, file))) return true;
      return (
        anchor !== undefined &&
        !anchorsOf(file === document ? text : readFileSync(join(root, file), 'utf8')).includes(anchor)
      );
    })
    .map((target) => `${document}: ${target}`);
}

/** An empty folder is not in the repository. */
const isThere = (path: string): boolean =>
  existsSync(path) && (!statSync(path).isDirectory() || readdirSync(path).length > 0);

/** Headings as GitHub links to them. */
const anchorsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );

/** The rows of the tables below a heading, each a list of cells. */
export function tableRows(document: string, heading: string): readonly (readonly string[])[] {
  const text = readFileSync(join(root, document), 'utf8');
  const start = text.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`${document} has no heading "${heading}"`);
  const body = text.slice(start + heading.length + 2).split(/^#{1,6} /m)[0] ?? '';
  return body
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** What TypeScript says of these programs with the repository's own options. */
export function typeErrors(files: readonly string[]): readonly string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, files, include: [] }, ts.sys, root);
  const program = ts.createProgram([...files], {
    ...options,
    typeRoots: [join(root, 'node_modules/@types')],
    moduleDetection: ts.ModuleDetectionKind.Force,
    // It minds absolute paths, which stand here for the package's name.
    rewriteRelativeImportExtensions: false,
  });
  return files.flatMap((file) => {
    const source = program.getSourceFile(file);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText, start = 0 }) => {
      const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
      return `${file.split('/').at(-1)}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}

/** The environment of programs that tests start: Node.js keeps what it has compiled, so the next starts in a third of the time. */
export const environment: NodeJS.ProcessEnv = {
  ...process.env,
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'test-programs'),
};

/** Runs a TypeScript program on the Node that runs the tests; kills it after `ms`. */
export async function runProgram(
  file: string,
  cwd: string,
  ms = 15_000,
  args: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [file, ...args], {
    cwd,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: ms,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  // What a program says of itself depends on where it runs.
  const tidy = (text: string): string => text.replaceAll(cwd, '.').replaceAll(basename(file), 'example.ts');
  return { code, stdout: tidy(output.stdout), stderr: tidy(output.stderr) };
}
