/**
 * The plugin `skills`: folders of Lua that react to the database, within what they were granted.
 *
 * Invariant: a reload, of this plugin or of what it requires, hands the skills on as they run, Lua states included; they are
 * stopped and started again when the options, or the services they stand on, are others.
 */
import { isDeepStrictEqual } from 'node:util';
import { handedOn } from '../../sdk/lasting.ts';
import type { Lasting } from '../../sdk/lasting.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import type { JsonSchema, PluginContext } from '../../sdk/plugin.ts';
import type { CapsuleService } from '../../sdk/capsule-types.ts';
import type { LuaService } from '../../sdk/lua-types.ts';
import { VERSION } from '../../sdk/version.ts';
import { ActionQueue } from './action-queue.ts';
import { ExtensionRegistry } from './extension-registry.ts';
import { Functions } from './functions.ts';
import { LogBuffer } from './log-buffer.ts';
import { manifestSchema } from './manifest.ts';
import { SkillsManager } from './manager.ts';
import { settleNotes } from './notes.ts';
import type { Actions, Lease, SkillsConfig } from './runtime.ts';
import { SkillStore } from './store.ts';
import type { SkillsService } from './types.ts';

const permissions = (manifestSchema()['properties'] as Record<string, JsonSchema>)['permissions'] as JsonSchema;
const { default: _none, ...grants } = permissions;

/** What the skills stand on. An object that is the same after a reload has kept what was registered with it. */
const servicesOf = ({ use }: Pick<PluginContext<SkillsConfig>, 'use'>) => ({
  lua: use<LuaService>('lua'),
  capsule: use<CapsuleService>('capsule'),
  actions: use<Actions>('actions'),
  lease: use<Lease>('lease'),
});

interface Running {
  readonly manager: SkillsManager;
  readonly services: ReturnType<typeof servicesOf>;
  readonly config: SkillsConfig;
}

const handed = handedOn<SkillsConfig, Running>({
  label: 'skills',
  begin: (lasting) => begin(lasting),
  fits: ({ services, config }, ctx) =>
    isDeepStrictEqual(config, ctx.config) &&
    Object.entries(servicesOf(ctx)).every(([name, service]) => services[name as keyof typeof services] === service),
  end: ({ manager }) => manager.close(),
});

function begin(lasting: Lasting<SkillsConfig>): Running {
  const { db, clock, log, config } = lasting;
  const services = servicesOf(lasting);
  const manager = new SkillsManager({
    ctx: lasting,
    ...services,
    actionQueue: new ActionQueue(db, services.actions),
    store: new SkillStore(db),
    functions: new Functions((name) => manager.functionCame(name)),
    extensions: new ExtensionRegistry(log, () => manager.extensionsChanged()),
    logs: new LogBuffer({ db, clock, logger: log }),
    version: VERSION,
  });
  manager.start();
  return { manager, services, config };
}

function activate(ctx: PluginContext<SkillsConfig>): void {
  const { db, hooks } = ctx;
  const { manager } = handed.take(ctx);
  hooks.begin.tap('skills', () => db.access.settle());
  hooks.shutdown.tap('skills', () => manager.rest());
  hooks.committed.tap('skills', (transaction) => {
    settleNotes(transaction, 'committed');
    manager.lookAtSchema();
  });
  hooks.rolledBack.tap('skills', (transaction) => settleNotes(transaction, 'rolledBack'));
  ctx.on('capsule:end', () => manager.lookAtSchema());
  ctx.on('capsule:schema', () => manager.lookAtSchema());
  ctx.provide<SkillsService>('skills', manager);
  manager.takeOver();
}

export default definePlugin<SkillsConfig>({
  name: 'skills',
  version: '1.0.0',
  requires: { capsule: '^1.0.0', lua: '^1.0.0', actions: '^1.0.0', lease: '^1.0.0' },
  optional: { live: '^1.0.0' },
  provides: { skills: '1.0.0' },
  // Two instances would run every skill twice.
  reload: 'restart',
  config: {
    type: 'object',
    properties: {
      dirs: { type: 'array', items: { type: 'string', minLength: 1 }, default: [] },
      watch: { type: 'boolean', default: false },
      grants,
      confirm: { type: 'boolean', default: false },
      configs: { type: 'object', default: {} },
    },
  },
  activate(ctx) {
    const cleared = handed.clear(ctx);
    if (cleared === undefined) {
      activate(ctx);
      return undefined;
    }
    return cleared.then(() => activate(ctx));
  },
  snapshot: handed.snapshot,
});
