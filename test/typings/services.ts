/** Services: those of the built-in plugins, those that a plugin declares, and those that nobody has. Compiled, never run. */
import { definePlugin } from 'glyphcase/sdk';
import type {
  ActionsService,
  BatchingService,
  CapsuleService,
  Events,
  LeaseService,
  LiveService,
  LuaService,
  SchedulerService,
  Services,
  SkillsService,
} from 'glyphcase/sdk';
import { same } from './expect.ts';

interface Gauge {
  set(value: number): void;
}
interface Mailer {
  send(text: string): void;
}

declare module 'glyphcase/sdk' {
  interface Services {
    'typings-gauge': Gauge;
  }
  interface Events {
    'typings:tick': { readonly n: number };
    [family: `typings:gauge:${string}`]: number;
  }
}

export const builtIn = definePlugin({
  name: 'built-in',
  version: '1.0.0',
  requires: { actions: '^1.0.0' },
  activate(ctx) {
    same<Services['actions'], ActionsService>(true);
    same<Services['batching'], BatchingService>(true);
    same<Services['capsule'], CapsuleService>(true);
    same<Services['lease'], LeaseService>(true);
    same<Services['live'], LiveService>(true);
    same<Services['lua'], LuaService>(true);
    same<Services['scheduler'], SchedulerService>(true);
    same<Services['skills'], SkillsService>(true);
    const actions = ctx.use('actions');
    same<typeof actions, ActionsService>(true);
    ctx.onService('capsule', (capsule) => same<typeof capsule, CapsuleService>(true));
    ctx.onService('live', () => () => undefined);
    ctx.defer(ctx.use('skills').extend({ name: 'x', create: () => ({ functions: {} }) }));

    // @ts-expect-error There is no such member.
    ctx.use('capsule').observe('orders');
    // @ts-expect-error The capsule is no mailer.
    ctx.onService('capsule', (mailer: Mailer) => mailer.send('x'));
    // @ts-expect-error What is returned takes nothing back.
    ctx.onService('capsule', () => 5);
    // @ts-expect-error This is not what the capsule offers.
    ctx.provide('capsule', { watch: () => undefined });
    // @ts-expect-error The name is a text.
    ctx.use(5);
  },
});

export const declared = definePlugin({
  name: 'declared',
  version: '1.0.0',
  provides: { 'typings-gauge': '1.0.0' },
  activate(ctx) {
    ctx.provide('typings-gauge', { set: (value) => same<typeof value, number>(true) });
    ctx.provide<Gauge>('typings-gauge', { set: () => undefined });
    ctx.use('typings-gauge').set(1);
    ctx.onService('typings-gauge', (gauge) => gauge.set(1));
    // @ts-expect-error A gauge is set to a number.
    ctx.use('typings-gauge').set('1');
    // @ts-expect-error A gauge has `set`.
    ctx.provide('typings-gauge', {});

    same<Events['typings:tick'], { readonly n: number }>(true);
    ctx.on('typings:tick', ({ n }) => same<typeof n, number>(true));
    ctx.emit('typings:tick', { n: 1 });
    ctx.on('typings:gauge:queue', (value) => same<typeof value, number>(true));
    // @ts-expect-error A tick counts.
    ctx.emit('typings:tick', { n: 'one' });
    // @ts-expect-error A gauge is a number.
    ctx.emit('typings:gauge:queue', 'full');
  },
});

export const undeclared = definePlugin({
  name: 'undeclared',
  version: '1.0.0',
  optional: { mailer: '^2.0.0' },
  activate(ctx) {
    ctx.use<Mailer>('mailer').send('hello');
    ctx.onService<Mailer>('mailer', (mailer) => mailer.send('hello'));
    ctx.onService('mailer', (mailer: Mailer) => mailer.send('hello'));
    ctx.onService('mailer', (mailer) => same<typeof mailer, unknown>(true));
    ctx.provide<Mailer>('other-mailer', { send: () => undefined });
    ctx.provide('third-mailer', { send: () => undefined });
    const mailer = ctx.use('mailer');
    same<typeof mailer, unknown>(true);
    // @ts-expect-error What is unknown has no members.
    ctx.use('mailer').send('hello');
    // @ts-expect-error A mailer sends.
    ctx.provide<Mailer>('other-mailer', {});
  },
});
