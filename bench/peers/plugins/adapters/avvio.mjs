/**
 * avvio, the boot of Fastify: it has neither services nor events, and nothing is taken away before the whole application is
 * closed, so a round is an application with one plugin.
 */
import { EventEmitter } from 'node:events';
import avvio from 'avvio';

/** @type {import('./types.d.ts').Adapter} */
export const adapter = {
  async cycle() {
    const events = new EventEmitter();
    return async () => {
      const app = avvio({}, { autostart: false });
      app.use(async (server) => {
        const listener = () => undefined;
        server.busy = {};
        events.on('tick', listener);
        app.onClose(() => void events.off('tick', listener));
      });
      app.start();
      await app.ready();
      await app.close();
      if (events.listenerCount('tick') > 0) throw new Error('the plugin was not closed');
    };
  },
};
