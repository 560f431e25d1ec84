/** What never ends, what must not fail, and how long things took: limits, boot policy, timings, late additions. */
import { describe, expect, it } from 'vitest';
import type { PluginContext, PluginDefinition, Scope } from '../kernel/plugins/types.ts';
import { GlyphCase } from '../sdk/index.ts';
import { withTimeLimit } from '../sdk/plugin.ts';
import { hang, plugin, provider, settle, testHost, thrownBy } from './10-kernel-support.ts';

describe('work that never ends', () => {
  it('is listed, phase by phase, until it settles after all', async () => {
    const { host, clock } = testHost();
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    host.load(
      plugin('p', {
        activate: (ctx) => void ctx.defer(() => gates[1].promise, 'socket'),
        deactivate: () => gates[0].promise,
      }),
    );
    const begun = clock.now();
    const unloading = host.unload('p');
    await clock.advance(7_000);
    await unloading;
    const listed = [
      { plugin: 'p', instance: 'p#1', phase: 'deactivate', since: begun + 5_000 },
      { plugin: 'p', instance: 'p#1', phase: "dispose 'socket'", since: begun + 7_000 },
    ];
    expect(host.inspect().abandoned).toEqual(listed);
    expect(JSON.parse(JSON.stringify(host.inspect()))).toMatchObject({ abandoned: listed });
    gates[0].resolve();
    await settle();
    expect(host.inspect().abandoned).toEqual([listed[1]]);
    gates[1].reject(new Error('too late'));
    await settle();
    expect(host.inspect().abandoned).toEqual([]);
  });

  it('is listed when the plugin is unloaded in the midst of it', async () => {
    const { host } = testHost();
    host.load(plugin('p', { activate: hang }));
    await host.unload('p');
    expect(host.inspect().abandoned).toMatchObject([{ plugin: 'p', phase: 'activate' }]);
  });

  it('names the scope inside that hangs', async () => {
    const { host, clock } = testHost({ limits: { activate: 1_000 } });
    host.load(
      plugin('p', {
        async activate(ctx) {
          const pool = ctx.child('pool');
          pool.defer(hang, 'connection 7');
          const [error] = await pool.close();
          if (error !== undefined) throw error;
        },
      }),
    );
    await clock.advance(1_000);
    expect(host.get('p')?.error?.message).toMatch(/p › pool: disposing 'connection 7' did not finish within 997 ms/);
  });

  it('names the other plugin whose service hangs, when that one limits its own steps', async () => {
    const { host, clock } = testHost({ limits: { activate: 1_000 } });
    const connect = (): Promise<void> =>
      Promise.resolve(withTimeLimit(hang, { ms: 60_000, clock, what: "plugin 'db': connect" }));
    host.load(provider('db', { connect }));
    host.load(
      plugin('p', {
        requires: { db: '*' },
        activate: (ctx) => ctx.use<{ connect(): Promise<void> }>('db').connect(),
      }),
    );
    await clock.advance(1_000);
    expect(host.get('p')?.error?.message).toBe(
      "plugin 'p' failed in activate: plugin 'db': connect did not finish within 997 ms",
    );
  });

  it('names the hanging plugin whose service was waited for, and starts again as soon as that comes', async () => {
    const { host, clock, state } = testHost({ limits: { activate: 1_000 } });
    const gate = Promise.withResolvers<void>();
    host.load(provider('late', {}, { activate: (ctx) => gate.promise.then(() => ctx.provide('late', {})) }));
    await clock.advance(500);
    host.load(
      plugin('p', {
        optional: { late: '^1.0.0' },
        activate: (ctx) => new Promise<void>((resolve) => void ctx.onService('late', () => resolve())),
      }),
    );
    await clock.advance(999);
    expect(state('late')).toBe('failed');
    await clock.advance(1);
    expect(host.get('p')?.error).toMatchObject({ code: 'GC_PLUGIN_TIMEOUT', plugin: 'p', phase: 'activate' });
    expect(host.get('p')?.error?.message).toMatch(
      /^plugin 'p': activate did not finish within 1 s; the service 'late' was not there: plugin 'late' would provide it and is failed/,
    );
    gate.resolve();
    await clock.advance(4_500);
    expect([state('late'), state('p')]).toEqual(['active', 'active']);
  });
});

describe('onFailure', () => {
  const failing = {
    activate: (): void => {
      throw new Error('no licence');
    },
  };

  const failsLater = async (): Promise<void> => {
    await Promise.resolve();
    throw new Error('no licence');
  };

  it('is continue or abort', () => {
    const { host } = testHost();
    expect(() => host.load(plugin('p', { onFailure: 'stop' as never }))).toThrow(
      /`onFailure` is "stop"; it is 'continue' or 'abort'/,
    );
  });

  it('by default leaves the host to the others', async () => {
    await using db = new GlyphCase(':memory:', { plugins: [plugin('p', failing)] });
    const { plugins } = await db.ready;
    expect(plugins.find(({ id }) => id === 'p')?.state).toBe('failed');
  });

  it.each<[string, Partial<PluginDefinition>, RegExp]>([
    ['fails', failing, /plugin 'p': plugin 'p' 1.0.0 has failed once: .*no licence/],
    ['is asynchronous and fails', { activate: failsLater }, /no licence/],
    ['waits', { requires: { none: '*' } }, /is waiting. It waits for the service 'none'/],
    ['is not for this version', { glyphcase: '^9.0.0' }, /is incompatible/],
  ])('abort ends the host when the plugin %s', async (_how, more, message) => {
    const db = new GlyphCase(':memory:', { plugins: [plugin('fine'), plugin('p', { ...more, onFailure: 'abort' })] });
    const error = await thrownBy(() => db.ready);
    expect(error).toMatchObject({
      code: 'GC_PLUGIN_FAILED',
      plugin: 'p',
      message: expect.stringMatching(message),
      hint: expect.stringContaining("onFailure: 'continue'"),
    });
    expect(await thrownBy(() => db.query('SELECT 1'))).toMatchObject({ code: 'GC_CLOSED' });
    expect(db.sqlite.open).toBe(false);
    await db.close();
  });

  it('abort does nothing to a host whose plugin fails later', async () => {
    await using db = new GlyphCase(':memory:', { plugins: [plugin('p', { onFailure: 'abort' })] });
    await db.ready;
    await thrownBy(() => db.plugins.reload('p', plugin('p', failing)));
    expect(db.plugins.get('p')?.state).toBe('active');
  });
});

describe('timings', () => {
  it('say how long loading, evaluating and activating took, as plain JSON', async () => {
    const { host, clock } = testHost();
    const slow = plugin('p', { activate: () => new Promise((resolve) => void clock.timeout(() => resolve(), 30)) });
    host.load(slow, {}, { loadedInMs: 4, evaluatedInMs: 2 });
    host.load(plugin('q'));
    await clock.advance(30);
    expect(host.get('p')).toMatchObject({ loadedInMs: 4, evaluatedInMs: 2, activatedInMs: 30 });
    expect(JSON.parse(JSON.stringify(host.inspect().timings))).toEqual([
      {
        label: 'p',
        ms: 36,
        children: [
          { label: 'load', ms: 4, children: [] },
          { label: 'evaluate', ms: 2, children: [] },
          { label: 'activate', ms: 30, children: [] },
        ],
      },
      { label: 'q', ms: 0, children: [{ label: 'activate', ms: 0, children: [] }] },
    ]);
  });

  it('are those of the version that runs', async () => {
    const { host } = testHost();
    host.load(plugin('p'), {}, { loadedInMs: 4 });
    await host.reload('p');
    expect(host.get('p')?.loadedInMs).toBe(4);
    await host.reload('p', plugin('p'), undefined, { evaluatedInMs: 3 });
    expect(host.get('p')).toMatchObject({ evaluatedInMs: 3 });
    expect(host.get('p')).not.toHaveProperty('loadedInMs');
    const failing = plugin('p', {
      activate: () => {
        throw new Error('x');
      },
    });
    await thrownBy(() => host.reload('p', failing, undefined, { evaluatedInMs: 99 }));
    expect(host.get('p')?.evaluatedInMs).toBe(3);
  });
});

describe('a closed scope', () => {
  it('disposes of late additions at once, with a warning, and lets nothing be registered', async () => {
    const { host, logger, bus, hooks, clock } = testHost();
    let kept: PluginContext | undefined;
    let child: Scope | undefined;
    host.load(
      plugin('p', {
        provides: { p: '1.0.0' },
        activate(ctx) {
          kept = ctx;
          child = ctx.child('job');
        },
      }),
    );
    await host.unload('p');
    const ctx = kept as unknown as PluginContext;
    const disposed: string[] = [];
    ctx.defer(() => void disposed.push('plugin'), 'late file');
    child?.defer(() => void disposed.push('child'), 'late socket');
    expect(disposed).toEqual(['plugin', 'child']);
    expect(logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      "plugin 'p' declares the service 'p' but has not provided it",
      "p is closed; 'late file' was disposed at once",
      "p › job is closed; 'late socket' was disposed at once",
    ]);
    const calls: (() => unknown)[] = [
      () => ctx.on('x', () => {}),
      () => ctx.emit('x', 1),
      () => ctx.hooks.boot.tap('p', () => {}),
      () => ctx.use('p'),
      () => ctx.provide('p', {}),
      () => ctx.every('1s', () => {}),
      () => ctx.timeout('1s', () => {}),
      () => ctx.clock.timeout(() => {}, 1),
      () => ctx.child('late'),
    ];
    const codes = await Promise.all(calls.map(async (call) => (await thrownBy(call)).code));
    // A service that was never declared is another mistake, and told first.
    expect(codes.filter((code) => code !== 'GC_SCOPE_CLOSED')).toEqual([]);
    expect([bus.count('x'), hooks.boot.count(), clock.pending]).toEqual([0, 0, 0]);
  });
});
