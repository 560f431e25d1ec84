/** Checks of a plugin's options: wrong ones are refused by an error that names the key. */
import { GlyphError, messageOf } from '../../../kernel/errors.ts';
import type { JsonSchema } from '../../../kernel/plugins/types.ts';
import { openTestHost } from '../test-host.ts';
import type { Subject } from './trial.ts';
import type { Findings } from './findings.ts';

/** One of each kind of value; what a key is meant to be refuses at least one of them. */
const SAMPLES: readonly unknown[] = [{ unlikely: true }, ['unlikely'], -0.5, 'unlikely text', true, null];
/** A key that says any of these is meant to refuse something. */
const RESTRICTS = ['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf'];
const OPENS = ['additionalProperties', 'patternProperties', 'unevaluatedProperties', 'allOf', 'if', '$ref'];

export async function badConfig(subject: Subject): Promise<Findings> {
  const schema = subject.definition.config;
  if (schema === undefined) return { skipped: 'It has no config schema.' };
  const found: string[] = [];
  if ((await refusal(subject, 'unlikely text')) === undefined) {
    found.push("the text 'unlikely text' is taken for its config: give the schema type: 'object'");
  }
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
  for (const [key, property] of Object.entries(properties)) {
    if (!RESTRICTS.some((word) => word in property)) continue;
    found.push(...(await wrongValue(subject, key)));
  }
  const [first] = Object.keys(properties);
  const isClosed = first !== undefined && !OPENS.some((word) => word in schema && schema[word] !== false);
  if (isClosed) found.push(...(await misspelt(subject, `${first}s-unlikely`)));
  return found;
}

async function wrongValue(subject: Subject, key: string): Promise<readonly string[]> {
  for (const value of SAMPLES) {
    const message = await refusal(subject, { ...given(subject), [key]: value });
    if (message === undefined) continue;
    return message.includes(key) ? [] : [`${show(key, value)} is refused without naming the key: ${message}`];
  }
  return [`any value is taken for config.${key}, against its schema`];
}

async function misspelt(subject: Subject, key: string): Promise<readonly string[]> {
  const message = await refusal(subject, { ...given(subject), [key]: 1 });
  if (message?.includes(key) === true) return [];
  return [
    message === undefined ? `the unknown key '${key}' is taken` : `the unknown key '${key}' is not named: ${message}`,
  ];
}

/** What a plugin is refused with for its config; undefined when it is not. Nothing it requires is there, so it does not run. */
async function refusal({ definition }: Subject, config: unknown): Promise<string | undefined> {
  await using host = openTestHost();
  try {
    host.plugins.load(inert(definition), config);
    return undefined;
  } catch (error) {
    if (error instanceof GlyphError && error.code === 'GC_BAD_PLUGIN') return error.message;
    throw new Error(`its config is refused by something else than its schema: ${messageOf(error)}`, { cause: error });
  }
}

/** Only what the config is checked by. */
const inert = ({ name, version, config }: Subject['definition']): Subject['definition'] => ({
  name,
  version,
  ...(config === undefined ? {} : { config }),
  activate: () => undefined,
});

const given = ({ config }: Subject): object => (typeof config === 'object' && config !== null ? config : {});

const show = (key: string, value: unknown): string => `config ${JSON.stringify({ [key]: value })}`;
