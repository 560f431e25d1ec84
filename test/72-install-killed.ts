/** Installs a skill and dies at a step: `node 72-install-killed.ts SOURCE DIR STEP [DB]`. Started by 72-install-swap.test.ts. */
import { installOnFile } from '../sdk/install/on-file.ts';

const [source = '', dir = '', step, filename] = process.argv.slice(2);
await installOnFile({ source, dir, ...(filename === undefined ? {} : { filename }) }, {}, (reached) => {
  if (reached === step) process.kill(process.pid, 'SIGKILL');
}).catch((error: unknown) => process.stdout.write(`failed: ${String(error)}\n`));
process.stdout.write('ended\n');
