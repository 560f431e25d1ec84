/** cordis as npm has it: services and events of a context. It leaves files to import(); version 4, with its hot reload, is not on npm. */
import { Context } from 'cordis';

const newApp = async () => {
  const app = new Context();
  await app.start();
  return app;
};

/** @type {import('./types.d.ts').Adapter} */
export const adapter = {
  async calls(add) {
    const app = await newApp();
    let user;
    app.plugin({ name: 'adder', apply: (ctx) => void ctx.set('adder', { add }) });
    app.plugin({
      name: 'user',
      inject: ['adder'],
      apply(ctx) {
        user = ctx;
        for (let index = 0; index < 5; index += 1) ctx.on('tick', (value) => void add(value + index));
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const adder = user.adder;
    return {
      through: (value) => void user.adder.add(value),
      kept: (value) => void adder.add(value),
      emit: (value) => void user.emit('tick', value),
      isolates() {
        let heard = false;
        user.on('isolates', () => {
          throw new Error('thrown on purpose');
        });
        user.on('isolates', () => (heard = true));
        try {
          user.emit('isolates', 1);
        } catch {
          // What a listener throws reaches whoever emits.
        }
        return heard;
      },
    };
  },

  async cycle() {
    const app = await newApp();
    const busy = {
      name: 'busy',
      apply(ctx) {
        ctx.set('busy', {});
        ctx.on('tick', () => undefined);
      },
    };
    return () => {
      const fork = app.plugin(busy);
      if (app.get('busy') === undefined) throw new Error('the plugin was not started');
      fork.dispose();
    };
  },
};
