/**
 * `--config FILE`: the host's options from a JSON file, or from the default export of a module.
 *
 * Invariant: paths in the file are relative to the file; a key that GlyphCase does not know is an error with the nearest
 * right name, as everywhere.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { readConfig } from '../config.ts';
import type { GlyphCaseConfig, SkillsOptions } from '../config.ts';
import { withPaths } from '../plugin-files/options.ts';

export type FileConfig = Partial<GlyphCaseConfig>;

const MODULES = ['.js', '.mjs', '.ts', '.mts'];

/** @throws GC_BAD_OPTION, GC_CANNOT_OPEN */
export async function readConfigFile(file: string): Promise<FileConfig> {
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new GlyphError('GC_CANNOT_OPEN', `There is no file ${file}`, { hint: 'Correct the path after --config.' });
  }
  const value = MODULES.includes(extname(path)) ? await load(path, file) : parse(path, file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const what = MODULES.includes(extname(path)) ? 'its default export' : 'it';
    throw new GlyphError('GC_BAD_OPTION', `${file}: ${what} must be an object with the options of new GlyphCase()`);
  }
  const config = withPlugins(value, dirname(path));
  check(config, file);
  return absolute(config, dirname(path));
}

/** Whether there is a plugin at a path is part of the check, so these paths are made absolute before it. */
function withPlugins(config: FileConfig, folder: string): FileConfig {
  const { plugins } = config;
  return Array.isArray(plugins) ? { ...config, plugins: withPaths(plugins, (path) => resolve(folder, path)) } : config;
}

async function load(path: string, file: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
    return module.default;
  } catch (error) {
    throw new GlyphError('GC_BAD_OPTION', `${file} cannot be loaded: ${messageOf(error)}`, {
      cause: error,
      hint: 'Correct the file.',
    });
  }
}

function parse(path: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    throw new GlyphError('GC_BAD_OPTION', `${file} is not valid JSON: ${messageOf(error)}`, {
      cause: error,
      hint: 'Correct the file.',
    });
  }
}

function check(config: FileConfig, file: string): void {
  for (const key of ['logger', 'clock'] as const) {
    if (config[key] !== undefined) {
      throw new GlyphError(
        'GC_BAD_OPTION',
        `${file}: ${key} is for programs that use the library; the command line has its own`,
      );
    }
  }
  try {
    readConfig({ filename: ':memory:', ...config }, undefined);
  } catch (error) {
    if (!(error instanceof GlyphError)) throw error;
    throw new GlyphError(error.code, `${file}: ${error.message.replace(/^new GlyphCase\(\): /, '')}`, {
      hint: error.hint,
    });
  }
}

function absolute(config: FileConfig, folder: string): FileConfig {
  const { filename, capsule, skills, ...rest } = config;
  const at = (path: string): string => (path === ':memory:' ? path : resolve(folder, path));
  return {
    ...rest,
    ...(filename === undefined ? {} : { filename: at(filename) }),
    ...(capsule === undefined
      ? {}
      : { capsule: { ...capsule, ...(capsule.archive === undefined ? {} : { archive: at(capsule.archive) }) } }),
    ...(skills === undefined
      ? {}
      : { skills: skills === false ? false : { ...skills, dir: [skills.dir].flat().map(at), ...keysOf(skills, at) } }),
  };
}

/** A trusted key may be a file, or the key itself. */
const keysOf = ({ trustedKeys }: SkillsOptions, at: (path: string) => string): Pick<SkillsOptions, 'trustedKeys'> =>
  trustedKeys === undefined ? {} : { trustedKeys: trustedKeys.map((key) => (existsSync(at(key)) ? at(key) : key)) };
