/** What the benchmark programs share: timing, medians, throwaway databases. Times are milliseconds unless a name says otherwise. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
};

/** Milliseconds that `fn` takes. */
export function time(fn: () => void): number {
  const started = performance.now();
  fn();
  return performance.now() - started;
}

export async function timeAsync(fn: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await fn();
  return performance.now() - started;
}

/** Runs `fn` with a folder that is gone afterwards. */
export async function withFolder<T>(fn: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'glyphcase-bench-'));
  try {
    return await fn(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resident memory in KiB, after garbage collection where the process allows it (node --expose-gc). */
export function residentKiB(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss / 1024;
}

export const round = (value: number, digits = 3): number => Number(value.toPrecision(digits));
