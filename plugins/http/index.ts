/**
 * The plugin `http`: requests of Lua code to hosts it was granted, through a durable outbox.
 *
 * Invariants: nothing is sent for a transaction that did not commit; an answer is handled in a transaction of its own, once; what is
 * under way when the host stops is sent again by the next, with the same Idempotency-Key; a reload of the plugin lets it go on.
 */
import { randomUUID } from 'node:crypto';
import { handedOn } from '../../sdk/lasting.ts';
import type { Lasting } from '../../sdk/lasting.ts';
import type { LuaService } from '../../sdk/lua-types.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import type { PluginDefinition } from '../../sdk/plugin.ts';
import type { LuaExtensionInstance, SkillHandle, SkillsService } from '../../sdk/skills-types.ts';
import { Client } from './client.ts';
import type { ClientOptions, Lookup } from './client.ts';
import { requestFunction } from './functions.ts';
import { EVERYWHERE, readHosts } from './hosts.ts';
import type { HostList } from './hosts.ts';
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

/** What is kept of one Lua state: its connections, and the functions that wait for answers. */
interface Opened extends State {
  readonly hosts: HostList;
}

interface Running {
  readonly skills: SkillsService;
  readonly lua: LuaService;
  readonly store: OutboxStore;
  readonly outbox: Outbox;
  /** Names this process. */
  readonly owner: string;
  /** The Lua states that are open. */
  readonly opened: WeakMap<SkillHandle, Opened>;
  readonly lasting: Lasting;
}

function begin(lasting: Lasting): Running {
  const lua = lasting.use<LuaService>('lua');
  const store = new OutboxStore(lasting.db, lua);
  const outbox = new Outbox(lasting, store, lua);
  lasting.clock.interval(() => outbox.pump(), LOOK_MS);
  const skills = lasting.use<SkillsService>('skills');
  return { skills, lua, store, outbox, owner: randomUUID(), opened: new WeakMap(), lasting };
}

/** What one Lua state gets. */
function instanceFor(state: Opened, running: Running): LuaExtensionInstance {
  const { skill, callbacks, hosts } = state;
  const { lua, store, outbox, owner, lasting } = running;
  const { db, clock } = lasting;
  const sender: Sender = { skill: skill.id, owner: skill.isHost ? owner : null };
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
    closed() {
      if (!lasting.kept) outbox.detach(sender, state);
    },
  };
}

/** The plugin; the default export is the one to use. */
export function createHttpPlugin({ lookup, client }: HttpPluginOptions = {}): PluginDefinition {
  const connect = client ?? ((options: ClientOptions) => new Client(options));
  const handed = handedOn<unknown, Running>({
    label: 'http requests',
    begin: (lasting) => begin(lasting),
    // With other skills come other Lua states, and callbacks are functions of theirs.
    fits: ({ skills, lua }, ctx) => skills === ctx.use<SkillsService>('skills') && lua === ctx.use<LuaService>('lua'),
    end: ({ outbox }) => outbox.close(),
  });
  return definePlugin({
    name: 'http',
    version: '1.0.0',
    requires: { skills: '^1.0.0', lua: '^1.0.0' },
    // Two instances would send everything twice.
    reload: 'restart',
    snapshot: handed.snapshot,
    activate(ctx) {
      const running = handed.take(ctx);
      const { skills, store, outbox, opened, lasting } = running;
      const create = (skill: SkillHandle): LuaExtensionInstance => {
        const hosts = skill.isHost ? EVERYWHERE : readHosts(skill.permissions.network);
        const state = { skill, hosts, client: connect({ hosts, clock: lasting.clock, lookup }), callbacks: new Map() };
        opened.set(skill, state);
        return instanceFor(state, running);
      };
      const adopt = (skill: SkillHandle): LuaExtensionInstance | undefined => {
        const state = opened.get(skill);
        return state === undefined ? undefined : instanceFor(state, running);
      };
      ctx.defer(skills.extend({ name: 'http', create, adopt }), 'http');
      ctx.on('skill:uninstalling', ({ id }: { readonly id: string }) => store.removeAll(id));
      ctx.on('lease:held', () => outbox.pump());
    },
  });
}

export default createHttpPlugin();
