/** The plugin `skills`: folders of Lua that react to the database, within what they were granted. */
import { definePlugin } from '../../sdk/plugin.ts';
import type { JsonSchema } from '../../sdk/plugin.ts';
import { VERSION } from '../../sdk/version.ts';
import { ActionQueue } from './action-queue.ts';
import { ExtensionRegistry } from './extension-registry.ts';
import { Functions } from './functions.ts';
import { LogBuffer } from './log-buffer.ts';
import { manifestSchema } from './manifest.ts';
import { SkillsManager } from './manager.ts';
import { settleNotes } from './notes.ts';
import type { Actions, SkillsConfig } from './runtime.ts';
import { SkillStore } from './store.ts';
import type { SkillsService } from './types.ts';

const permissions = (manifestSchema()['properties'] as Record<string, JsonSchema>)['permissions'] as JsonSchema;
const { default: _none, ...grants } = permissions;

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
    const { db, clock, log, hooks } = ctx;
    const actions = ctx.use<Actions>('actions');
    const manager = new SkillsManager({
      ctx,
      lua: ctx.use('lua'),
      capsule: ctx.use('capsule'),
      actions,
      actionQueue: new ActionQueue(db, actions),
      lease: ctx.use('lease'),
      store: new SkillStore(db),
      functions: new Functions((name) => manager.functionCame(name)),
      extensions: new ExtensionRegistry(log, () => manager.extensionsChanged()),
      logs: new LogBuffer({ db, clock, logger: log }),
      version: VERSION,
    });
    hooks.begin.tap('skills', () => db.access.settle());
    hooks.committed.tap('skills', (transaction) => {
      settleNotes(transaction, 'committed');
      manager.lookAtSchema();
    });
    hooks.rolledBack.tap('skills', (transaction) => settleNotes(transaction, 'rolledBack'));
    ctx.on('capsule:end', () => manager.lookAtSchema());
    ctx.on('capsule:schema', () => manager.lookAtSchema());
    ctx.defer(() => manager.close(), 'skills');
    ctx.provide<SkillsService>('skills', manager);
    manager.start();
  },
});
