/**
 * Reads declarations out of the sources: interfaces, their members and doc comments. Syntax only, so it takes milliseconds.
 *
 * Invariant: what is asked for and is not there throws, naming the file; a reference never goes out with a hole.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import ts from 'typescript';

export const root = join(import.meta.dirname, '..');

const parsed = new Map<string, ts.SourceFile>();

/** A source file, by its path from the root. */
export function sourceOf(path: string): ts.SourceFile {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const source = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, true);
  parsed.set(path, source);
  return source;
}

/** Every node of a file, outer ones first. */
export function nodesOf(path: string): readonly ts.Node[] {
  const nodes: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    nodes.push(node);
    ts.forEachChild(node, visit);
  };
  visit(sourceOf(path));
  return nodes;
}

/** Where a name is imported from, by its path from the root, and what it is called there. */
function importOf(path: string, name: string): { readonly path: string; readonly name: string } | undefined {
  for (const statement of sourceOf(path).statements) {
    const isDoor = ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement);
    if (!isDoor || statement.moduleSpecifier === undefined || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const bindings = ts.isImportDeclaration(statement) ? statement.importClause?.namedBindings : statement.exportClause;
    if (bindings === undefined || !(ts.isNamedImports(bindings) || ts.isNamedExports(bindings))) continue;
    const found = bindings.elements.find((element) => element.name.text === name);
    if (found === undefined || !statement.moduleSpecifier.text.startsWith('.')) continue;
    const target = relative(root, join(root, dirname(path), statement.moduleSpecifier.text));
    return { path: target.split(sep).join('/'), name: (found.propertyName ?? found.name).text };
  }
  return undefined;
}

/** An interface that a file declares or imports; undefined when the name is that of something else. */
export function findInterface(path: string, name: string): ts.InterfaceDeclaration | undefined {
  const own = sourceOf(path).statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  );
  if (own !== undefined) return own;
  const from = importOf(path, name);
  return from === undefined ? undefined : findInterface(from.path, from.name);
}

/** @throws when the file neither declares nor imports an interface of this name. */
export function interfaceOf(path: string, name: string): ts.InterfaceDeclaration {
  const found = findInterface(path, name);
  if (found === undefined) throw new Error(`${path} neither declares nor imports the interface ${name}`);
  return found;
}

/** What a file adds to an interface of another by declaration merging. */
export function additionsTo(path: string, name: string): ts.InterfaceDeclaration {
  const found = sourceOf(path).statements.flatMap((statement) =>
    ts.isModuleDeclaration(statement) && statement.body !== undefined && ts.isModuleBlock(statement.body)
      ? statement.body.statements.filter(ts.isInterfaceDeclaration).filter((node) => node.name.text === name)
      : [],
  )[0];
  if (found === undefined) throw new Error(`${path} adds nothing to an interface ${name}`);
  return found;
}

/** Names that a file exports under their own name from elsewhere. */
export function exportedBy(path: string): ReadonlySet<string> {
  const names = sourceOf(path).statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) &&
    statement.exportClause !== undefined &&
    ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map((element) => element.name.text)
      : [],
  );
  return new Set(names);
}

export interface Member {
  readonly name: string;
  /** As a reader wants it: one line, without comments and `readonly`. */
  readonly text: string;
  /** The type alone, of a property. */
  readonly type: ts.TypeNode | undefined;
  /** What its comment says, with the codes it throws. */
  readonly doc: string;
}

export function membersOf(declaration: ts.InterfaceDeclaration): readonly Member[] {
  return declaration.members.map((member) => {
    const name = member.name;
    if (name === undefined) throw new Error(`${declaration.name.text} has a member without a name`);
    return {
      name: ts.isStringLiteral(name) ? name.text : name.getText(),
      text: oneLine(member),
      type: ts.isPropertySignature(member) ? member.type : undefined,
      doc: docOf(member),
    };
  });
}

const printer = ts.createPrinter({ removeComments: true });

/** A node's text on one line, without comments and `readonly` before members. */
export function oneLine(node: ts.Node): string {
  return printer
    .printNode(ts.EmitHint.Unspecified, node, node.getSourceFile())
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/(^|[{(;] ?)readonly /g, '$1')
    .replace(/;$/, '')
    .replaceAll(/; }/g, ' }')
    .trim();
}

/** What the comment above a declaration says, on one line; empty when there is none. */
export function docOf(node: ts.Node): string {
  const comment = ts.getJSDocCommentsAndTags(node).find((part) => ts.isJSDoc(part));
  if (comment === undefined) return '';
  const text = (of: string | ts.NodeArray<ts.JSDocComment> | undefined): string =>
    (ts.getTextOfJSDocComment(of) ?? '')
      .replaceAll(/\{@link (\w+)\}/g, '`$1`')
      .replaceAll(/\s+/g, ' ')
      .trim();
  const throws = (comment.tags ?? []).filter((tag) => tag.tagName.text === 'throws').map((tag) => text(tag.comment));
  const codes = throws.map((reason) => `Throws ${reason.replaceAll(/GC_[A-Z_]+/g, '`$&`').replace(/[ .…]+$/, '')}.`);
  return [text(comment.comment), ...codes].filter((part) => part !== '').join(' ');
}
