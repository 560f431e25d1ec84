/** Every built-in plugin is reloaded while writes go on, and nobody is told of a change twice, or not at all. */
import { expect, test } from 'vitest';
import { BUILTINS } from '../sdk/testing/providers.ts';
import { A_SKILL, Load } from './94-reload-load.ts';
import { afterTest, tempDir } from './support.ts';

const NAMES = Object.keys(BUILTINS);
/** `npm run prove:reload` has 200 of each. */
const RELOADS = 8;

async function opened(options: { readonly batchInterval?: number }): Promise<Load> {
  const load = await Load.open({ dir: tempDir(), ...options });
  afterTest(() => load.close());
  return load;
}

async function reloads(load: Load, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const outcome = await load.phase(name, RELOADS);
    expect(outcome).toMatchObject({ plugin: name, lost: 0, doubled: 0, disordered: 0, complaints: [] });
    expect(outcome.changes).toBeGreaterThan(RELOADS);
  }
}

test('delivered at once', { timeout: 30_000 }, async () => {
  await reloads(await opened({ batchInterval: 0 }), [...NAMES, 'watching', A_SKILL]);
});

test('delivered in batches, every 100 ms', { timeout: 30_000 }, async () => {
  await reloads(await opened({}), ['capsule', 'batching', 'live', 'skills', A_SKILL]);
});

test('a reload that fails is as little noticed as one that succeeds', { timeout: 30_000 }, async () => {
  const load = await opened({ batchInterval: 0 });
  for (const name of ['capsule', 'skills']) {
    const outcome = await load.phase(name, RELOADS, {
      name,
      version: '2.0.0',
      provides: { [name]: '1.0.0' },
      reload: 'restart',
      activate() {
        throw new Error('it does not start');
      },
    });
    expect(outcome).toMatchObject({ lost: 0, doubled: 0, disordered: 0 });
    expect(outcome.complaints).toEqual([expect.stringContaining('it does not start')]);
  }
});
