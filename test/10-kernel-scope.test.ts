import { describe, expect, it } from 'vitest';
import { createScope } from '../kernel/plugins/scope.ts';
import { fakeClock, memoryLogger, settle, thrownBy } from './10-kernel-support.ts';

function setup(disposeLimit = 2_000) {
  const clock = fakeClock();
  const logger = memoryLogger();
  return { clock, logger, scope: createScope('root', { clock, logger, disposeLimit, plugin: 'p' }) };
}

describe('a scope', () => {
  it('refuses to defer what is not a function', async () => {
    const { scope } = setup();
    const error = await thrownBy(() => scope.defer(42 as never));
    expect(error).toMatchObject({ code: 'GC_BAD_ARGUMENT', message: expect.stringContaining('root') });
  });

  it('closes children first, then its own, each last registered first', async () => {
    const { scope } = setup();
    const order: string[] = [];
    scope.defer(() => void order.push('own 1'));
    const child = scope.child('a');
    child.defer(() => void order.push('a 1'));
    child.defer(() => void order.push('a 2'));
    child.child('inner').defer(() => void order.push('inner'));
    scope.child('b').defer(() => void order.push('b'));
    scope.defer(() => void order.push('own 2'));
    expect(await scope.close()).toEqual([]);
    expect(order).toEqual(['b', 'inner', 'a 2', 'a 1', 'own 2', 'own 1']);
  });

  it('undoes synchronously what can be undone synchronously', () => {
    const { scope } = setup();
    const order: string[] = [];
    scope.child('child').defer(() => void order.push('child'));
    scope.defer(() => void order.push('own'));
    void scope.close();
    expect(order).toEqual(['child', 'own']);
  });

  it('waits for one asynchronous disposer before it runs the next', async () => {
    const { scope } = setup();
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    scope.defer(() => void order.push('first registered'));
    scope.defer(async () => {
      order.push('begin');
      await gate.promise;
      order.push('end');
    });
    const closing = scope.close();
    await settle();
    expect(order).toEqual(['begin']);
    gate.resolve();
    await closing;
    expect(order).toEqual(['begin', 'end', 'first registered']);
  });

  it('collects the errors of disposers and still runs the others', async () => {
    const { scope } = setup();
    const ran: string[] = [];
    scope.defer(() => void ran.push('last'));
    scope.defer(() => Promise.reject(new Error('rejected')), 'socket');
    scope.child('child').defer(() => {
      throw new Error('thrown');
    }, 'file');
    const errors = await scope.close();
    expect(errors.map(({ message }) => message)).toEqual([
      "root › child: disposing 'file' failed: thrown",
      "root: disposing 'socket' failed: rejected",
    ]);
    expect(errors[0]).toMatchObject({ code: 'GC_PLUGIN_FAILED', plugin: 'p', phase: 'dispose' });
    expect(ran).toEqual(['last']);
  });

  it('gives up a disposer that hangs, by name, and goes on', async () => {
    const { scope, clock } = setup(2_000);
    const ran: string[] = [];
    scope.defer(() => void ran.push('next'));
    scope.defer(() => new Promise<void>(() => {}), 'server');
    const closing = scope.close();
    await clock.advance(1_999);
    expect(ran).toEqual([]);
    await clock.advance(1);
    const [error] = await closing;
    expect(error).toMatchObject({
      code: 'GC_PLUGIN_TIMEOUT',
      message: "root: disposing 'server' did not finish within 2 s",
    });
    expect(ran).toEqual(['next']);
  });

  it('runs a disposer once, whoever asks first', async () => {
    const { scope } = setup();
    let runs = 0;
    const dispose = scope.defer(() => {
      runs++;
    });
    dispose();
    dispose();
    await scope.close();
    await scope.close();
    expect(runs).toBe(1);
  });

  it('waits, when it closes, for a disposer that was started before', async () => {
    const { scope } = setup();
    const gate = Promise.withResolvers<void>();
    scope.defer(() => gate.promise, 'slow')();
    let closed = false;
    const closing = scope.close().then(() => (closed = true));
    await settle();
    expect(closed).toBe(false);
    gate.resolve();
    await closing;
  });

  it('reports the error of a disposer that is run by hand to the log', async () => {
    const { scope, logger } = setup();
    scope.defer(() => {
      throw new Error('no');
    }, 'thing')();
    expect(logger.lines).toMatchObject([{ level: 'warn', message: "root: disposing 'thing' failed: no" }]);
  });

  it('owns nothing after it has closed', async () => {
    const { scope } = setup();
    scope.defer(() => {}, 'one');
    scope.child('child').defer(() => Promise.reject(new Error('x')), 'two');
    expect(scope.inspect()).toEqual({
      label: 'root',
      owned: ['one'],
      children: [{ label: 'child', owned: ['two'], children: [] }],
    });
    await scope.close();
    expect(scope.inspect()).toEqual({ label: 'root', owned: [], children: [] });
  });

  it('disposes late additions at once, with a warning', async () => {
    const { scope, logger } = setup();
    await scope.close();
    let runs = 0;
    scope.defer(() => {
      runs++;
    }, 'late');
    scope.child('late child').defer(() => {
      runs++;
    }, 'later');
    expect(runs).toBe(2);
    expect(logger.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      "warn: root is closed; 'late' was disposed at once",
      "warn: root › late child is closed; 'later' was disposed at once",
    ]);
    expect(scope.inspect().owned).toEqual([]);
  });

  it('disposes what a disposer defers while the scope is closing', async () => {
    const { scope } = setup();
    let runs = 0;
    scope.defer(
      () =>
        void scope.defer(() => {
          runs++;
        }),
    );
    await scope.close();
    expect([runs, scope.inspect().owned]).toEqual([1, []]);
  });

  it('aborts its signal when it begins to close, and has an aborted one afterwards', async () => {
    const { scope } = setup();
    const seen: boolean[] = [];
    const { signal } = scope;
    scope.defer(() => void seen.push(signal.aborted));
    expect(signal.aborted).toBe(false);
    await scope.close();
    expect(seen).toEqual([true]);
    expect(signal.reason).toMatchObject({ code: 'GC_SCOPE_CLOSED' });
    const other = setup().scope;
    await other.close();
    expect(other.signal.aborted).toBe(true);
  });

  it('forgets a child that closed by itself', async () => {
    const { scope } = setup();
    await scope.child('short-lived').close();
    expect(scope.inspect().children).toEqual([]);
  });

  it('leaves no timer behind', async () => {
    const { scope, clock } = setup();
    scope.defer(async () => {});
    await scope.close();
    expect(clock.pending).toBe(0);
  });
});
