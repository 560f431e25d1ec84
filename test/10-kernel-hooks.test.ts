import { SyncHook } from 'tapable';
import { describe, expect, it, vi } from 'vitest';
import type { Transaction } from '../kernel/database/types.ts';
import { createHooks } from '../kernel/hooks.ts';
import type { TapPlace } from '../kernel/hooks.ts';
import { settle, thrownBy } from './10-kernel-support.ts';

const transaction = { source: 'host' } as Transaction;

function setup() {
  const errors: [string, TapPlace][] = [];
  const hooks = createHooks({ onError: (error, place) => errors.push([String(error), place]) });
  return { hooks, errors };
}

/** What a plugin in plain JavaScript may pass, though the types forbid it. */
const asTap = (fn: () => unknown): (() => void) => fn;

const fail = (message: string) => (): never => {
  throw new Error(message);
};

describe('what the hooks rely on in tapable', () => {
  it('has taps, _resetCompilation and _x, and compiles the call from them', () => {
    const hook = new SyncHook<[]>([]) as SyncHook<[]> & { _resetCompilation(): void; _x: unknown };
    const seen: string[] = [];
    hook.tap('a', () => void seen.push('a'));
    hook.tap('b', () => void seen.push('b'));
    hook.call();
    expect(hook._x).toHaveLength(2);
    hook.taps = hook.taps.filter(({ name }) => name !== 'a');
    expect(typeof hook._resetCompilation).toBe('function');
    hook._resetCompilation();
    hook._x = undefined;
    hook.call();
    expect(seen).toEqual(['a', 'b', 'b']);
  });
});

describe('a hook', () => {
  it('refuses a tap that is not a function, and a tap without a name', async () => {
    const { hooks } = setup();
    expect(await thrownBy(() => hooks.boot.tap('a', 'no' as never))).toMatchObject({
      code: 'GC_BAD_ARGUMENT',
      message: expect.stringContaining('boot'),
    });
    expect(await thrownBy(() => hooks.boot.tap(' ', () => {}))).toMatchObject({ code: 'GC_BAD_ARGUMENT' });
  });

  it('calls taps by stage, then in the order of registration', () => {
    const { hooks } = setup();
    const seen: string[] = [];
    hooks.boot.tap('late', () => void seen.push('late'), { stage: 10 });
    hooks.boot.tap('a', () => void seen.push('a'));
    hooks.boot.tap('b', () => void seen.push('b'));
    hooks.boot.tap('early', () => void seen.push('early'), { stage: -10 });
    hooks.boot.call();
    expect(seen).toEqual(['early', 'a', 'b', 'late']);
  });

  it('never calls a tap again after it was taken back, and knows whether and by whom it is used', () => {
    const { hooks } = setup();
    let calls = 0;
    const off = hooks.begin.tap('a', () => {
      calls++;
    });
    hooks.begin.tap('b', () => {});
    hooks.begin.call(transaction);
    expect([hooks.begin.used, hooks.begin.count(), hooks.begin.count('a')]).toEqual([true, 2, 1]);
    off();
    off();
    hooks.begin.call(transaction);
    expect([calls, hooks.begin.count(), hooks.begin.count('a')]).toEqual([1, 1, 0]);
  });

  it('does not call a tap that an earlier tap of the same call takes back', () => {
    const { hooks } = setup();
    const seen: string[] = [];
    hooks.begin.tap('first', () => {
      seen.push('first');
      off();
    });
    const off = hooks.begin.tap('second', () => void seen.push('second'));
    hooks.begin.tap('third', () => void seen.push('third'));
    hooks.begin.call(transaction);
    hooks.begin.call(transaction);
    expect(seen).toEqual(['first', 'third', 'first', 'third']);
  });

  it('lets go of the function it took back, even when it is never called again', async () => {
    // Collecting garbage on demand needs a flag; a process of its own has it without flagging the test run.
    const { execFileSync } = await import('node:child_process');
    const script = `
      import { createHooks } from ${JSON.stringify(new URL('../kernel/hooks.ts', import.meta.url).href)};
      const hooks = createHooks();
      let off;
      const ref = (() => { const fn = () => {}; off = hooks.begin.tap('a', fn); return new WeakRef(fn); })();
      hooks.begin.call({});
      off();
      await new Promise((resolve) => setTimeout(resolve, 10));
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
      globalThis.gc();
      console.log(ref.deref() === undefined ? 'collected' : 'retained');`;
    const out = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(out.trim()).toBe('collected');
  });
});

describe('hooks that decide', () => {
  it('let an error through to the caller: begin and preCommit veto', () => {
    const { hooks, errors } = setup();
    const seen: string[] = [];
    hooks.preCommit.tap('a', fail('not now'));
    hooks.preCommit.tap('b', () => void seen.push('b'));
    hooks.begin.tap('a', fail('never'));
    expect(() => hooks.preCommit.call(transaction)).toThrow('not now');
    expect(() => hooks.begin.call(transaction)).toThrow('never');
    expect([seen, errors]).toEqual([[], []]);
  });

  it('refuse a promise, naming the tap', async () => {
    const { hooks } = setup();
    hooks.preCommit.tap(
      'metrics',
      asTap(async () => {
        throw new Error('late');
      }),
    );
    const error = await thrownBy(() => hooks.preCommit.call(transaction));
    expect(error).toMatchObject({ code: 'GC_BAD_ARGUMENT', message: expect.stringMatching(/metrics.*preCommit/) });
  });

  it('pass data along, leaving it alone where a tap returns nothing', () => {
    const { hooks } = setup();
    hooks.beforeInsert.tap('a', (data) => ({ ...data, a: 1 }));
    hooks.beforeInsert.tap('b', () => undefined as never);
    hooks.beforeInsert.tap('c', (data, target) => ({ ...data, table: target.table }));
    expect(hooks.beforeInsert.call({}, { table: 't' })).toEqual({ a: 1, table: 't' });
  });

  it('stop at the first refusal', () => {
    const { hooks } = setup();
    hooks.validateInsert.tap('a', () => undefined);
    hooks.validateInsert.tap('b', () => 'too small');
    hooks.validateInsert.tap('c', fail('not reached'));
    expect(hooks.validateInsert.call({ table: 't' }, {})).toBe('too small');
  });
});

describe('hooks that notify', () => {
  it('isolate taps: one that throws or rejects is reported, the others run', async () => {
    const { hooks, errors } = setup();
    const seen: string[] = [];
    for (const name of ['committed', 'rolledBack'] as const) {
      hooks[name].tap('sync', fail(name));
      hooks[name].tap(
        'async',
        asTap(async () => fail(`${name} later`)()),
      );
      hooks[name].tap('ok', () => void seen.push(name));
      hooks[name].call(transaction);
    }
    hooks.rawCommit.tap('raw', fail('raw'));
    hooks.rawCommit.call();
    await settle();
    expect(seen).toEqual(['committed', 'rolledBack']);
    expect(errors.map(([error, { hook, tap }]) => `${hook} ${tap}: ${error}`).sort()).toEqual([
      'committed async: Error: committed later',
      'committed sync: Error: committed',
      'rawCommit raw: Error: raw',
      'rolledBack async: Error: rolledBack later',
      'rolledBack sync: Error: rolledBack',
    ]);
  });

  it('become process warnings when nobody listens to their errors', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const hooks = createHooks();
    hooks.boot.tap('metrics', fail('boom'));
    hooks.boot.call();
    expect(warn).toHaveBeenCalledWith(expect.stringMatching(/metrics.*boot.*boom/), 'GlyphCaseWarning');
    warn.mockRestore();
  });
});
