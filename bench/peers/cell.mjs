/**
 * One peer in one phase, in a process of its own: `node --expose-gc cell.mjs PEER PHASE`. The last line of its output is the
 * result as JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Overdue } from './listener.mjs';
import { PEERS } from './peers.mjs';
import { runPhase } from './phases.mjs';
import { tasks, users } from './workload.mjs';

const [name, phase] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'glyphcase-peers-'));
let result;
try {
  const { adapter, options } = PEERS[name];
  const { open } = await import(`./adapters/${adapter}.mjs`);
  const peer = await open({ folder, ...options });
  await peer.load(users(), tasks());
  result = { ...(await runPhase(phase, peer)), rssMB: process.memoryUsage().rss / 1e6 };
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  result = error instanceof Overdue ? { dnf: message } : { failed: message };
}
rmSync(folder, { recursive: true, force: true });
// Not every peer can be closed so that the process ends by itself.
process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit(0));
