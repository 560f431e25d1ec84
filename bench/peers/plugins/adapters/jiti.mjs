/** jiti without its cache of modules; it does not watch, so chokidar does, as it does for GlyphCase. */
import { join } from 'node:path';
import { watch } from 'chokidar';
import { createJiti } from 'jiti';

const context = { on: () => undefined };

async function loadBy(jiti, folder) {
  const plugin = await jiti.import(join(folder, 'index.ts'), { default: true });
  plugin.activate(context);
}

/** @type {import('./types.d.ts').Adapter} */
export const adapter = {
  async load(folders) {
    const jiti = createJiti(import.meta.url, { moduleCache: false, fsCache: false });
    await Promise.all(folders.map((folder) => loadBy(jiti, folder)));
  },

  async follow(folder) {
    const jiti = createJiti(import.meta.url, { moduleCache: false });
    await loadBy(jiti, folder);
    let loading = Promise.resolve();
    const events = watch(folder, { ignoreInitial: true });
    events.on('all', () => (loading = loading.then(() => loadBy(jiti, folder))));
    await new Promise((resolve) => events.once('ready', resolve));
  },
};
