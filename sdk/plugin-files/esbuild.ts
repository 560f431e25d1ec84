/**
 * esbuild, when it is installed: an optional peer dependency that bundles plugins.
 *
 * It is loaded as a copy of our own, because it keeps one child process per copy, and ending that of a copy which the
 * application uses too would end the application's builds.
 * Invariant: the child process lives only while somebody holds it, and never keeps the process alive by itself.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Esbuild from 'esbuild';
import { evaluate } from './evaluate.ts';

let loaded: typeof Esbuild | undefined;
let holders = 0;
let recovering: Promise<void> | undefined;

/** esbuild, and `release` for when it is needed no more. Undefined when it is not installed. */
export function holdEsbuild(): { readonly esbuild: typeof Esbuild; release(): void } | undefined {
  if (loaded === undefined) {
    const file = locate();
    if (file === undefined) return undefined;
    loaded = evaluate({ text: readFileSync(file, 'utf8'), filename: file, from: file }) as typeof Esbuild;
  }
  const esbuild = loaded;
  holders += 1;
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    holders -= 1;
    if (holders === 0) void esbuild.stop();
  };
  return { esbuild, release };
}

/** Whether a build failed because esbuild's process has ended: somebody has killed it, or it ran out of memory. */
export const hasEnded = (error: unknown): boolean =>
  error instanceof Error && /^The service (?:is no longer running|was stopped)/.test(error.message);

/** Lets esbuild start another process in the place of one that has ended; one for all whose builds failed by that. */
export function recoverEsbuild(esbuild: typeof Esbuild): Promise<void> {
  recovering ??= startAgain(esbuild).finally(() => {
    recovering = undefined;
  });
  return recovering;
}

async function startAgain(esbuild: typeof Esbuild): Promise<void> {
  try {
    // Somebody else may have started one by now, and it must not be stopped.
    await esbuild.transform('');
  } catch {
    await esbuild.stop();
  }
}

function locate(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('esbuild');
  } catch {
    return undefined;
  }
}
