/**
 * `npm run bench [-- --peers a,b] [--phases x,y] [--out FILE]`: every peer in every phase, each in a process of its own, one
 * after the other; writes results/latest.json, or with a choice of peers or phases results/some.local.json.
 *
 * Invariant: a cell that fails or takes too long is one line of the result, and the rest goes on.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { PEERS } from './peers.mjs';
import { PHASES } from './phases.mjs';
import { aboutRun, assertNode, chosen, measureApart } from './process.mjs';
import { tables } from './tables.mjs';

/** A cell is ended after so many ms. */
const CELL_LIMIT = Number(process.env.CELL_LIMIT ?? 150_000);
const SET_UP_LIMIT = Number(process.env.SET_UP_LIMIT ?? 60_000);

const here = import.meta.dirname;
assertNode();

const { values } = parseArgs({
  options: { peers: { type: 'string' }, phases: { type: 'string' }, out: { type: 'string' } },
});
const names = Object.keys(PEERS);
const isPhase = (name) => PHASES.includes(name) || /^scale:[1-9]\d*$/.test(name);
const peers = chosen('peer', values.peers, (name) => names.includes(name), names);
const phases = chosen('phase', values.phases, isPhase, PHASES);
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

/** @returns {Promise<Record<string, any>>} */
function measure(peer, phase) {
  return measureApart({
    flags: ['--max-old-space-size=6000'],
    args: [join(here, 'cell.mjs'), peer, phase],
    limit: CELL_LIMIT,
  });
}

function summary({ failed, cannot, dnf, ...figures }) {
  const note = failed ?? cannot ?? dnf;
  return `${note === undefined ? '' : `${note} `}${JSON.stringify(figures)}`;
}

function report() {
  return { ...aboutRun(peers.map((name) => PEERS[name].package)), cells };
}

function write() {
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(report(), undefined, 1)}\n`);
}
