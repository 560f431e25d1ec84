/**
 * Measuring in processes of their own, one after the other, and what is to be said of the machine.
 *
 * Invariant: a process that fails or takes too long is one line of the result, and the rest goes on.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';

/** Ends this process where Node is too old for the peers and for GlyphCase's sources. */
export function assertNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return;
  console.error(`Node ${process.version} is too old: start it by npm run, which uses the Node.js of package.json.`);
  process.exit(2);
}

/**
 * Runs a program that prints its result as JSON on its last line.
 *
 * @param {{ flags?: string[], args: string[], limit: number }} what `limit` in ms
 * @returns {Promise<Record<string, any>>}
 */
export function measureApart({ flags = [], args, limit }) {
  const load = loadavg()[0];
  const child = spawn(process.execPath, ['--expose-gc', ...flags, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  let isOverdue = false;
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (errors += text));
  const timer = setTimeout(() => {
    isOverdue = true;
    child.kill('SIGKILL');
  }, limit);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      if (isOverdue) resolve({ dnf: `ended after ${limit / 1000} s`, load });
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

/** When, on what, and which versions were measured: of these packages, or undefined for GlyphCase itself. */
export function aboutRun(packages) {
  const versions = {};
  for (const wanted of packages) {
    const file =
      wanted === undefined
        ? join(import.meta.dirname, '../../package.json')
        : join(import.meta.dirname, 'node_modules', wanted, 'package.json');
    if (existsSync(file)) versions[wanted ?? 'glyphcase'] = JSON.parse(readFileSync(file, 'utf8')).version;
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    versions,
  };
}

/** The names that were asked for, `a,b`, or all; ends this process when one is unknown. */
export function chosen(what, list, isKnown, all) {
  const names = list?.split(',') ?? all;
  const unknown = names.filter((name) => !isKnown(name));
  if (unknown.length === 0) return names;
  console.error(`There is no ${what} ${unknown.join(', ')}; there are ${all.join(', ')}.`);
  return process.exit(2);
}
