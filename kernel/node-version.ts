/**
 * Refuses to load on a Node.js that is too old, with a message instead of a crash.
 *
 * Invariant: `sdk/index.ts` imports this file first. Modules are evaluated in the order of their imports, so the check
 * runs before better-sqlite3, whose native part crashes Node 20.
 */
import { GlyphError } from './errors.ts';

/** Oldest Node.js that GlyphCase runs on: `[major, minor]`. The same as `engines` in package.json. */
export const REQUIRED_NODE = [22, 18] as const;

/**
 * Throws unless `version` (such as `22.18.0`) is new enough.
 *
 * @throws GC_NODE_VERSION
 */
export function assertNodeVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [requiredMajor, requiredMinor] = REQUIRED_NODE;
  if (major > requiredMajor || (major === requiredMajor && minor >= requiredMinor)) return;
  throw new GlyphError(
    'GC_NODE_VERSION',
    `GlyphCase needs Node.js ${REQUIRED_NODE.join('.')} or newer; this is Node.js ${version}. ` +
      'Install a current Node.js from https://nodejs.org.',
  );
}

assertNodeVersion(process.versions.node);
