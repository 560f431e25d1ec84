/**
 * The host's own copies of `glyphcase` and its entries, which every plugin is given whatever lies in its node_modules.
 *
 * Invariant: there is one SDK in a process: an error a plugin throws is an `instanceof` of the class the host knows.
 */

const HOST_MODULES = {
  glyphcase: () => import('../index.ts'),
  'glyphcase/sdk': () => import('../plugin.ts'),
  'glyphcase/testing': () => import('../testing/index.ts'),
} as const satisfies Record<string, () => Promise<object>>;

type HostModule = keyof typeof HOST_MODULES;

export const isHostModule = (specifier: string): specifier is HostModule => Object.hasOwn(HOST_MODULES, specifier);

/** The modules of the host among those that a plugin imports, by specifier. */
export async function hostModules(specifiers: Iterable<string>): Promise<ReadonlyMap<string, object>> {
  const wanted = [...new Set(specifiers)].filter(isHostModule);
  return new Map(await Promise.all(wanted.map(async (name) => [name, await HOST_MODULES[name]()] as const)));
}
