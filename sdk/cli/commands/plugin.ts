/** `glyphcase plugin`: everything about plugins. */
import type { Command } from 'commander';
import { addPluginCheck } from './plugin-check.ts';
import { addPluginList } from './plugin-list.ts';
import { addPluginNew } from './plugin-new.ts';

export function addPlugin(program: Command): void {
  const plugin = program
    .command('plugin')
    .summary('make, check and list plugins')
    .description('Makes, checks and lists plugins: TypeScript or JavaScript that runs in the host.');
  addPluginNew(plugin);
  addPluginCheck(plugin);
  addPluginList(plugin);
}
