/** The contract of plugins: the built-in ones keep it, and plugins that break it are told how. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { BUILTINS } from '../sdk/testing/providers.ts';
import { runPluginContract } from '../sdk/testing/index.ts';
import type { BuiltinName, PluginContractReport, TestHost } from '../sdk/testing/index.ts';
import { EXERCISES, good, KNOWN, plugin, SCHEMA, tidyUp, WRONG } from './93-plugin-contract-support.ts';
import { afterTest, tempFile } from './support.ts';

afterEach(tidyUp);

const failed = ({ checks }: PluginContractReport): string[] => checks.filter(({ ok }) => !ok).map(({ name }) => name);
const messages = ({ checks }: PluginContractReport): string =>
  checks.flatMap(({ message }) => message ?? []).join('\n');

test('runPluginContract refuses bad arguments', async () => {
  const wrong = { round: 3 } as object;
  await expect(runPluginContract(plugin({}), wrong)).rejects.toThrow("there is no option 'round'");
  await expect(runPluginContract(plugin({}), { rounds: 0 })).rejects.toThrow('rounds is 0');
  await expect(runPluginContract(null as never)).rejects.toThrow('a plugin definition is an object');
});

describe('the built-in plugins keep it', () => {
  const names = Object.keys(BUILTINS) as BuiltinName[];

  test('and all of them are asked', () => {
    const db = new GlyphCase(':memory:');
    afterTest(() => db.close());
    const loaded = db.plugins.list().map(({ id }) => id);
    expect([...names].sort()).toEqual([...loaded].sort());
  });

  test.each(names)('%s, in memory', async (name) => {
    const report = await runPluginContract(BUILTINS[name]);
    expect(report.ok).toBe(true);
    expect(report.checks.find((check) => check.name === 'is-freed')?.skipped).toBe(false);
  });

  // Put to use, it holds what it does not hold at rest.
  test.each(names)('%s, on a file, put to use', async (name) => {
    const report = await runPluginContract(BUILTINS[name], {
      db: tempFile(),
      schema: SCHEMA,
      exercise: EXERCISES[name],
      throws: false,
    });
    expect(report.checks.filter(({ ok }) => !ok).map((check) => [check.name, check.message])).toEqual(
      (KNOWN[name] ?? []).map((check) => [check, expect.stringContaining('1 of 21 instances') as string]),
    );
  });
});

describe('a plugin', () => {
  test('that writes to a watched table is not blamed for the timers of those it wakes', async () => {
    const watching = plugin({
      requires: { capsule: '^1.0.0', batching: '^1.0.0' },
      activate: (ctx) => void ctx.watch('orders', () => undefined),
    });
    const write = (host: TestHost): void => host.run('INSERT INTO orders (total) VALUES (1)');
    const options = { schema: SCHEMA, rounds: 3, throws: false };
    expect(failed(await runPluginContract(watching, { ...options, exercise: write }))).toEqual([]);

    // A timer that is nobody's is one that the plugin has left.
    const leave = (host: TestHost): void => {
      host.clock.timeout(() => undefined, 60_000);
      write(host);
    };
    const report = await runPluginContract(watching, { ...options, exercise: leave });
    expect(messages(report)).toContain('1 timer on the clock is left after it had stopped');
  });

  test('that does everything right passes every check', async () => {
    const report = await runPluginContract(good, { schema: SCHEMA, services: { store: {}, metrics: {} } });
    expect(report).toMatchObject({ plugin: 'good', version: '1.0.0', ok: true });
    expect(report.checks.filter(({ skipped, ok }) => skipped || !ok)).toEqual([]);
    expect(report.checks).toHaveLength(15);
  });

  test('that has neither options nor optional services has less to show', async () => {
    const { checks } = await runPluginContract(plugin({}), { rounds: 1 });
    const skipped = checks.filter((check) => check.skipped).map(({ name, message }) => `${name}: ${message}`);
    expect(skipped).toEqual([
      'bad-config: It has no config schema.',
      'without-optional: It has no optional services.',
      'late-optional: It has no optional services.',
    ]);
  });

  test.each(WRONG)('that $what is told so', async ({ definition, services = {}, fails, says }) => {
    const report = await runPluginContract(definition, { schema: SCHEMA, services, rounds: 3, throws: false });
    expect(report.ok).toBe(false);
    expect(messages(report)).toMatch(says);
    expect(failed(report)).toEqual(fails);
  });

  test('is never said to have failed where the contract was asked for', async () => {
    const { stackTraceLimit } = Error;
    afterTest(() => void (Error.stackTraceLimit = stackTraceLimit));
    Error.stackTraceLimit = 200;
    const hangs = plugin({ activate: () => new Promise<void>(() => undefined) });
    expect(messages(await runPluginContract(hangs, { throws: false }))).toMatch(/did not finish within 10 s$/m);
  });

  test('that breaks it is an error which names everything that failed', async () => {
    const leaky = plugin({
      activate() {
        console.warn('careful');
        Object.assign(globalThis, { leakedByAPlugin: 1 });
      },
    });
    await expect(runPluginContract(leaky, { rounds: 1 })).rejects.toMatchObject({
      code: 'GC_BAD_PLUGIN',
      plugin: 'tested',
      message: expect.stringMatching(
        /^plugin 'tested' breaks the contract of plugins:\n- silent: it wrote "careful".*\n- process-untouched: the global name/s,
      ) as string,
    });
  });

  test('is put to use after every start and reload, and what goes wrong then is told', async () => {
    const states: (string | undefined)[] = [];
    const options = { rounds: 2, throws: false };
    await runPluginContract(plugin({}), {
      ...options,
      exercise: (host) => void states.push(host.plugins.get('tested')?.state),
    });
    // One start each for six checks, two reloads each for two of them.
    expect(states).toEqual(Array<string>(10).fill('active'));
    const report = await runPluginContract(plugin({}), {
      ...options,
      exercise: () => Promise.reject(new Error('the printer is on fire')),
    });
    expect(report.checks.find(({ name }) => name === 'activates')).toMatchObject({
      ok: false,
      message: expect.stringMatching(
        /^the printer is on fire \(at test\/93-plugin-contract\.test\.ts:\d+\)$/,
      ) as string,
    });
  });

  test('is not blamed for what others do meanwhile', async () => {
    const timer = setInterval(() => undefined, 5);
    const report = runPluginContract(plugin({}), { rounds: 2 });
    const other = setInterval(() => undefined, 60_000);
    console.debug('');
    await expect(report).resolves.toMatchObject({ ok: true });
    for (const one of [timer, other]) clearInterval(one);
  });

  test('is not blamed for connections that fetch keeps for all', async () => {
    const server = createServer((_request, response) => void response.end('hello')).listen(0);
    afterTest(() => server.closeAllConnections());
    afterTest(() => server.close());
    await once(server, 'listening');
    const url = `http://localhost:${(server.address() as AddressInfo).port}`;
    const fetching = plugin({
      async activate() {
        await (await fetch(url)).text();
      },
    });
    expect(messages(await runPluginContract(fetching, { rounds: 1, throws: false }))).not.toContain('connection');

    // One of its own is another matter.
    const connecting = plugin({ activate: () => void connect((server.address() as AddressInfo).port).unref() });
    const report = await runPluginContract(connecting, { rounds: 1, throws: false });
    expect(messages(report)).toMatch(
      /a connection begun at test\/93-plugin-contract\.test\.ts:\d+ \(\d+ times\) is still/,
    );
  });

  test('leaves the process as it was when the contract has run', async () => {
    const patched = (): unknown[] => [
      Reflect.get(console, 'log'),
      Reflect.get(process.stdout, 'write'),
      process.listenerCount('newListener'),
    ];
    const before = patched();
    await runPluginContract(plugin({}), { rounds: 1 });
    expect(patched()).toEqual(before);
  });
});
