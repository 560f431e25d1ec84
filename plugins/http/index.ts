/**
 * The plugin `http`: requests of Lua code to hosts it was granted, through a durable outbox.
 *
 * Invariants: nothing is sent for a transaction that did not commit; an answer is handled in a transaction of its own, once; what is
 * under way when the host stops is sent again by the next, with the same Idempotency-Key.
 */
import { randomUUID } from 'node:crypto';
import type { LuaFunction, LuaService } from '../../sdk/lua-types.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import type { PluginContext, PluginDefinition } from '../../sdk/plugin.ts';
import type { LuaExtensionInstance, SkillHandle, SkillsService } from '../../sdk/skills-types.ts';
import { Client } from './client.ts';
import type { ClientOptions, Lookup } from './client.ts';
import { requestFunction } from './functions.ts';
import { EVERYWHERE, readHosts } from './hosts.ts';
import type { State } from './line.ts';
import { Outbox } from './outbox.ts';
import { OutboxStore } from './store.ts';
import type { Sender } from './store.ts';

/** How often the outbox is looked at for what others put in and for what is to be tried again. */
const LOOK_MS = 250;
/** Requests of another process's own scripts are taken over when they have waited so long. */
const ABANDONED_MS = 600_000;

export interface HttpPluginOptions {
  /** For tests: how names are resolved. */
  readonly lookup?: Lookup;
  /** For tests: who answers in place of the network. */
  readonly client?: (options: ClientOptions) => Client;
}

interface Tools {
  readonly ctx: PluginContext;
  readonly lua: LuaService;
  readonly store: OutboxStore;
  readonly outbox: Outbox;
  /** Names this process. */
  readonly owner: string;
  readonly connect: (options: ClientOptions) => Client;
  readonly lookup: Lookup | undefined;
}

/** What one Lua state gets. */
function open(skill: SkillHandle, { ctx, lua, store, outbox, owner, connect, lookup }: Tools): LuaExtensionInstance {
  const { db, clock } = ctx;
  const hosts = skill.isHost ? EVERYWHERE : readHosts(skill.permissions.network);
  const sender: Sender = { skill: skill.id, owner: skill.isHost ? owner : null };
  const callbacks = new Map<string, LuaFunction>();
  const state: State = { skill, client: connect({ hosts, clock, lookup }), callbacks };
  return {
    functions: {
      'http.request': requestFunction({
        skill,
        sender,
        hosts,
        store,
        lua,
        clock,
        callbacks,
        // When the transaction is over for everybody: a new version of the skill may have taken over in it.
        asked: () => queueMicrotask(() => outbox.pump()),
      }),
    },
    live() {
      for (const text of hosts.unreadable) {
        skill.log(
          'warn',
          `permissions.network: "${text}" names no host; write api.example.com, *.example.com or 10.0.0.5:8080`,
        );
      }
      if (skill.isHost && store.othersAsked(sender))
        db.deferWrite(() => store.adopt(sender, clock.now() - ABANDONED_MS));
      outbox.attach(sender, state);
    },
    closed: () => outbox.detach(sender, state),
  };
}

/** The plugin; the default export is the one to use. */
export function createHttpPlugin({ lookup, client }: HttpPluginOptions = {}): PluginDefinition {
  const connect = client ?? ((options: ClientOptions) => new Client(options));
  return definePlugin({
    name: 'http',
    version: '1.0.0',
    requires: { skills: '^1.0.0', lua: '^1.0.0' },
    // Two instances would send everything twice.
    reload: 'restart',
    activate(ctx) {
      const lua = ctx.use<LuaService>('lua');
      const store = new OutboxStore(ctx.db, lua);
      const outbox = new Outbox(ctx, store, lua);
      const tools: Tools = { ctx, lua, store, outbox, owner: randomUUID(), connect, lookup };
      ctx.defer(() => outbox.close(), 'http requests');
      const create = (skill: SkillHandle): LuaExtensionInstance => open(skill, tools);
      ctx.defer(ctx.use<SkillsService>('skills').extend({ name: 'http', create }), 'http');
      ctx.on('skill:uninstalling', ({ id }: { readonly id: string }) => store.removeAll(id));
      ctx.on('lease:held', () => outbox.pump());
      ctx.every(LOOK_MS, () => outbox.pump());
    },
  });
}

export default createHttpPlugin();
