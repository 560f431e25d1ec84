/**
 * `npm run bench:plugins [-- --peers a,b] [--cells x,y] [--out FILE]`: plugin hosts and loaders of modules beside each other;
 * writes results/plugins.json, or with a choice results/some-plugins.local.json.
 *
 * Invariant: all peers do a cell before any does the next one, so that what else the machine does at a time falls on all of them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { aboutRun, assertNode, chosen, measureApart } from '../process.mjs';
import { CELLS } from './cells.mjs';
import { PEERS } from './peers.mjs';
import { pluginTables } from './tables.mjs';

/** A cell is ended after so many ms. */
const CELL_LIMIT = Number(process.env.CELL_LIMIT ?? 60_000);
/** What a process can do only once is done in so many processes, of which the median counts. */
const ROUNDS = { cold: 5, bare: 5 };

assertNode();
const { values } = parseArgs({
  options: { peers: { type: 'string' }, cells: { type: 'string' }, out: { type: 'string' } },
});
const allPeers = Object.keys(PEERS);
const allCells = Object.keys(CELLS);
const peers = chosen('peer', values.peers, (name) => allPeers.includes(name), allPeers);
const wanted = chosen('cell', values.cells, (name) => allCells.includes(name), allCells);
const isAll = values.peers === undefined && values.cells === undefined;
const out = values.out ?? join(import.meta.dirname, '../results', isAll ? 'plugins.json' : 'some-plugins.local.json');

const cells = [];
for (const cell of wanted) {
  const results = new Map(peers.map((peer) => [peer, []]));
  for (let round = 0; round < (ROUNDS[cell] ?? 1); round += 1) {
    for (const peer of peers) {
      results
        .get(peer)
        .push(await measureApart({ args: [join(import.meta.dirname, 'cell.mjs'), peer, cell], limit: CELL_LIMIT }));
    }
  }
  for (const peer of peers) {
    const result = middle(results.get(peer));
    if (!['failed', 'dnf'].some((key) => key in result) && Object.keys(result).join() === 'load') continue;
    cells.push({ peer, cell, ...result });
    console.error(`${peer} ${cell}: ${JSON.stringify(result)}`);
  }
}
// In the order of the peers, which is that of the table's rows.
const report = {
  ...aboutRun(peers.map((name) => PEERS[name].package)),
  cells: peers.flatMap((peer) => cells.filter((one) => one.peer === peer)),
};
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `${JSON.stringify(report, undefined, 1)}\n`);
console.log(pluginTables(report));
console.error(`written ${out}`);

/** The round whose time is the median; one that failed, if there is one. */
function middle(rounds) {
  const bad = rounds.find(({ failed, dnf }) => failed !== undefined || dnf !== undefined);
  return bad ?? [...rounds].sort((a, b) => a.ms - b.ms)[rounds.length >> 1];
}
