#!/usr/bin/env node
// The `glyphcase` command. It looks at the Node version before anything else is loaded, because better-sqlite3 crashes
// an older Node without a word. The syntax is old on purpose: it has to be understood by the Node it turns away.
// The required version stands here, in package.json ("engines") and in kernel/node-version.ts; a test keeps them equal.

var required = [22, 18];
var running = process.versions.node.split('.').map(Number);
var source = new URL('../sdk/cli/main.ts', import.meta.url);

function load() {
  return Promise.all([import('node:fs'), import('node:module')]).then(function (modules) {
    var fs = modules[0];
    // Node keeps what it has compiled in the system's folder for temporary files: the next start takes a third of the time.
    modules[1].enableCompileCache();
    // In the repository the sources run as they are, and a dist/ left there may be stale. An installed package has no sources.
    return import(fs.existsSync(source) ? source.href : '../dist/sdk/cli/main.js');
  });
}

function refuse(fs) {
  console.error(
    'GlyphCase needs Node.js ' + required.join('.') + ' or newer; this is Node.js ' + process.versions.node + '.\n',
  );
  if (!fs.existsSync(source)) {
    console.error('Install a current Node.js from https://nodejs.org and try again.');
    return;
  }
  console.error(
    '  Anywhere:            install a current Node.js from https://nodejs.org and try again.\n' +
      '  In the repository:   npm start, or npx glyphcase … (both use the Node.js that `npm ci` installs).\n' +
      '                       If they bring you here, install scripts are switched off: npm rebuild node --ignore-scripts=false',
  );
}

if (running[0] < required[0] || (running[0] === required[0] && running[1] < required[1])) {
  import('node:fs').then(refuse);
  process.exitCode = 1;
} else {
  load().catch(function (error) {
    console.error(error);
    process.exitCode = 1;
  });
}
