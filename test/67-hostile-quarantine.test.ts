/** Out of service: how often a skill may fail in each of its entries, what is said of it, and the ways back. */
import { describe, expect, it } from 'vitest';
import { writeSkill } from './60-skills-support.ts';
import { EVERYTHING, hostileHost } from './67-hostile-support.ts';
import type { HostileHost } from './67-hostile-support.ts';
import { tempDir, tempFile, workClock } from './support.ts';

const state = (host: HostileHost): string => host.skills.get('hostile')?.state ?? 'gone';
const why = (host: HostileHost): string => host.skills.why('hostile').join(' ');
const failuresOf = (host: HostileHost): number | undefined => host.skills.get('hostile')?.failures;

/** Lets its state be written down, which happens in nobody's transaction. */
const written = (host: HostileHost): unknown => host.db.get("SELECT state, error FROM _skills WHERE id = 'hostile'");

describe('a failure in a row', () => {
  it.each([
    ['when it starts', 'error("broken")'],
    ['in on_data_changed', 'function on_data_changed() error("broken") end'],
  ])('%s is tried again after 1, 2, 4 and 8 s, then quarantined', async (_, main) => {
    const host = await hostileHost();
    await host.hostile(main);
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    const pauses: number[] = [];
    for (let failures = 1; state(host) !== 'quarantined'; failures++) {
      expect(host.skills.get('hostile')).toMatchObject({ failures });
      const since = host.clock.now();
      while (host.skills.get('hostile')?.failures === failures && state(host) !== 'quarantined') {
        await host.clock.advance(100);
        await host.rest();
      }
      pauses.push(Math.round((host.clock.now() - since) / 1000));
    }
    expect(pauses).toEqual([1, 2, 4, 8]);
    expect(why(host)).toMatch(
      /failed 5 times in a row: .*main\.lua:1: broken.*Correct its files.*skill enable hostile/,
    );
    await host.unharmed();
  });
});

interface Route {
  readonly main: string;
  /** Makes it run once. */
  readonly wake: (host: HostileHost) => unknown;
}

const LOOP = 'while true do end';
const ROUTES: Readonly<Record<string, Route>> = {
  'a hook': {
    main: `function validate_insert() ${LOOP} end`,
    wake: (host) => host.db.exclusive(() => host.db.rows.insert('orders', {})).catch((error: unknown) => error),
  },
  'a watch': {
    main: `function on_activate() glyphcase.watch("orders", function() ${LOOP} end) end`,
    wake: (host) => host.run('INSERT INTO orders(status) VALUES (1)'),
  },
  'a listener': {
    main: `function on_activate() glyphcase.on("x", function() ${LOOP} end) end`,
    wake: (host) => host.actions.dispatch('x'),
  },
  'a job': {
    main: `function on_activate() scheduler.every("1s", function() ${LOOP} end) end`,
    wake: (host) => host.clock.advance(1000),
  },
};

describe.each(Object.entries(ROUTES))('a limit that strikes in %s', (name, { main, wake }) => {
  it('five times quarantines it; the way out is enable, or other files', async () => {
    const host = await hostileHost();
    await host.hostile(main, { watches: [], limits: { time: '100ms' } });
    const strike = async (times: number): Promise<void> => {
      for (let round = 0; round < times; round++) {
        const before = failuresOf(host);
        await wake(host);
        // Who has little of the machine hands out what is due in more, shorter turns.
        const isAwaited = (): boolean => state(host) === 'active' && failuresOf(host) === before;
        for (let rest = 0; rest < 3 || (isAwaited() && rest < 100); rest++) await host.rest();
      }
    };
    await strike(4);
    expect(state(host)).toBe('active');
    await strike(1);
    expect(why(host)).toMatch(
      /quarantined.*failed 5 times in a row: .*time limit of 100 ms.*Correct its files.*skill enable hostile/,
    );
    // It is out of service: nothing of it runs.
    const work = workClock();
    await strike(3);
    expect(work()).toBeLessThan(1000);
    await host.unharmed();
    expect((await host.skills.enable('hostile')).state).toBe('active');
    await strike(5);
    expect(state(host)).toBe('quarantined');
    writeSkill(host.dir, 'hostile', '-- mended', EVERYTHING);
    await host.skills.load(`${host.dir}/hostile`);
    expect(host.skills.get('hostile')).toMatchObject({ state: 'active', failures: 0, reasons: [] });
    await host.unharmed();
  });

  it('cannot be made up for by a success in between', async () => {
    const host = await hostileHost();
    // By the host's clock: what the script itself counts is gone with the state that is killed.
    const sometimes = main.replaceAll(LOOP, `if os.time() % 2 == 1 then ${LOOP} end`);
    await host.hostile(sometimes, { watches: [], limits: { time: '100ms' } });
    for (let round = 0; round < 40 && state(host) === 'active'; round++) {
      if (name !== 'a job') await host.clock.advance(1000);
      await wake(host);
      for (let rest = 0; rest < 3; rest++) await host.rest();
    }
    expect(state(host)).toBe('quarantined');
  });
});

describe('a quarantine', () => {
  it('outlives the host, with its reason, until the files change', async () => {
    const [file, dir] = [tempFile(), tempDir()];
    const first = await hostileHost({ file, dir });
    await first.hostile(ROUTES['a listener']?.main ?? '', { limits: { time: '100ms' } });
    for (let round = 0; round < 5; round++) {
      first.actions.dispatch('x');
      for (let rest = 0; rest < 3; rest++) await first.rest();
    }
    first.db.flushDeferred();
    expect(written(first)).toMatchObject({
      state: 'quarantined',
      error: expect.stringContaining('time limit') as string,
    });
    const stored = written(first);
    await first.close();

    const second = await hostileHost({ file, dir, schema: '' });
    expect(state(second)).toBe('quarantined');
    expect(why(second)).toMatch(/was quarantined: .*time limit of 100 ms.*skill enable hostile/);
    second.actions.dispatch('x');
    await second.rest();
    expect(second.skills.logs('hostile')).toEqual([]);
    // For the next one to find, and for `skill list`.
    second.db.flushDeferred();
    expect(written(second)).toEqual(stored);
    await second.close();

    writeSkill(dir, 'hostile', 'function f() return 1 end', EVERYTHING);
    const third = await hostileHost({ file, dir, schema: '' });
    expect(state(third)).toBe('active');
    await third.unharmed();
  });

  it('keeps its place: what it did not handle comes when it is let in again', async () => {
    const host = await hostileHost();
    await host.hostile(
      'function on_data_changed(t, op, row) if not calm then error("no") end log.info("row", row.id) end',
    );
    host.run('INSERT INTO orders(id) VALUES (1), (2)');
    for (let round = 0; round < 40 && state(host) !== 'quarantined'; round++) {
      await host.clock.advance(1000);
      await host.rest();
    }
    host.run('INSERT INTO orders(id) VALUES (3)');
    await host.rest();
    writeSkill(host.dir, 'hostile', 'function on_data_changed(t, op, row) log.info("row", row.id) end', EVERYTHING);
    await host.skills.load(`${host.dir}/hostile`);
    await host.rest();
    expect(host.logged().filter((line) => line.startsWith('row'))).toEqual(['row\t1', 'row\t2', 'row\t3']);
  });
});
