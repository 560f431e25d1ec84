/** `skills.extend`: what a plugin can give to Lua, and what it is told of each Lua state. */
import { describe, expect, it } from 'vitest';
import type { LuaFunction } from '../sdk/lua-types.ts';
import type { LuaExtensionInstance, SkillHandle } from '../sdk/skills-types.ts';
import { loadSkill, may, ORDERS, skillHost } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';

interface Seen {
  readonly handle: SkillHandle;
  readonly kept: LuaFunction[];
  readonly told: string[];
}

/** An extension `later`: `later.keep(fn)` keeps a function, `later.note(text)` tells what became of its transaction. */
function extend(host: SkillHost): { readonly states: Seen[]; readonly of: (id: string) => Seen } {
  const states: Seen[] = [];
  host.skills.extend({
    name: 'later',
    create(handle): LuaExtensionInstance {
      const seen: Seen = { handle, kept: [], told: [] };
      states.push(seen);
      return {
        functions: {
          'later.keep': (fn) => void seen.kept.push(fn as LuaFunction),
          'later.note': (text) =>
            handle.whenSettled({
              committed: () => seen.told.push(`committed ${text as string}`),
              rolledBack: () => seen.told.push(`rolled back ${text as string}`),
            }),
          'later.need': () => {
            throw handle.refusal('use later', '"later": true');
          },
        },
        live: () => void seen.told.push('live'),
        closed: () => void seen.told.push('closed'),
      };
    },
  });
  const of = (id: string): Seen => {
    const last = states.filter(({ handle }) => handle.id === id).at(-1);
    if (last === undefined) throw new Error(`no state of ${id}`);
    return last;
  };
  return { states, of };
}

describe('an extension of the Lua API', () => {
  it('must have a name and a way to make functions', async () => {
    const host = await skillHost();
    expect(() => host.skills.extend({ name: '', create: () => ({ functions: {} }) })).toThrow(/takes \{ name, create/);
    expect(() => host.skills.extend({ name: 'x' } as never)).toThrow(/takes \{ name, create/);
  });

  it('is told when a state takes part, and when it goes', async () => {
    const host = await skillHost();
    const { states } = extend(host);
    await loadSkill(host, 'demo', 'function on_activate() later.note("activation") end');
    expect(states[0]?.told).toEqual(['committed activation', 'live']);
    await host.skills.reload('demo');
    expect(states[0]?.told).toEqual(['committed activation', 'live', 'closed']);
    expect(states[1]?.told).toEqual(['committed activation', 'live']);
    expect([states[0]?.handle.live, states[1]?.handle.live]).toEqual([false, true]);
    await host.skills.disable('demo');
    expect(states[1]?.told.at(-1)).toBe('closed');
  });

  it('never hears "live" of a version that was rolled back', async () => {
    const host = await skillHost();
    const { states } = extend(host);
    await loadSkill(host, 'demo', 'function on_activate() later.note("x") error("no") end');
    expect(states[0]?.told).toEqual(['rolled back x', 'closed']);
  });

  it('runs Lua in a transaction of its own, with what it writes itself', async () => {
    const host = await skillHost({ schema: ORDERS });
    const { of } = extend(host);
    const main = `function on_activate()
      later.keep(function(total) glyphcase.insert("orders", { total = total }) return total * 2 end)
      later.keep(function() glyphcase.insert("orders", { total = 99 }) error("broke") end)
    end`;
    await loadSkill(host, 'demo', main, may('orders'));
    const { handle, kept } = of('demo');
    const [good, bad] = kept as [LuaFunction, LuaFunction];
    const result = await handle.run('later.run', (call) => {
      host.db.run("UPDATE orders SET note = 'mine'");
      const [twice] = call(good, 21);
      host.db.run("UPDATE orders SET note = 'by plugin'");
      return twice;
    });
    expect(result).toBe(42);
    await expect(handle.run('later.run', (call) => call(bad))).rejects.toThrow(
      /skill demo, later\.run: main\.lua:3: broke/,
    );
    expect(host.db.all('SELECT total, note FROM orders')).toEqual([{ total: 21, note: 'by plugin' }]);
  });

  it('runs nothing for a state that is gone', async () => {
    const host = await skillHost();
    const { of } = extend(host);
    await loadSkill(host, 'demo', 'function on_activate() later.keep(function() end) end');
    const { handle, kept } = of('demo');
    await host.skills.disable('demo');
    let ran = false;
    expect(await handle.run('x', () => (ran = true))).toBeUndefined();
    expect(ran).toBe(false);
    expect(kept).toHaveLength(1);
  });

  it('gets a new state by itself when the old one was killed, until that happens too often', async () => {
    const host = await skillHost({ lua: { limits: { time: '50ms' } } });
    const { states, of } = extend(host);
    await loadSkill(host, 'demo', 'function on_activate() later.keep(function() while true do end end) end');
    for (let kill = 1; kill <= 5; kill += 1) {
      const { handle, kept } = of('demo');
      const [loop] = kept as [LuaFunction];
      await expect(handle.run('later.run', (call) => call(loop))).rejects.toMatchObject({ code: 'GC_LUA_TIME' });
      await host.rest();
      if (kill < 5) expect(states).toHaveLength(kill + 1);
    }
    expect(host.skills.get('demo')?.state).toBe('quarantined');
    expect(host.skills.why('demo').join(' ')).toContain('glyphcase skill enable demo');
  });

  it('refuses with the line that the manifest would need', async () => {
    const host = await skillHost();
    extend(host);
    await loadSkill(host, 'demo', 'function try() later.need() end');
    await expect(host.skills.call('demo', 'try')).rejects.toThrow(
      /The skill demo may not use later\. Its manifest\.json would need "permissions": \{ "later": true \}/,
    );
  });

  it('reaches skills that run already, and the host', async () => {
    const host = await skillHost();
    await loadSkill(host, 'demo', 'function has() return later ~= nil end');
    expect(await host.skills.call('demo', 'has')).toBe(false);
    extend(host);
    await host.rest();
    expect(await host.skills.call('demo', 'has')).toBe(true);
    expect(await host.skills.execute('return later ~= nil')).toBe(true);
  });

  it('that fails harms neither the skill nor the others', async () => {
    const host = await skillHost();
    host.skills.extend({
      name: 'broken',
      create() {
        throw new Error('no');
      },
    });
    extend(host);
    const report = await loadSkill(host, 'demo', 'function has() return later ~= nil and broken == nil end');
    expect(report.state).toBe('active');
    expect(await host.skills.call('demo', 'has')).toBe(true);
  });
});
