/** vite-node, put together as its own command with --watch does it. */
import { dirname, join } from 'node:path';
import { ViteNodeRunner } from 'vite-node/client';
import { createHotContext, handleMessage, viteNodeHmrPlugin } from 'vite-node/hmr';
import { ViteNodeServer } from 'vite-node/server';
import { serverIn, writeHost } from './vite-runner.mjs';

function runnerOn(server, files) {
  const node = new ViteNodeServer(server);
  const runner = new ViteNodeRunner({
    root: server.config.root,
    base: server.config.base,
    fetchModule: (id) => node.fetchModule(id),
    resolveId: (id, importer) => node.resolveId(id, importer),
    createHotContext: (self, url) => createHotContext(self, server.emitter, files, url),
  });
  server.emitter?.on('message', (payload) => void handleMessage(runner, server.emitter, files, payload));
  return runner;
}

/** @type {import('./types.d.ts').Adapter} */
export const adapter = {
  async load(folders) {
    const server = await serverIn(folders[0] === undefined ? process.cwd() : dirname(folders[0]), false);
    const runner = runnerOn(server, []);
    const plugins = await Promise.all(folders.map((folder) => runner.executeFile(join(folder, 'index.ts'))));
    for (const plugin of plugins) plugin.default.activate({ on: () => undefined });
  },

  async follow(folder) {
    const host = writeHost(folder);
    const server = await serverIn(folder, true, [viteNodeHmrPlugin()]);
    const runner = runnerOn(server, [host]);
    await runner.executeId('/@vite/env');
    await runner.executeFile(host);
  },
};
