/** The outside plugins as packages: what they may import, that they load as files, and that they work together. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Generated } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { KyselyService } from '../examples/plugins/kysely/index.ts';
import type { MetricsService } from '../examples/plugins/prometheus/index.ts';
import type { BackupService } from '../examples/plugins/sqlite-backup/index.ts';
import { GlyphCase } from '../sdk/index.ts';
import type { GlyphCaseOptions } from '../sdk/index.ts';
import { loadPluginFile } from '../sdk/plugin-files/load.ts';
import { definePlugin } from '../sdk/plugin.ts';
import type { PluginDefinition } from '../sdk/plugin.ts';
import { afterTest, sqlite3, tempFile } from './support.ts';

const folder = join(import.meta.dirname, '../examples/plugins');
const NAMES = ['kysely', 'prometheus', 'sqlite-backup'];
const read = (path: string): string => readFileSync(join(folder, path), 'utf8');

interface PackageJson {
  readonly name: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}
const packageOf = (name: string): PackageJson => JSON.parse(read(`${name}/package.json`)) as PackageJson;

describe('the packages', () => {
  test('are all tested here', () => {
    expect(
      globSync('*/package.json', { cwd: folder })
        .map((path) => path.split('/')[0])
        .sort(),
    ).toEqual(NAMES);
  });

  test.each(NAMES)('%s says what it is, and needs nothing of GlyphCase but the package', (name) => {
    const { license, keywords, peerDependencies, ...rest } = packageOf(name);
    expect(rest.name).toBe(`glyphcase-plugin-${name}`);
    expect({ license, peerDependencies }).toEqual({ license: 'MIT', peerDependencies: { glyphcase: '^1.0.0' } });
    expect(keywords).toContain('glyphcase-plugin');
  });

  test.each(NAMES)('%s imports only the SDK, its own files, Node and what it depends on', (name) => {
    const { dependencies = {} } = packageOf(name);
    const sources = globSync(`${name}/*.ts`, { cwd: folder }).filter((path) => !path.endsWith('.test.ts'));
    const imports = sources.flatMap((path) =>
      [...read(path).matchAll(/from '([^']+)'/g)].map((match) => match[1] ?? ''),
    );
    const allowed = (specifier: string): boolean =>
      specifier === 'glyphcase/sdk' ||
      /^(node:|\.\/[\w-]+\.ts$)/.test(specifier) ||
      Object.hasOwn(dependencies, specifier);
    expect(imports).toContain('glyphcase/sdk');
    expect(imports.filter((specifier) => !allowed(specifier))).toEqual([]);
  });

  test.each(NAMES)('what %s depends on is what the tests here run with', (name) => {
    const { devDependencies } = JSON.parse(readFileSync(join(folder, '../../package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    for (const [dependency, range] of Object.entries(packageOf(name).dependencies ?? {})) {
      expect({ [dependency]: devDependencies[dependency] }).toEqual({ [dependency]: range });
    }
  });
});

describe.each(['esbuild', 'node'] as const)('loaded as files by %s', (bundler) => {
  const load = async (name: string): Promise<PluginDefinition> =>
    (await loadPluginFile(join(folder, name), { bundler })).definition;

  test('they share the host’s GlyphCase, and its errors are its own', async () => {
    const file = tempFile();
    const { services, host } = await open(file, await Promise.all(NAMES.map(load)));
    await expect(services.backup().restore('', '')).rejects.toBeInstanceOf(
      (await import('../sdk/plugin.ts')).GlyphError,
    );
    expect(host.plugins.list().filter(({ state }) => state !== 'active')).toEqual([]);
  });

  test('they see each other’s work, and a reload of each loses no change', async () => {
    const file = tempFile();
    const { services, host } = await open(file, await Promise.all(NAMES.map(load)));
    await host.execute('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)');
    const seen: unknown[] = [];
    host.subscribe(host.watch('items'), (events) => void seen.push(...events.map(({ rowId }) => rowId)));
    const add = (name: string): Promise<unknown> => services.kysely().db.insertInto('items').values({ name }).execute();

    await add('first');
    for (const name of NAMES) {
      const reloading = host.plugins.reload(name, await load(name));
      sqlite3(file, `INSERT INTO items (name) VALUES ('while ${name} is reloaded')`);
      await reloading;
      await add(`after ${name}`);
    }
    await host.flush();
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const text = await services.metrics().render();
    const counted = (source: string): unknown =>
      new RegExp(`^glyphcase_changes_total\\{table="items",operation="INSERT",source="${source}"\\} (\\d+)$`, 'm').exec(
        text,
      )?.[1];
    expect([counted('host'), counted('external')]).toEqual(['4', '3']);
    const { bytes } = await services.backup().now();
    expect(bytes).toBeGreaterThan(0);
  });
});

interface Tables {
  items: { id: Generated<number>; name: string };
}

interface Services {
  kysely(): KyselyService<Tables>;
  metrics(): MetricsService;
  backup(): BackupService;
}

/** A host with the plugins, and their services as another plugin finds them. */
async function open(
  file: string,
  plugins: readonly PluginDefinition[],
  options: GlyphCaseOptions = {},
): Promise<{ readonly host: GlyphCase; readonly services: Services }> {
  const found = new Map<string, unknown>();
  const names = ['kysely', 'metrics', 'backup'];
  const user = definePlugin({
    name: 'user',
    version: '1.0.0',
    optional: Object.fromEntries(names.map((name) => [name, '^1.0.0'])),
    activate(ctx) {
      for (const name of names) ctx.onService(name, (service) => void found.set(name, service));
    },
  });
  const host = new GlyphCase(file, {
    plugins: [...plugins, user],
    capsule: { batchInterval: 0 },
    ...options,
  });
  afterTest(() => host.close());
  await host.ready;
  const service = (name: string) => () => found.get(name);
  return {
    host,
    services: { kysely: service('kysely'), metrics: service('metrics'), backup: service('backup') } as Services,
  };
}

describe('the READMEs', () => {
  test.each(NAMES)('%s: the options are those of the schema, with their defaults', async (name) => {
    const { definition } = await loadPluginFile(join(folder, name));
    expect(definition.name).toBe(name);
    const properties = (definition.config?.['properties'] ?? {}) as Record<
      string,
      { readonly default?: string | number | boolean }
    >;
    const text = read(`${name}/README.md`);
    const table = /^\| option \|.*\n\|[-|]+\|\n((?:\|.*\n)*)/m.exec(text)?.[1] ?? '';
    const rows = [...table.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)].map(([, key = '', value = '']) => [key, value]);
    const shown = Object.entries(properties).map(([key, { default: value }]) => [
      key,
      value === undefined ? 'none' : String(value),
    ]);
    expect(rows.map(([key, value = '']) => [key, value.replaceAll(/[`']/g, '')]).sort()).toEqual(shown.sort());
  });

  test('prometheus: the metrics are those that are told', async () => {
    const { services, host } = await open(':memory:', [(await loadPluginFile(join(folder, 'prometheus'))).definition]);
    await host.query('SELECT 1');
    const told = [...(await services.metrics().render()).matchAll(/^# TYPE glyphcase_(\w+)/gm)].map(([, name]) => name);
    const table = /^\| metric \|[\s\S]*?\n\n/m.exec(read('prometheus/README.md'))?.[0] ?? '';
    const named = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, names = '']) =>
      names.replaceAll('`', '').split(', '),
    );
    expect(named.sort()).toEqual(told.sort());
  });
});

test('a host takes them as a folder of plugins, with options, or one by one by path', async () => {
  const configs = { prometheus: { prefix: 'app_' } };
  await using host = new GlyphCase(tempFile(), { plugins: [{ dir: folder, configs, watch: false }] });
  const states = (): unknown[] => NAMES.map((name) => host.plugins.get(name)?.state);
  await host.ready;
  expect(states()).toEqual(['active', 'active', 'active']);
  await using other = new GlyphCase(tempFile(), { plugins: NAMES.map((name) => join(folder, name)) });
  await other.ready;
  expect(NAMES.map((name) => other.plugins.get(name)?.state)).toEqual(['active', 'active', 'active']);
});

test('prometheus without a port is a route of the host, for any server', async () => {
  await using host = new GlyphCase(tempFile(), { plugins: [join(folder, 'prometheus')] });
  await host.ready;
  const response = await host.handle(new Request('http://localhost/metrics'));
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  expect(await response.text()).toContain('glyphcase_queue_depth 0');
});

test('prometheus counts the host’s slow statements', async () => {
  const { definition } = await loadPluginFile(join(folder, 'prometheus'));
  const { services, host } = await open(tempFile(), [definition], { slowQueryMs: 0 });
  await host.query('SELECT 1');
  await host.query('SELECT 2');
  expect(await services.metrics().render()).toContain('\nglyphcase_slow_statements_total 2\n');
});
