/** The timing tree: what a plugin's activation took, down to the scopes that it opened. */
import { describe, expect, it } from 'vitest';
import { Span } from '../kernel/plugins/timings.ts';
import type { TimingNode } from '../kernel/plugins/timings.ts';
import type { PluginContext, Scope } from '../kernel/plugins/types.ts';
import { fakeClock, plugin, testHost } from './10-kernel-support.ts';

const leaf = (label: string, ms: number): TimingNode => ({ label, ms, children: [] });

/** A host, and how a plugin waits on its clock. */
function timed() {
  const { host, clock } = testHost();
  return {
    host,
    clock,
    after: (ms: number) => new Promise<void>((resolve) => void clock.timeout(resolve, ms)),
    /** What the tree says of a plugin's activation. */
    activation: (name: string) =>
      host
        .inspect()
        .timings.find(({ label }) => label === name)
        ?.children.find(({ label }) => label === 'activate'),
  };
}

describe('the scopes that activate opens', () => {
  it('count from when they are opened to the last thing they own, and nest', async () => {
    const { host, clock, after, activation } = timed();
    const activate = async (ctx: PluginContext): Promise<void> => {
      const store = ctx.child('store');
      await after(30);
      store.defer(() => undefined, 'connection');
      const tables = store.child('tables');
      await after(5);
      tables.defer(() => undefined);
      await after(7);
      ctx.child('server');
      await after(8);
    };
    host.load(plugin('p', { activate }));
    await clock.advance(50);
    expect(activation('p')).toEqual({
      label: 'activate',
      ms: 50,
      children: [{ label: 'store', ms: 30, children: [leaf('tables', 5)] }, leaf('server', 0)],
    });
    expect(JSON.parse(JSON.stringify(host.inspect().timings))).toEqual(host.inspect().timings);
  });

  it('may be closed at once, to measure a step', async () => {
    const { host, clock, after, activation } = timed();
    const activate = async (ctx: PluginContext): Promise<void> => {
      const step = ctx.child('migrate');
      await after(12);
      await step.close();
      await after(3);
    };
    host.load(plugin('p', { activate }));
    await clock.advance(15);
    expect(activation('p')).toEqual({ label: 'activate', ms: 15, children: [leaf('migrate', 12)] });
  });

  it('are no longer measured once the plugin is active: a scope for each request leaves nothing', async () => {
    const { host, clock, activation } = timed();
    let kept: { ctx: PluginContext; scope: Scope } | undefined;
    host.load(plugin('p', { activate: (ctx) => void (kept = { ctx, scope: ctx.child('early') }) }));
    await clock.advance(10);
    kept?.scope.defer(() => undefined);
    kept?.scope.child('inner');
    kept?.ctx.child('late');
    await kept?.scope.close();
    expect(activation('p')).toEqual({ label: 'activate', ms: 0, children: [leaf('early', 0)] });
  });

  it('are told of up to a hundred side by side', () => {
    const { host, activation } = timed();
    const activate = (ctx: PluginContext): void => {
      for (let index = 0; index < 300; index++) ctx.child(`scope ${index}`);
    };
    host.load(plugin('p', { activate }));
    expect(activation('p')?.children.map(({ label }) => label)).toEqual(
      Array.from({ length: 100 }, (_each, index) => `scope ${index}`),
    );
  });

  it('are those of the instance that runs, after a reload too', async () => {
    const { host, activation } = timed();
    const opening = (label: string) => plugin('p', { activate: (ctx: PluginContext) => void ctx.child(label) });
    host.load(opening('first'));
    await host.reload('p', opening('second'));
    expect(activation('p')?.children).toEqual([leaf('second', 0)]);
    await host.unload('p');
    expect(host.inspect().timings).toEqual([]);
  });
});

describe('a span that has ended', () => {
  it('has no new spans inside, nor have those that it has, and takes no marks', async () => {
    const clock = fakeClock();
    const span = new Span('activate', clock);
    const inner = span.child('inner');
    await clock.advance(5);
    const first = span.end();
    await clock.advance(5);
    expect(span.child('late')).toBeUndefined();
    expect(inner?.child('late')).toBeUndefined();
    inner?.mark();
    expect(span.end()).toEqual(first);
    expect(first).toEqual({ label: 'activate', ms: 5, children: [leaf('inner', 0)] });
  });
});
