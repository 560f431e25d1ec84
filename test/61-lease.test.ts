/** The lease: of several hosts on one file, one runs reactions. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import leasePlugin from '../plugins/lease/index.ts';
import { SideLock } from '../plugins/lease/side-lock.ts';
import type { LeaseService } from '../plugins/lease/types.ts';
import type { PluginDefinition } from '../kernel/plugins/types.ts';
import { fakeClock, openHost, settle, startNode, tempDir, tempFile, until } from './support.ts';
import type { FakeClock } from './10-kernel-support.ts';
import type { Host } from './support.ts';

const plugin = leasePlugin;

interface LeaseHost extends Host {
  readonly lease: LeaseService;
  readonly told: string[];
}

function leaseHost(file: string, clock: FakeClock = fakeClock()): LeaseHost {
  const told: string[] = [];
  const observer: PluginDefinition = {
    name: 'observer',
    version: '1.0.0',
    activate(ctx) {
      ctx.on('lease:held', () => void told.push('held'));
      ctx.on('lease:lost', () => void told.push('lost'));
    },
  };
  const host = openHost({ file, clock, plugins: [observer, plugin] });
  const lease = host.kernel.plugins.use<LeaseService>('lease');
  lease.want();
  return { ...host, lease, told };
}

const mayRun = (host: LeaseHost): boolean => host.db.write(() => host.lease.mayRun());
const row = (host: Host) => host.db.get('SELECT host, epoch, mode FROM _capsule_lease');

/** A program that holds the lease and says so; it ends when it is killed. */
function holder(file: string): ReturnType<typeof startNode> {
  const root = join(import.meta.dirname, '..');
  const script = join(tempDir(), 'holder.ts');
  writeFileSync(
    script,
    `import { createKernel } from '${root}/kernel/kernel.ts';
     import lease from '${root}/plugins/lease/index.ts';
     const kernel = createKernel({ filename: process.argv[2]!, version: '1.0.0' });
     kernel.plugins.loadAll([{ definition: lease, config: {} }]);
     const service = kernel.plugins.use('lease') as { held: boolean; want(): void };
     service.want();
     console.log('held', service.held);
     setInterval(() => {}, 1000);`,
  );
  return startNode(script, file);
}

describe('one host', () => {
  it('leaves the lease to others until it has something to run', () => {
    const file = tempFile();
    const idle = openHost({ file, plugins: [plugin] });
    const unasked = idle.kernel.plugins.use<LeaseService>('lease');
    expect(unasked).toMatchObject({ held: false, epoch: 0 });
    expect(idle.db.write(() => unasked.mayRun())).toBe(false);
    expect(leaseHost(file).lease).toMatchObject({ held: true, epoch: 1 });
  });

  it('holds the lease at once, beside a file of its own', () => {
    const host = leaseHost(tempFile());
    expect(host.lease).toMatchObject({ held: true, epoch: 1 });
    expect(mayRun(host)).toBe(true);
    expect(existsSync(`${host.file}-lock`)).toBe(true);
    expect(host.told).toEqual(['held']);
  });

  it('always holds it in memory, and writes nothing', () => {
    const host = leaseHost(':memory:');
    expect(host.lease).toMatchObject({ held: true });
    expect(host.lease.mayRun()).toBe(true);
    expect(host.db.get("SELECT 1 FROM sqlite_schema WHERE name = '_capsule_lease'")).toBeUndefined();
  });

  it('gives it back when it closes, and deletes nothing', async () => {
    const file = tempFile();
    const host = leaseHost(file);
    await host.close();
    expect(host.lease.mayRun()).toBe(false);
    expect(existsSync(`${file}-lock`)).toBe(true);
    const next = leaseHost(file);
    expect(next.lease).toMatchObject({ held: true, epoch: 2 });
  });

  it('waits with taking it while a transaction is open', async () => {
    const file = tempFile();
    const clock = fakeClock();
    const host = openHost({ file, clock });
    let release = (): void => {};
    const busy = host.db.transaction(() => new Promise<void>((resolve) => (release = resolve)));
    await settle();
    host.db.run(
      'CREATE TABLE IF NOT EXISTS _capsule_lease(id INTEGER PRIMARY KEY, host TEXT, epoch INTEGER NOT NULL, taken_at INTEGER NOT NULL, mode TEXT NOT NULL, expires_at INTEGER NOT NULL)',
    );
    host.kernel.plugins.loadAll([{ definition: plugin, config: {} }]);
    const lease = host.kernel.plugins.use<LeaseService>('lease');
    lease.want();
    expect(lease.held).toBe(false);
    release();
    await busy;
    await settle();
    expect(lease.held).toBe(true);
  });
});

describe('two hosts', () => {
  it('in one process: one holds it, the other takes over when that one closes', async () => {
    const file = tempFile();
    const first = leaseHost(file);
    const second = leaseHost(file);
    expect([first.lease.held, second.lease.held]).toEqual([true, false]);
    expect([mayRun(first), mayRun(second)]).toEqual([true, false]);
    await second.clock.advance(1000);
    expect(second.lease.held).toBe(false);
    await first.close();
    await second.clock.advance(100);
    expect(second.lease).toMatchObject({ held: true, epoch: 2 });
    expect(second.told).toEqual(['held']);
    const third = leaseHost(file);
    expect(third.lease.held).toBe(false);
  });

  it('in two processes: the other takes over as soon as the first is killed', async () => {
    const file = tempFile();
    const child = holder(file);
    await until(() => child.output.includes('held'));
    expect(child.output).toContain('held true');
    const host = leaseHost(file);
    expect(host.lease.held).toBe(false);
    await host.clock.advance(500);
    expect(host.lease.held).toBe(false);
    child.kill('SIGKILL');
    await child.ended;
    await host.clock.advance(100);
    expect(host.lease).toMatchObject({ held: true, epoch: 2 });
  });

  it('by different links to the file share one lease', async () => {
    const file = tempFile();
    const { symlinkSync } = await import('node:fs');
    const first = leaseHost(file);
    const link = join(tempDir(), 'link.db');
    symlinkSync(file, link);
    const second = leaseHost(link);
    expect([first.lease.held, second.lease.held]).toEqual([true, false]);
  });
});

describe('the epoch', () => {
  it('stops a holder that was taken over behind its back, inside its transaction', async () => {
    const host = leaseHost(tempFile());
    host.db.write(() =>
      host.db.run("UPDATE _capsule_lease SET epoch = epoch + 1, host = 'other', mode = 'beat', expires_at = ?", [
        host.clock.now() + 15_000,
      ]),
    );
    expect(host.lease.held).toBe(true);
    expect(mayRun(host)).toBe(false);
    expect(host.lease.held).toBe(false);
    expect(host.told).toEqual(['held', 'lost']);
    await host.clock.advance(10_000);
    expect(host.lease.held).toBe(false);
    await host.clock.advance(5_100);
    expect(host.lease).toMatchObject({ held: true, epoch: 3 });
  });

  it('decides when the side file was removed and two hosts have locked', async () => {
    const file = tempFile();
    const first = leaseHost(file);
    rmSync(`${file}-lock`);
    const second = leaseHost(file);
    expect(second.lease).toMatchObject({ held: true, epoch: 2 });
    expect([mayRun(first), mayRun(second)]).toEqual([false, true]);
    await first.clock.advance(300);
    await second.clock.advance(300);
    expect([mayRun(first), mayRun(second)].filter(Boolean)).toHaveLength(1);
  });
});

describe('without a side file', () => {
  function blocked(): string {
    const file = join(tempDir(), 'app.db');
    mkdirSync(`${file}-lock`);
    return file;
  }

  it('says so, and holders renew in the database', async () => {
    const clock = fakeClock();
    const first = leaseHost(blocked(), clock);
    expect(first.lease.held).toBe(true);
    expect(row(first)).toMatchObject({ mode: 'beat' });
    expect(first.logger.lines.find((line) => line.level === 'warn')?.message).toContain('-lock cannot be used');
    const second = leaseHost(first.file, clock);
    await clock.advance(60_000);
    expect([first.lease.held, second.lease.held]).toEqual([true, false]);
    await first.close();
    await clock.advance(200);
    expect(second.lease).toMatchObject({ held: true, epoch: 2 });
  });

  it('others take over when a holder shows no sign of life', async () => {
    const file = blocked();
    leaseHost(file);
    const second = leaseHost(file);
    await second.clock.advance(14_000);
    expect(second.lease.held).toBe(false);
    await second.clock.advance(1_200);
    expect(second.lease.held).toBe(true);
  });
});

describe('the side lock', () => {
  it('refuses a file that is no lock file, and a folder that is not there', () => {
    const file = tempFile();
    writeFileSync(file, '');
    writeFileSync(
      `${file}-lock`,
      'this is somebody’s text, and long enough to be taken for a header of a file'.repeat(20),
    );
    expect(() => new SideLock(file)).toThrow();
    expect(readFileSync(`${file}-lock`, 'utf8')).toContain('somebody');
    expect(() => new SideLock(join(dirname(file), 'nowhere.db'))).toThrow();
  });

  it('excludes others while it is held, and only then', () => {
    const file = tempFile();
    writeFileSync(file, '');
    const [one, two] = [new SideLock(file), new SideLock(file)];
    expect([one.tryTake(), one.tryTake(), two.tryTake()]).toEqual([true, true, false]);
    one.release();
    expect(two.tryTake()).toBe(true);
    const three = new SideLock(file);
    expect(three.tryTake()).toBe(false);
    for (const lock of [one, two, three]) {
      lock.close();
      lock.close();
    }
    expect(one.tryTake()).toBe(false);
  });
});
