/**
 * Who takes part in the plugin suite, by the name that `--peers` takes and the file in adapters/ has, and what a reader of the
 * table has to know of it.
 */

/**
 * @typedef {object} Peer
 * @property {string} label
 * @property {string} [package] Whose version is shown; GlyphCase's own without.
 * @property {string} [note]
 */

/** @type {Record<string, Peer>} */
export const PEERS = {
  glyphcase: {
    label: 'GlyphCase',
    note: 'Opening the host includes its database and its built-in plugins. The plugin is watched in its folder with `debounce: 0`; activating it is checked against the graph of services, and the version before can come back.',
  },
  cordis: {
    label: 'cordis',
    package: 'cordis',
    note: 'What a context is asked for is looked up through Proxies, and an Error is made at each look; what is taken from it once is called at once. An error of a listener ends the event. It leaves files to Node’s import(), which loads a file once; version 4, with its hot reload, is not on npm.',
  },
  avvio: {
    label: 'avvio',
    package: 'avvio',
    note: 'It boots an application and has no services, events or reloads. One plugin cannot be taken away, so a round is a whole application with one plugin, booted and closed.',
  },
  jiti: {
    label: 'jiti',
    package: 'jiti',
    note: 'It loads files and nothing more. `moduleCache: false`, or an edited import is not seen; chokidar tells of the save. Cold means without its cache on disk (`fsCache: false`).',
  },
  'vite-runner': {
    label: 'vite’s module runner',
    package: 'vite',
    note: '`createServerModuleRunner` on a server in middleware mode; a host module takes each new version by `import.meta.hot.accept`. It loads modules; nothing is checked, handed on, or stopped.',
  },
  'vite-node': {
    label: 'vite-node',
    package: 'vite-node',
    note: 'Put together as its own command with `--watch` does it; a host module takes each new version by `import.meta.hot.accept`.',
  },
};
