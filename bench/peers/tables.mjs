/** The results as Markdown tables. */
import { PEERS } from './peers.mjs';

/** @param {number | undefined} value */
export function number(value) {
  if (value === undefined) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(value >= 100 ? 3 : 2)));
}

/**
 * @param {{ date: string, machine: string, node: string, versions: Record<string, string>, cells: Record<string, any>[], note?: string }} report
 */
export function tables({ date, machine, node, versions, cells, note }) {
  const names = [...new Set(cells.map((cell) => cell.peer))];
  const cell = (peer, phase) => cells.find((one) => one.peer === peer && one.phase === phase);
  const notes = [];
  const label = (peer) => `${PEERS[peer].label} (${PEERS[peer].keeps})`;
  /** A mark that leads to a note below the table. */
  const mark = (text) => {
    if (!notes.includes(text)) notes.push(text);
    return ` [${'abcdefghijklmnopqrstuvwxyz'[notes.indexOf(text)]}]`;
  };
  /** What is said in place of a figure that is not there. */
  const show = (peer, phase, key) => {
    const found = cell(peer, phase);
    if (found === undefined) return '–';
    if (found.cannot !== undefined) return `cannot${mark(`${PEERS[peer].label}: ${found.cannot}.`)}`;
    if (found.failed !== undefined) return `failed${mark(`${PEERS[peer].label}: ${found.failed}`)}`;
    const value = found[key] === undefined ? '' : number(found[key]);
    if (found.dnf !== undefined) return value === '' ? 'DNF' : `DNF (${value} with ${number(found.watchers)})`;
    return value === '' ? '–' : value;
  };
  const named = (peer) => label(peer) + (PEERS[peer].note === undefined ? '' : mark(PEERS[peer].note));
  const joined = (peer) => {
    const text = show(peer, 'join', 'p50');
    return text + (PEERS[peer].joinNote === undefined || !/^[\d.]/.test(text) ? '' : mark(PEERS[peer].joinNote));
  };

  const latency = names.map((peer) =>
    [
      named(peer),
      show(peer, 'point', 'writeP50'),
      show(peer, 'filter', 'p50'),
      show(peer, 'filter', 'spurious'),
      joined(peer),
      show(peer, 'bulk', 'unwatchedPerSecond'),
      show(peer, 'bulk', 'watchedPerSecond'),
    ].join(' | '),
  );
  const scale = names.map((peer) =>
    [
      label(peer),
      ...[1, 100, 1000, 10_000].map((count) => show(peer, `scale:${count}`, 'p50')),
      show(peer, 'scale:100', 'callbacksPerWrite'),
      eachSetUp(cell(peer, 'scale:1000') ?? cell(peer, 'scale:100')),
    ].join(' | '),
  );
  const measured = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${date}: ${machine}, shared with other work; Node ${node}, ${measured.join(', ')}.`,
    ...(note === undefined ? [] : [note]),
    'Times are medians in ms; (file) keeps its data on disk, (memory) only in the process.',
    '',
    '| | one write, unwatched | write → callback, 10,000 of 100,000 rows | callbacks by 20 writes outside | write → callback, LEFT JOIN + COUNT + GROUP BY | bulk insert, rows/s | the same until the callback |',
    '|---|---|---|---|---|---|---|',
    ...latency.map((row) => `| ${row} |`),
    '',
    'One write to the one right callback, among N queries that differ in a parameter:',
    '',
    '| | 1 | 100 | 1,000 | 10,000 | callbacks a write, of 100 | set-up of a query |',
    '|---|---|---|---|---|---|---|',
    ...scale.map((row) => `| ${row} |`),
    '',
    ...notes.map((text, index) => `[${'abcdefghijklmnopqrstuvwxyz'[index]}] ${text}`).flatMap((line) => [line, '']),
    'DNF: not set up within a minute, with as many as were in brackets; or no callback within 20 s.',
  ].join('\n');
}

const eachSetUp = (cell) => (cell?.setUp === undefined ? '–' : number(cell.setUp / cell.watchers));
