/**
 * Declarations for who loads the package by `require()`: a `.d.cts` beside the `.d.ts` of each entry.
 *
 * The code is the same ES module for everybody, and Node.js gives it to `require()` as it is. TypeScript alone needs to be
 * told: under `module: node16` it refuses the import of an ES module from a CommonJS file.
 * Invariant: a `.d.cts` declares nothing itself; each name in it is that of the `.d.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';

const MODE = "{ 'resolution-mode': 'import' }";

/** Writes the `.d.cts` of every entry of package.json that has types, into the built package at `root`. Returns their number. */
export function writeRequireTypes(root: string): number {
  const declarations = entries(root);
  const program = ts.createProgram(
    declarations.map((path) => join(root, path)),
    {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
    },
  );
  for (const path of declarations) {
    const target = join(root, path.replace(/\.d\.ts$/, '.d.cts'));
    writeFileSync(target, textOf(path, valuesOf(program, join(root, path))));
  }
  return declarations.length;
}

/** `./dist/sdk/index.d.ts` and the others that package.json names. */
function entries(root: string): readonly string[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Readonly<Record<string, string | { readonly default: string }>>;
  };
  return Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' ? [] : [entry.default.replace(/\.js$/, '.d.ts')],
  );
}

interface Value {
  readonly name: string;
  readonly isClass: boolean;
}

/** What is there at run time: what the compiled module exports. Its declarations say which of it are classes. */
function valuesOf(program: ts.Program, file: string): readonly Value[] {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) throw new Error(`${file} exports nothing`);
  const names = runtimeNames(file.replace(/\.d\.ts$/, '.js'));
  return checker.getExportsOfModule(module).flatMap((symbol) => {
    if (!names.has(symbol.name)) return [];
    const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
    const { flags } = isAlias ? checker.getAliasedSymbol(symbol) : symbol;
    return [{ name: symbol.name, isClass: (flags & ts.SymbolFlags.Class) !== 0 }];
  });
}

function runtimeNames(file: string): ReadonlySet<string> {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  return new Set(source.statements.flatMap(exportedNames));
}

function exportedNames(statement: ts.Statement): readonly string[] {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause } = statement;
    if (exportClause === undefined || !ts.isNamedExports(exportClause))
      throw new Error('An entry of the package names what it exports: `export { … } from`, not `export *`');
    return exportClause.elements.map(({ name }) => name.text);
  }
  const isExported = ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(isExport) === true;
  if (!isExported) return [];
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => (name as ts.Identifier).text);
  const { name } = statement as ts.FunctionDeclaration | ts.ClassDeclaration;
  return name === undefined ? [] : [name.text];
}

const isExport = ({ kind }: ts.ModifierLike): boolean => kind === ts.SyntaxKind.ExportKeyword;

function textOf(path: string, values: readonly Value[]): string {
  const module = `./${basename(path).replace(/\.d\.ts$/, '.js')}`;
  const imported = `import('${module}', { with: ${MODE} })`;
  return [
    `export type * from '${module}' with ${MODE};`,
    ...values.flatMap(({ name, isClass }) => [
      `export declare const ${name}: typeof ${imported}.${name};`,
      ...(isClass ? [`export type ${name} = ${imported}.${name};`] : []),
    ]),
    '',
  ].join('\n');
}
