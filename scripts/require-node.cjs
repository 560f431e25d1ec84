// Run first by npm scripts: says what to do when the pinned Node.js is missing, as after `npm ci --ignore-scripts`.
// CommonJS and old syntax on purpose: it has to be understood by the Node it turns away.

var range = require('../package.json').engines.node;
var required = range.replace('>=', '').split('.').map(Number);
var running = process.versions.node.split('.').map(Number);

if (running[0] < required[0] || (running[0] === required[0] && running[1] < required[1])) {
  console.error(
    '\nGlyphCase needs Node.js ' +
      range +
      '; this is Node.js ' +
      process.versions.node +
      '.\n\n' +
      'Normally `npm ci` installs the Node.js that package.json pins, and npm scripts use that one. It is missing here,\n' +
      'because npm ran with install scripts switched off (--ignore-scripts) or could not download it. Either of these helps:\n\n' +
      '  npm rebuild node --ignore-scripts=false      fetches the pinned Node.js into node_modules\n' +
      '  install Node.js ' +
      range +
      '                     from https://nodejs.org\n',
  );
  process.exit(1);
}
