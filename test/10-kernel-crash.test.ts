/** What nobody guards: a plugin that crashed by itself, one that takes long, and what is said of a change that was not taken. */
import { describe, expect, it } from 'vitest';
import { GlyphError } from '../kernel/errors.ts';
import { plugin, settle, testHost, thrownBy } from './10-kernel-support.ts';

const boom = new Error('boom');

describe('crashed', () => {
  it('stops the plugin at once, says what of it failed, and goes by one that does not run', async () => {
    const { host, logger } = testHost();
    host.load(plugin('p'));
    host.load(plugin('well'));
    expect(host.crashed('nobody', 'a timer of its own', boom)).toBe(false);
    expect(host.crashed('p', 'a timer of its own', boom)).toBe(true);
    expect(host.crashed('p', 'a timer of its own', boom)).toBe(true);
    await host.ready();
    expect(host.get('p')).toMatchObject({ state: 'quarantined', reasons: ['a timer of its own failed: boom'] });
    expect(host.get('p')?.error?.cause).toBe(boom);
    expect(host.get('well')?.state).toBe('active');
    expect(logger.lines.map(({ message }) => message)).toEqual([
      "plugin 'p' was stopped: a timer of its own failed: boom",
    ]);
    expect(host.crashed('p', 'a timer of its own', boom)).toBe(false);
    await host.reload('p', plugin('p'));
    expect(host.get('p')?.state).toBe('active');
  });

  it('takes back a version on probation, and blames nobody for a locked database', async () => {
    const { host, logger } = testHost();
    host.load(plugin('p'));
    await host.reload('p', plugin('p', { version: '2.0.0' }));
    expect(host.crashed('p', 'a timer of its own', new GlyphError('GC_LOCKED', 'locked'))).toBe(false);
    host.crashed('p', 'a timer of its own', boom);
    await host.ready();
    expect(host.get('p')).toMatchObject({ state: 'active', version: '1.0.0' });
    expect(logger.lines.at(-1)).toMatchObject({
      message: "plugin 'p': version 2.0.0 was taken back for 1.0.0: a timer of its own failed: boom",
      fields: { error: boom },
    });
  });
});

describe('the sentence', () => {
  it('of a change that keeps the version names it no more than once', async () => {
    const { host, logger } = testHost();
    host.load(plugin('p'));
    const broken = plugin('p', {
      activate() {
        throw boom;
      },
    });
    expect((await thrownBy(() => host.reload('p', broken))).message).toMatch(
      /^the change to plugin 'p' was not taken, and what ran before goes on running: .*boom$/,
    );
    await host.reload('p', plugin('p'));
    expect(host.inspect().units[0]?.history.at(-1)?.reason).toBe('it was reloaded');
    host.crashed('p', 'a timer of its own', boom);
    await host.ready();
    expect(logger.lines.at(-1)?.message).toBe("plugin 'p': the change was taken back: a timer of its own failed: boom");
  });

  it('of a stop names the error that was the last straw, not one that came after it', async () => {
    const { host, bus } = testHost();
    host.load(
      plugin('p', { activate: (ctx) => void ctx.on('x', (n: number) => Promise.reject(new Error(`no ${n}`))) }),
    );
    for (let n = 1; n <= 6; n++) bus.emit('x', n);
    await settle();
    await host.ready();
    expect(host.get('p')?.reasons[0]).toContain('no 5');
    expect(host.get('p')?.error?.cause).toMatchObject({ message: 'no 5' });
  });
});

describe('a phase that takes long', () => {
  it('is said to after 2 s, once, and not when it ends before or is given up', async () => {
    const { host, clock, logger } = testHost();
    const said = (): readonly string[] => logger.lines.map(({ message }) => message);
    const { promise, resolve } = Promise.withResolvers<void>();
    host.load(plugin('quick', { activate: () => promise }));
    await clock.advance(1999);
    resolve();
    await settle();
    host.load(plugin('slow', { activate: () => new Promise(() => {}) }));
    await clock.advance(1999);
    expect(said()).toEqual([]);
    await clock.advance(3000);
    expect(said()).toEqual(["plugin 'slow': still waiting for activate, which is given up after 10 s"]);
    host.load(plugin('gone', { activate: () => new Promise(() => {}) }));
    await host.unload('gone');
    await clock.advance(3000);
    expect(said()).toHaveLength(1);
  });
});
