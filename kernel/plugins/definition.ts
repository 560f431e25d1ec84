/**
 * Checks of a plugin's definition and options before anything of it runs.
 *
 * Invariant: a definition that passes has a name, a version, an `activate`, and semver where semver belongs; every likely
 * slip has its own message, and all of them are reported together.
 */
import semver from 'semver';
import { describeProblems, didYouMean, validate } from '../schema/validate.ts';
import { GlyphError, messageOf } from '../errors.ts';
import { checkCommands } from './command-rules.ts';
import type { PluginDefinition } from './types.ts';

const KEYS = [
  'name',
  'version',
  'description',
  'glyphcase',
  'requires',
  'optional',
  'provides',
  'config',
  'commands',
  'reload',
  'onFailure',
  'activate',
  'deactivate',
  'snapshot',
] as const;

/** Slips too far from the right word to be guessed by spelling. */
const MEANT: Readonly<Record<string, string>> = {
  id: 'name',
  engines: 'glyphcase',
  depends: 'requires',
  dependencies: 'requires',
  inject: 'requires',
  peerDependencies: 'requires',
  optionalDependencies: 'optional',
  exports: 'provides',
  services: 'provides',
  options: 'config',
  schema: 'config',
  cli: 'commands',
  setup: 'activate',
  apply: 'activate',
  start: 'activate',
  init: 'activate',
  onload: 'activate',
  stop: 'deactivate',
  dispose: 'deactivate',
  onunload: 'deactivate',
  getState: 'snapshot',
  saveState: 'snapshot',
};

const NAME = /^[a-z][a-z0-9-]*(?:[./:][a-z0-9-]+)*$|^@[a-z0-9-]+\/[a-z0-9-]+$/;

/**
 * Checks that a value is a plugin definition.
 *
 * @throws GC_BAD_PLUGIN naming every mistake.
 */
export function checkDefinition(value: unknown): asserts value is PluginDefinition {
  if (value === null || typeof value !== 'object') {
    const what = typeof value === 'function' ? 'a function' : String(value);
    throw bad('a plugin', [
      `a plugin definition is an object made by definePlugin({ name, version, activate }), not ${what}`,
    ]);
  }
  const definition = value as Readonly<Record<string, unknown>>;
  if ('default' in definition && !('activate' in definition)) {
    throw bad('a plugin', ['this is a whole module; pass its `default` export']);
  }
  const problems = [
    ...checkName(definition['name']),
    ...checkVersion(definition['version']),
    ...checkFunctions(definition),
    ...checkKeys(definition),
    ...checkRange('glyphcase', definition['glyphcase']),
    ...checkVersions(definition, 'requires'),
    ...checkVersions(definition, 'optional'),
    ...checkVersions(definition, 'provides'),
    ...checkOverlap(definition),
    ...checkChoice('reload', definition['reload'], ['swap', 'restart']),
    ...checkChoice('onFailure', definition['onFailure'], ['continue', 'abort']),
    ...checkSchema(definition['config']),
    ...checkCommands(definition['commands']),
  ];
  if (problems.length > 0) throw bad(nameOf(definition), problems);
}

/**
 * The options of a plugin with the defaults of its schema; what a plugin without a schema gets is passed through.
 *
 * @throws GC_BAD_PLUGIN with path, sentence and suggestion of each problem.
 */
export function checkConfig(definition: PluginDefinition, config: unknown): unknown {
  const what = `config of plugin '${definition.name}'`;
  if (definition.config === undefined) return config ?? {};
  const result = validate(definition.config, config, { what });
  if (result.problems === undefined) return result.value;
  throw new GlyphError('GC_BAD_PLUGIN', `${what}: ${describeProblems(result.problems)}`, {
    plugin: definition.name,
    phase: 'config',
    hint: 'Correct the options passed to the plugin; its `config` schema says what it takes.',
  });
}

function bad(what: string, problems: readonly string[]): GlyphError {
  return new GlyphError('GC_BAD_PLUGIN', `${what}: ${problems.join('; ')}`, { phase: 'definition' });
}

function nameOf(definition: Readonly<Record<string, unknown>>): string {
  return typeof definition['name'] === 'string' ? `plugin '${definition['name']}'` : 'a plugin without a name';
}

function checkName(name: unknown): string[] {
  if (name === undefined) return ['`name` is missing'];
  if (typeof name === 'string' && NAME.test(name)) return [];
  return [`\`name\` is ${JSON.stringify(name)}; use small letters, digits and hyphens, such as 'order-metrics'`];
}

function checkVersion(version: unknown): string[] {
  if (version === undefined) return ["`version` is missing; start with '1.0.0'"];
  if (typeof version === 'string' && semver.valid(version) !== null) return [];
  return [`\`version\` is ${JSON.stringify(version)}, which is not a semver version such as '1.0.0'`];
}

function checkFunctions(definition: Readonly<Record<string, unknown>>): string[] {
  const missing = definition['activate'] === undefined ? ['`activate(ctx)` is missing'] : [];
  const wrong = ['activate', 'deactivate', 'snapshot'].filter(
    (key) => definition[key] !== undefined && typeof definition[key] !== 'function',
  );
  return [...missing, ...wrong.map((key) => `\`${key}\` is ${typeof definition[key]}, not a function`)];
}

function checkKeys(definition: Readonly<Record<string, unknown>>): string[] {
  const unknown = Object.keys(definition).filter((key) => !(KEYS as readonly string[]).includes(key));
  return unknown.map((key) => {
    const meant = MEANT[key] ?? didYouMean(key, KEYS);
    return meant === undefined ? `unknown key \`${key}\`` : `\`${key}\` should be \`${meant}\``;
  });
}

function checkRange(key: string, range: unknown): string[] {
  if (range === undefined || (typeof range === 'string' && semver.validRange(range) !== null)) return [];
  return [`\`${key}\` is ${JSON.stringify(range)}, which is not a semver range such as '^1.0.0'`];
}

function checkVersions(
  definition: Readonly<Record<string, unknown>>,
  key: 'requires' | 'optional' | 'provides',
): string[] {
  const value = definition[key];
  if (value === undefined) return [];
  const example = key === 'provides' ? "{ metrics: '1.0.0' }" : "{ capsule: '^1.0.0' }";
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return [`\`${key}\` is ${JSON.stringify(value)}; write each service with its version: ${example}`];
  }
  return Object.entries(value).flatMap(([service, version]) => {
    const place = `${key}.${service}`;
    if (key !== 'provides') return checkRange(place, version ?? null);
    if (typeof version === 'string' && semver.valid(version) !== null) return [];
    return [`\`${place}\` is ${JSON.stringify(version)}, which is not a semver version such as '1.0.0'`];
  });
}

function checkOverlap(definition: Readonly<Record<string, unknown>>): string[] {
  const names = (key: string): string[] => {
    const value = definition[key];
    return value !== null && typeof value === 'object' ? Object.keys(value) : [];
  };
  const twice = names('requires').filter((service) => names('optional').includes(service));
  return twice.map((service) => `the service '${service}' is in both \`requires\` and \`optional\``);
}

function checkChoice(key: string, value: unknown, choices: readonly [string, string]): string[] {
  if (value === undefined || choices.some((choice) => choice === value)) return [];
  return [`\`${key}\` is ${JSON.stringify(value)}; it is '${choices[0]}' or '${choices[1]}'`];
}

function checkSchema(schema: unknown): string[] {
  if (schema === undefined) return [];
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema))
    return ['`config` is not a JSON Schema object'];
  try {
    validate(schema as Readonly<Record<string, unknown>>, undefined, { what: 'its config' });
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}
