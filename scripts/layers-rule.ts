/**
 * An ESLint rule that keeps the layers apart: which folder may import from which.
 *
 * Invariant: it judges where a relative path really leads, so nesting a file deeper opens no door, and it sees static,
 * re-exporting, type and dynamic imports alike.
 */
import { join, relative, resolve, sep } from 'node:path';
import type { Rule } from 'eslint';

const root = join(import.meta.dirname, '..');

/** What a built-in plugin may not have, because a third party's plugin does not have it either. */
const notForPlugins = /^sdk\/(index\.ts$|cli\/|react)/;

/** Data at the top of the package, which a bundle can only hold if it is imported. */
const MANIFEST_SCHEMA = 'skills.manifest.schema.json';

/** Path from the repository's root with forward slashes. */
function fromRoot(path: string): string {
  return relative(root, path).split(sep).join('/');
}

/** Says why `file` may not import `target`, both paths from the root; undefined when it may. */
export function forbidden(file: string, target: string): string | undefined {
  if (target === MANIFEST_SCHEMA) return undefined;
  const layer = (path: string): string => path.split('/')[0] ?? '';
  if (layer(file) === 'kernel' && layer(target) !== 'kernel') {
    return 'kernel/ imports nothing from outside kernel/: plugins/ and sdk/ stand on it, not it on them.';
  }
  if (layer(file) === 'sdk' && !['kernel', 'plugins', 'sdk'].includes(layer(target))) {
    return 'sdk/ imports only from kernel/, plugins/ and sdk/; nothing else is in the package.';
  }
  if (layer(file) === 'plugins') {
    const own = file.split('/').slice(0, 2).join('/') + '/';
    if (target.startsWith(own)) return undefined;
    if (target.startsWith('plugins/')) {
      return 'A plugin never imports another plugin: ask for its service with ctx.use(name).';
    }
    if (layer(target) !== 'sdk' || notForPlugins.test(target)) {
      return "A plugin imports from '../../sdk/plugin.ts', its own folder, npm and node: only; export what is missing from sdk/plugin.ts.";
    }
  }
  return undefined;
}

export const layersRule: Rule.RuleModule = {
  meta: { type: 'problem', schema: [], docs: { description: 'Imports follow the layers kernel, sdk, plugins' } },
  create(context) {
    const file = fromRoot(context.filename);
    const check = (node: Rule.Node, source: unknown): void => {
      if (typeof source !== 'string') return;
      if (/^glyphcase(\/|$)/.test(source)) {
        context.report({
          node,
          message: 'Import the source file, not the package: that would load dist/ beside the sources.',
        });
        return;
      }
      if (!source.startsWith('.')) return;
      const message = forbidden(file, fromRoot(resolve(context.filename, '..', source)));
      if (message !== undefined) context.report({ node, message });
    };
    const declaration = (node: Rule.Node): void => {
      const { source } = node as { source?: { value?: unknown } | null };
      check(node, source?.value);
    };
    return {
      ImportDeclaration: declaration,
      ExportNamedDeclaration: declaration,
      ExportAllDeclaration: declaration,
      ImportExpression: declaration,
      TSImportType: declaration,
    };
  },
};
