/**
 * A thread that ends the process in which a plugin is checked when whoever watches it is gone.
 *
 * Invariant: it does so even if the plugin's code never returns and nobody is left to end it.
 */
import { Worker } from 'node:worker_threads';

/** How often it looks, in ms. */
const LOOK_MS = 250;

/**
 * As a text, because a thread that begins with a TypeScript file takes 80 ms longer to start. On Windows a process keeps the
 * id of a parent that is gone; elsewhere a parent nobody has waited for yet is still there.
 */
const THREAD = `
const { workerData: parent } = require('node:worker_threads');
const isThere = () => {
  try {
    return process.kill(parent, 0) && process.ppid === parent;
  } catch {
    return false;
  }
};
setInterval(() => isThere() || process.kill(process.pid, 'SIGKILL'), ${LOOK_MS});
`;

/** Begins to look after the process that has started this one. */
export function endWithParent(): void {
  new Worker(THREAD, { eval: true, workerData: process.ppid }).unref();
}
