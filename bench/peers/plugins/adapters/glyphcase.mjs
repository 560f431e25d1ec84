/** GlyphCase, from the sources around this folder, with its database in memory. */
import { dirname } from 'node:path';
import { GlyphCase } from '../../../../sdk/index.ts';
import { definePlugin } from '../../../../sdk/plugin.ts';

/** @type {import('./types.d.ts').Adapter} */
export const adapter = {
  async calls(add) {
    const db = new GlyphCase(':memory:');
    await db.ready;
    let user;
    db.plugins.load(
      definePlugin({
        name: 'adder',
        version: '1.0.0',
        provides: { adder: '1.0.0' },
        activate: (ctx) => ctx.provide('adder', { add }),
      }),
    );
    db.plugins.load(
      definePlugin({
        name: 'user',
        version: '1.0.0',
        requires: { adder: '^1.0.0' },
        activate(ctx) {
          user = ctx;
          for (let index = 0; index < 5; index += 1) ctx.on('tick', (value) => void add(value + index));
        },
      }),
    );
    const adder = user.use('adder');
    return {
      through: (value) => void user.use('adder').add(value),
      kept: (value) => void adder.add(value),
      emit: (value) => void user.emit('tick', value),
      isolates() {
        let heard = false;
        user.on('isolates', () => {
          throw new Error('thrown on purpose');
        });
        user.on('isolates', () => (heard = true));
        user.emit('isolates', 1);
        return heard;
      },
    };
  },

  async cycle() {
    const db = new GlyphCase(':memory:');
    await db.ready;
    const busy = definePlugin({
      name: 'busy',
      version: '1.0.0',
      provides: { busy: '1.0.0' },
      activate(ctx) {
        ctx.provide('busy', {});
        ctx.on('tick', () => undefined);
      },
    });
    return () => {
      db.plugins.load(busy);
      return db.plugins.unload('busy');
    };
  },

  entry: (name) => `import { definePlugin } from 'glyphcase/sdk';
import { version, total } from './dep.ts';
interface Options { readonly table?: string }
export default definePlugin<Options>({ name: '${name}', version, activate(ctx) {
  let count = 0;
  ctx.on('bench:tick', (value: number) => { count = total([count, value]); });
  globalThis.benchActive(version);
} });
`,

  async load(folders) {
    const [first] = folders;
    const db = new GlyphCase(':memory:', { plugins: first === undefined ? [] : [{ dir: dirname(first) }] });
    await db.ready;
  },

  async follow(folder) {
    const db = new GlyphCase(':memory:', { plugins: [{ path: folder, debounce: 0 }] });
    await db.ready;
  },
};
