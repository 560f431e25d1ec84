/**
 * The kernel behind a `GlyphCase`, for the command line, which runs hosts and has to know more of them than applications do.
 *
 * Invariant: no part of the public API; who has no `GlyphCase` finds none.
 */
import type { Kernel } from '../kernel/kernel.ts';

const kernels = new WeakMap<object, Kernel>();

export const rememberKernel = (of: object, kernel: Kernel): void => void kernels.set(of, kernel);

export function kernelOf(of: object): Kernel {
  const kernel = kernels.get(of);
  if (kernel === undefined) throw new TypeError('not a GlyphCase');
  return kernel;
}
