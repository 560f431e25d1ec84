/** vite's own module runner: a host module accepts the plugin by `import.meta.hot`, so vite loads what has changed anew. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createServer, createServerModuleRunner } from 'vite';

/** @type {import('./types.d.ts').Adapter} */
export const adapter = {
  async load(folders) {
    const server = await serverIn(folders[0] === undefined ? process.cwd() : dirname(folders[0]), false);
    const runner = createServerModuleRunner(server.environments.ssr, { hmr: false });
    const plugins = await Promise.all(folders.map((folder) => runner.import(join(folder, 'index.ts'))));
    for (const plugin of plugins) plugin.default.activate({ on: () => undefined });
  },

  async follow(folder) {
    const host = writeHost(folder);
    const server = await serverIn(folder, true);
    const runner = createServerModuleRunner(server.environments.ssr, { hmr: { logger: false } });
    await runner.import(host);
  },
};

/** A module that accepts the plugin beside it anew. Returns its path. */
export function writeHost(folder) {
  const host = join(folder, 'host.ts');
  writeFileSync(
    host,
    `import plugin from './index.ts';
const context = { on: () => undefined };
plugin.activate(context);
import.meta.hot.accept('./index.ts', (next) => next.default.activate(context));
`,
  );
  return host;
}

export function serverIn(root, isWatching, plugins = []) {
  return createServer({
    root,
    configFile: false,
    envFile: false,
    logLevel: 'silent',
    appType: 'custom',
    optimizeDeps: { noDiscovery: true, include: [] },
    server: { middlewareMode: true, ws: false, watch: isWatching ? {} : null },
    plugins,
  });
}
