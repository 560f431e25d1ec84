/** One peer in one cell, in a process of its own: `node cell.mjs PEER CELL`. The last line of its output is the result as JSON. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CELLS } from './cells.mjs';

const [peer, cell] = process.argv.slice(2);
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'glyphcase-peers-')));
let result;
try {
  const { adapter } = await import(`./adapters/${peer}.mjs`);
  result = await CELLS[cell](adapter, folder);
} catch (error) {
  result = { failed: error instanceof Error ? error.message : String(error) };
}
rmSync(folder, { recursive: true, force: true });
// Not every peer can be closed so that the process ends by itself.
process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit(0));
