/** The results of the plugin suite as a Markdown table. */
import { number } from '../tables.mjs';
import { PEERS } from './peers.mjs';

/**
 * @param {{ date: string, machine: string, node: string, versions: Record<string, string>, cells: Record<string, any>[] }} report
 */
export function pluginTables({ date, machine, node, versions, cells }) {
  const names = [...new Set(cells.map(({ peer }) => peer))];
  const find = (peer, name) => cells.find((one) => one.peer === peer && one.cell === name);
  const show = (peer, name, key) => {
    const found = find(peer, name);
    if (found?.failed !== undefined) return 'failed';
    return found?.dnf === undefined ? number(found?.[key]) : 'DNF';
  };
  const isolates = (peer) => {
    const found = find(peer, 'calls')?.isolates;
    if (found === undefined) return '–';
    return found ? 'hear it' : 'do not';
  };
  const rows = names.map((peer, index) =>
    [
      `${PEERS[peer].label} [${'abcdefghijklmnopqrstuvwxyz'[index]}]`,
      show(peer, 'calls', 'throughNs'),
      show(peer, 'calls', 'keptNs'),
      show(peer, 'calls', 'emitNs'),
      isolates(peer),
      show(peer, 'cycle', 'cycleUs'),
      show(peer, 'save', 'saveMs'),
      show(peer, 'cold', 'ms'),
      show(peer, 'bare', 'ms'),
    ].join(' | '),
  );
  const loads = cells.map(({ load }) => load);
  const measured = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${date}: ${machine}, load average ${number(Math.min(...loads))} to ${number(Math.max(...loads))}; Node ${node}, ${measured.join(', ')}.`,
    '– is what a peer does not have.',
    '',
    '| | service taken from the context and called, ns | a call of one taken before, ns | event to 5 listeners, ns | the others, when one throws | a plugin loaded and taken away, µs | file saved → new version active, ms | 20 TypeScript plugins, cold, ms | of which the host without plugins |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
    '',
    ...names.flatMap((peer, index) => [`[${'abcdefghijklmnopqrstuvwxyz'[index]}] ${PEERS[peer].note}`, '']),
  ]
    .join('\n')
    .trimEnd();
}
