/** Hosts with everything that a skill can reach, beside a neighbour that must never notice what a hostile skill does. */
import { expect } from 'vitest';
import { createSchedulerPlugin } from '../plugins/scheduler/index.ts';
import { ORDERS, writeSkill } from './60-skills-support.ts';
import type { ManifestText, SkillHost, SkillHostOptions } from './60-skills-support.ts';
import { fullHost } from './63-support.ts';
import { wallClock } from './62-scheduler-support.ts';
import type { WallClock } from './62-scheduler-support.ts';

/** What the hostile skill of a test may do: enough to reach everything. */
export const EVERYTHING = {
  watches: ['orders'],
  permissions: {
    database: { read: ['orders'], write: ['orders'] },
    actions: { dispatch: ['*'], listen: ['*'] },
    network: ['localhost'],
    schedule: true,
    hooks: ['orders'],
  },
};

export const LIMIT_MS = 200;

export interface HostileHostOptions extends SkillHostOptions {
  readonly limitMs?: number;
}

export interface HostileHost extends SkillHost {
  readonly clock: WallClock;
  /** Loads a skill that may do everything a manifest can ask for. */
  hostile(main: string, manifest?: ManifestText, files?: Readonly<Record<string, string>>): Promise<string>;
  /** The host is alive, the database consistent, the neighbour well, and nothing of the host changed. */
  unharmed(): Promise<void>;
}

/** @param limitMs the time limit of the hostile skill. Its neighbour has all the time that a machine with other work to do needs. */
export async function hostileHost({ limitMs = LIMIT_MS, ...options }: HostileHostOptions = {}): Promise<HostileHost> {
  const clock = wallClock();
  const plain = await fullHost({
    schema: ORDERS,
    lua: { limits: { time: '20s', memory: '16MB' } },
    ...options,
    clock,
    plugins: [createSchedulerPlugin(() => 0)],
  });
  // A fresh object each time, so that what pollutes a prototype shows.
  await plain.skills.load(writeSkill(plain.dir, 'neighbour', NEIGHBOUR, { watches: ['orders'], ...NEIGHBOUR_MAY }));
  let asked = 0;
  let first = Number.MIN_SAFE_INTEGER;
  return {
    ...plain,
    clock,
    async hostile(main, manifest = {}, files = {}) {
      const limits = { time: `${limitMs}ms` };
      const whole = typeof manifest === 'string' ? manifest : { limits, ...EVERYTHING, ...manifest };
      const { state } = await plain.skills.load(writeSkill(plain.dir, 'hostile', main, whole, files));
      return state;
    },
    async unharmed() {
      expect(plain.db.sqlite.inTransaction).toBe(false);
      expect(plain.db.value('PRAGMA integrity_check')).toBe('ok');
      asked += 1;
      expect(await plain.skills.call('neighbour', 'answer', asked)).toBe(asked + 1);
      // By raw SQL, which no hook of the hostile skill can refuse.
      plain.run(`INSERT INTO orders(id, status) VALUES (${(first += 1)}, 'probe')`);
      await plain.rest();
      expect(plain.db.value(`SELECT count(*) FROM seen WHERE id = ${first}`)).toBe(1);
      expect(plain.skills.get('neighbour')).toMatchObject({ state: 'active', failures: 0 });
      expect(pollution()).toEqual([]);
    },
  };
}

const NEIGHBOUR = `
  function on_install() glyphcase.execute("CREATE TABLE seen(id INTEGER, status TEXT)") end
  function on_data_changed(t, op, row) glyphcase.insert("seen", { id = row.id, status = row.status }) end
  function answer(n) return n + 1 end`;
const NEIGHBOUR_MAY = { permissions: { database: { read: ['orders'] } } };

const BUILT_IN: readonly object[] = [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  String.prototype,
  Error.prototype,
  Map.prototype,
  Uint8Array.prototype,
  globalThis,
];
const keysOf = (object: object): string => Reflect.ownKeys(object).map(String).sort().join();
const CLEAN = BUILT_IN.map(keysOf);

/** What has appeared in, or gone from, JavaScript's own objects. */
function pollution(): readonly string[] {
  return BUILT_IN.flatMap((object, index) => (keysOf(object) === CLEAN[index] ? [] : [keysOf(object)]));
}

export { timeOf, workClock } from './support.ts';
