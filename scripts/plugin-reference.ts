/**
 * What docs/plugin-reference.md says: hooks from kernel/hooks.ts, events from the tables `Events`, services from the built-in
 * plugins.
 *
 * Invariant: nothing here describes a hook, an event or a service; what the code does not say is missing, and throws.
 */
import { globSync } from 'node:fs';
import { sep } from 'node:path';
import ts from 'typescript';
import type { PluginDefinition } from '../kernel/plugins/types.ts';
import { builtinDefinitions } from '../sdk/builtin.ts';
import {
  additionsTo,
  docOf,
  exportedBy,
  findInterface,
  interfaceOf,
  membersOf,
  nodesOf,
  oneLine,
  root,
} from './declarations.ts';

const HOOKS = 'kernel/hooks.ts';
const KERNEL_EVENTS = 'kernel/plugins/catalogue.ts';
const EVENTS = 'sdk/events.ts';
const SERVICES = 'sdk/services.ts';
const SDK = 'sdk/plugin.ts';

/** What the functions in `createHooks` make. */
const KINDS: Readonly<Record<string, string>> = {
  notice: 'notification',
  veto: 'veto',
  bail: 'bail',
  waterfall: 'waterfall',
};

export interface HookEntry {
  readonly name: string;
  readonly kind: string;
  readonly args: string;
  readonly when: string;
}

/** The kernel's hooks, in the order of `KernelHooks`. */
export function hookEntries(): readonly HookEntry[] {
  const made = new Map(
    nodesOf(HOOKS).flatMap((node) => {
      if (!ts.isPropertyAssignment(node) || !ts.isCallExpression(node.initializer)) return [];
      const kind = KINDS[node.initializer.expression.getText()];
      const [, ...args] = node.initializer.arguments.map((arg) => (ts.isStringLiteral(arg) ? arg.text : ''));
      return kind === undefined ? [] : [[node.name.getText(), { kind, args }] as const];
    }),
  );
  return membersOf(interfaceOf(HOOKS, 'KernelHooks')).map(({ name, type, doc }) => {
    const hook = made.get(name);
    const [tuple] = type !== undefined && ts.isTypeReferenceNode(type) ? (type.typeArguments ?? []) : [];
    if (hook === undefined || tuple === undefined || !ts.isTupleTypeNode(tuple)) {
      throw new Error(`${HOOKS}: the hook ${name} is not made by one of ${Object.keys(KINDS).join(', ')}`);
    }
    if (tuple.elements.length !== hook.args.length) {
      throw new Error(`${HOOKS}: createHooks names ${hook.args.length} arguments of ${name}, its type has others`);
    }
    const args = tuple.elements.map((element, index) => `${hook.args[index] ?? ''}: ${oneLine(element)}`).join(', ');
    return { name, kind: hook.kind, args: `(${args})`, when: needed(doc, `${HOOKS}: the hook ${name}`) };
  });
}

/** A call of `emit` in the sources with a channel that can be read off it. */
export interface Emit {
  readonly channel: string;
  /** From the root. */
  readonly file: string;
}

const sources = (pattern: string): readonly string[] =>
  globSync(pattern, { cwd: root })
    .map((path) => path.split(sep).join('/'))
    .sort();

/** Every `emit('channel', …)` of kernel, plugins and host; a channel may be a constant of the file. */
export function emits(): readonly Emit[] {
  return ['kernel/**/*.ts', 'plugins/**/*.ts', 'sdk/**/*.ts'].flatMap(sources).flatMap((file) =>
    nodesOf(file).flatMap((node) => {
      if (!ts.isCallExpression(node)) return [];
      const called = node.expression;
      const name = ts.isPropertyAccessExpression(called) ? called.name.text : called.getText();
      const [first] = node.arguments;
      const channel = name === 'emit' && first !== undefined ? channelOf(file, first) : undefined;
      return channel === undefined ? [] : [{ channel, file }];
    }),
  );
}

function channelOf(file: string, node: ts.Expression): string | undefined {
  if (ts.isStringLiteral(node)) return node.text;
  if (!ts.isIdentifier(node)) return undefined;
  for (const other of nodesOf(file)) {
    const isIt = ts.isVariableDeclaration(other) && other.name.getText() === node.text;
    if (isIt && other.initializer !== undefined && ts.isStringLiteral(other.initializer)) return other.initializer.text;
  }
  return undefined;
}

export interface EventEntry {
  readonly channel: string;
  readonly payload: string;
  readonly when: string;
}

/** The channels of `Events`, with the fields of their payloads, by name. */
export function eventEntries(): readonly EventEntry[] {
  const tables = [interfaceOf(KERNEL_EVENTS, 'Events'), additionsTo(EVENTS, 'Events')];
  return tables.flatMap(entriesOf).sort((a, b) => (a.channel < b.channel ? -1 : 1));
}

function entriesOf(table: ts.InterfaceDeclaration): readonly EventEntry[] {
  const file = table.getSourceFile().fileName;
  return membersOf(table).map(({ name, type, doc }) => {
    if (type === undefined) throw new Error(`${file}: the channel ${name} has no payload type`);
    const named = findInterface(file, type.getText());
    const payload = named === undefined ? oneLine(type) : fieldsOf(named);
    return { channel: name, payload, when: needed(doc, `${file}: the channel ${name}`) };
  });
}

const fieldsOf = (declaration: ts.InterfaceDeclaration): string =>
  `{ ${membersOf(declaration)
    .map(({ text }) => text)
    .join('; ')} }`;

export interface ServiceEntry {
  readonly service: string;
  readonly version: string;
  readonly plugin: string;
  readonly typeName: string;
  readonly declaration: ts.InterfaceDeclaration;
}

/** Service → name of its interface, as plugins that use it see it. */
export function typedServices(): ReadonlyMap<string, string> {
  return new Map(membersOf(additionsTo(SERVICES, 'Services')).map(({ name, type }) => [name, type?.getText() ?? '']));
}

/** Every service of the built-in plugins with the interface it is provided as. */
export function serviceEntries(
  definitions: readonly PluginDefinition[] = builtinDefinitions(),
): readonly ServiceEntry[] {
  return definitions.flatMap(({ name: plugin, provides = {} }) =>
    Object.entries(provides).map(([service, version]) => {
      for (const file of sources(`plugins/${plugin}/**/*.ts`)) {
        const typeName = nodesOf(file).flatMap((node) => providedAs(node, service))[0];
        if (typeName === undefined) continue;
        return { service, version, plugin, typeName, declaration: interfaceOf(file, typeName) };
      }
      throw new Error(`plugins/${plugin} nowhere calls ctx.provide<Interface>('${service}', …)`);
    }),
  );
}

function providedAs(node: ts.Node, service: string): readonly string[] {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return [];
  const [first] = node.arguments;
  const [type] = node.typeArguments ?? [];
  if (node.expression.name.text !== 'provide' || type === undefined) return [];
  return first !== undefined && ts.isStringLiteral(first) && first.text === service ? [type.getText()] : [];
}

function needed(doc: string, what: string): string {
  if (doc === '') throw new Error(`${what} has no doc comment, which the reference would print`);
  return doc;
}

/** A text inside a cell of a table. */
export const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => `\`${cell(text)}\``;
const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** Who emits a channel: `kernel`, `host`, or a plugin's name. */
function emitters(channel: string, all: readonly Emit[]): string {
  const files = all.filter((emit) => emit.channel === channel).map(({ file }) => file.split('/'));
  const names = files.map(([layer = '', name = '']) =>
    layer === 'plugins' ? code(name) : layer === 'sdk' ? 'host' : layer,
  );
  return [...new Set(names)].join(', ');
}

function hookSection(): readonly string[] {
  const target = interfaceOf(HOOKS, 'RowTarget');
  return [
    '## Hooks',
    '',
    '`ctx.hooks.NAME.tap(label, fn, { stage? })`; [plugins.md](plugins.md#hooks) says how they are used. The kinds:',
    '',
    '- **notification**: tells. Each tap is isolated: what it throws is reported, the others still run.',
    '- **veto**: decides. What a tap throws reaches the caller, and undoes what was about to happen.',
    '- **bail**: decides. The first tap that returns something ends the round with it; what one throws reaches the caller.',
    '- **waterfall**: changes. Each tap gets what the one before it returned, as its first argument; what one throws reaches the caller.',
    '',
    'All but notifications are synchronous: a tap that returns a promise is refused.',
    '',
    '| hook | kind | arguments | when |',
    '|---|---|---|---|',
    ...hookEntries().map(({ name, kind, args, when }) => row(code(name), kind, code(args), cell(when))),
    '',
    `\`Data\` is a row, column by column. \`RowTarget\`: \`${fieldsOf(target)}\`. ${docOf(target)}`,
    '',
  ];
}

function eventSection(): readonly string[] {
  const all = emits();
  return [
    '## Events',
    '',
    '`ctx.on(channel, (payload) => …)`, and the payload has the type that is said here, which is `Events[channel]` of `glyphcase/sdk`. Your own channels begin',
    "with your plugin's name; [plugins.md](plugins.md#types) says how to type them.",
    '',
    '| channel | payload | emitted by | when |',
    '|---|---|---|---|',
    ...eventEntries().map(({ channel, payload, when }) =>
      row(code(channel), code(payload), emitters(channel, all), cell(when)),
    ),
    '',
  ];
}

function serviceSection(): readonly string[] {
  const open = exportedBy(SDK);
  return [
    '## Services',
    '',
    "`ctx.use('NAME')`, with the service under `requires` or `optional`, and it has the type that is said here.",
    '',
    ...serviceEntries().flatMap(({ service, version, plugin, typeName, declaration }) => [
      `### ${service} ${version}`,
      '',
      `Of the plugin \`${plugin}\`. Typed by \`${typeName}\`, ${open.has(typeName) ? 'exported by `glyphcase/sdk`' : `in ${declaration.getSourceFile().fileName}`}.`,
      '',
      '| member | |',
      '|---|---|',
      ...membersOf(declaration).map(({ name, text, doc }) =>
        row(code(text), cell(needed(doc, `${declaration.getSourceFile().fileName}: ${typeName}.${name}`))),
      ),
      '',
    ]),
  ];
}

export function renderPluginReference(): string {
  return [
    '# Plugin reference',
    '',
    'The hooks of the kernel, the events on the bus, and the services of the built-in plugins. How to use them is in [plugins.md](plugins.md).',
    '',
    '<!-- Written by `npm run docs` from kernel/, sdk/events.ts and plugins/; edit those instead. -->',
    '',
    ...hookSection(),
    ...eventSection(),
    ...serviceSection(),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}
