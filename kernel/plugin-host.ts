/**
 * The plugin host: loads, activates, reloads and unloads plugins, in the order their services demand.
 *
 * Invariants:
 * - A plugin is active only while everything it requires is there; who loses a requirement stops before the provider does.
 * - Structural changes (unload, reload, close) run one after the other. Activations may overlap.
 * - Whatever happens in a plugin, the host goes on: every phase ends, by itself or by its time limit.
 * - A reload that fails leaves the running instance as it was.
 */
import { didYouMean } from './config-schema.ts';
import { GlyphError, messageOf } from './errors.ts';
import { checkConfig, checkDefinition } from './plugin-definition.ts';
import { dependentsOf, sortUnits } from './plugin-graph.ts';
import { createInstance } from './plugin-instance.ts';
import type { InstanceHost, PluginInstance } from './plugin-instance.ts';
import { explain, inspect, reportOf } from './plugin-report.ts';
import type { HostInspection } from './plugin-report.ts';
import { createLifecycle } from './plugin-state.ts';
import type { PluginDefinition, PluginReport } from './plugin-types.ts';
import { declarerOf, missingFor } from './plugin-unit.ts';
import type { Unit, World } from './plugin-unit.ts';
import { conflict, createServices, inRange } from './services.ts';

