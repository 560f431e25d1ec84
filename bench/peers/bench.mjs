/**
 * `npm run bench [-- --peers a,b] [--phases x,y] [--out FILE]`: every peer in every phase, each in a process of its own, one
 * after the other; writes results/latest.json, or with a choice of peers or phases results/some.local.json.
 *
 * Invariant: a cell that fails or takes too long is one line of the result, and the rest goes on.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { PEERS } from './peers.mjs';
import { PHASES } from './phases.mjs';
import { tables } from './tables.mjs';

/** A cell is ended after so many ms. */
const CELL_LIMIT = Number(process.env.CELL_LIMIT ?? 150_000);
const SET_UP_LIMIT = Number(process.env.SET_UP_LIMIT ?? 60_000);

const here = import.meta.dirname;
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `Node ${process.version} is too old: start it with npm run bench, which uses the Node.js of package.json.`,
  );
  process.exit(2);
}

const { values } = parseArgs({
  options: { peers: { type: 'string' }, phases: { type: 'string' }, out: { type: 'string' } },
});
const peers = chosen('peer', values.peers, Object.keys(PEERS));
const phases = chosen('phase', values.phases, PHASES);
const isAll = values.peers === undefined && values.phases === undefined;
const out = values.out ?? join(here, 'results', isAll ? 'latest.json' : 'some.local.json');

const cells = [];
for (const peer of peers) {
  /** What a watcher took to set up in the last phase, so that 10,000 of them need not be tried. */
  let setUpEach = 0;
  for (const phase of phases) {
    const count = Number(phase.split(':')[1] ?? 0);
    const expected = setUpEach * count;
    const result =
      expected > SET_UP_LIMIT * 1.5
        ? { dnf: `set-up would take about ${Math.round(expected / 1000)} s` }
        : await measure(peer, phase);
    if (count >= 100 && result.setUp !== undefined) setUpEach = result.setUp / result.watchers;
    if (result.watchers < count) {
      result.dnf = `${result.watchers} watchers in ${Math.round(result.setUp / 1000)} s`;
    }
    cells.push({ peer, phase, ...result });
    console.error(`${peer} ${phase}: ${summary(result)}`);
    // As it goes, so that what was measured is there even when the run is ended.
    write();
  }
}
console.log(tables(report()));
console.error(`written ${out}`);

function chosen(what, list, all) {
  const names = list?.split(',') ?? all;
  const unknown = names.filter((name) => !all.includes(name) && !(what === 'phase' && /^scale:[1-9]\d*$/.test(name)));
  if (unknown.length === 0) return names;
  console.error(`There is no ${what} ${unknown.join(', ')}; there are ${all.join(', ')}.`);
  return process.exit(2);
}

/** @returns {Promise<Record<string, any>>} */
function measure(peer, phase) {
  const load = loadavg()[0];
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--max-old-space-size=6000', join(here, 'cell.mjs'), peer, phase],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  let errors = '';
  let isOverdue = false;
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (errors += text));
  const timer = setTimeout(() => {
    isOverdue = true;
    child.kill('SIGKILL');
  }, CELL_LIMIT);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      if (isOverdue) resolve({ dnf: `ended after ${CELL_LIMIT / 1000} s`, load });
      const last = output.trimEnd().split('\n').at(-1) ?? '';
      if (code === 0 && last.startsWith('{')) resolve({ ...rounded(JSON.parse(last)), load });
      else resolve({ failed: errors.trim().slice(-300) || `exit code ${code}`, load });
    });
  });
}

function rounded(result) {
  const short = (value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);
  return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, short(value)]));
}

function summary({ failed, cannot, dnf, ...figures }) {
  const note = failed ?? cannot ?? dnf;
  return `${note === undefined ? '' : `${note} `}${JSON.stringify(figures)}`;
}

function report() {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    versions: versions(),
    cells,
  };
}

/** Of what was measured, as installed. */
function versions() {
  const found = {};
  for (const name of peers) {
    const { package: wanted } = PEERS[name];
    const file =
      wanted === undefined ? join(here, '../../package.json') : join(here, 'node_modules', wanted, 'package.json');
    if (existsSync(file)) found[wanted ?? 'glyphcase'] = JSON.parse(readFileSync(file, 'utf8')).version;
  }
  return found;
}

function write() {
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(report(), undefined, 1)}\n`);
}
