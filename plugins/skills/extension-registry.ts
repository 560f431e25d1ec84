/**
 * The extensions of the Lua API that other plugins have given, and what they have opened for each Lua state.
 *
 * Invariant: an extension that fails while it opens or closes harms no other; the state is told of what is missing when it
 * calls it.
 */
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Disposer, Logger } from '../../sdk/plugin.ts';
import type { HostFunction } from '../../sdk/lua-types.ts';
import type { LuaExtension, LuaExtensionInstance, SkillHandle } from './extensions.ts';

/** What the extensions have opened for one Lua state. */
export interface OpenExtensions {
  readonly functions: Readonly<Record<string, HostFunction>>;
  /** The state takes part from now on. Idempotent. */
  live(): void;
  /** The state is gone. Idempotent. */
  close(): void;
}

export class ExtensionRegistry {
  readonly #extensions = new Map<string, LuaExtension>();
  readonly #log: Logger;
  readonly #changed: () => void;

  /** `changed` is told when an extension has come, new or in place of another. */
  constructor(log: Logger, changed: () => void) {
    this.#log = log;
    this.#changed = changed;
  }

  /**
   * Takes the place of an extension of the same name: a plugin's new version comes before its old one goes. What is
   * taken back stays in the states that have it until they are started again.
   * @throws GC_BAD_ARGUMENT
   */
  add(extension: LuaExtension): Disposer {
    const { name } = extension;
    if (typeof name !== 'string' || name === '' || typeof extension.create !== 'function') {
      throw new GlyphError('GC_BAD_ARGUMENT', 'skills.extend() takes { name, create(skill) }');
    }
    this.#extensions.set(name, extension);
    this.#changed();
    return () => {
      if (this.#extensions.get(name) === extension) this.#extensions.delete(name);
    };
  }

  open(handle: SkillHandle): OpenExtensions {
    const opened = [...this.#extensions.values()].flatMap((extension) => {
      const instance = this.#guarded(extension.name, () => extension.create(handle));
      return instance === undefined ? [] : [{ name: extension.name, instance }];
    });
    const tell = (what: 'live' | 'closed'): void => {
      for (const { name, instance } of opened) this.#guarded(name, () => instance[what]?.());
    };
    let state: 'opened' | 'live' | 'closed' = 'opened';
    return {
      functions: Object.assign({}, ...opened.map(({ instance }) => instance.functions)) as Record<string, HostFunction>,
      live() {
        if (state !== 'opened') return;
        state = 'live';
        tell('live');
      },
      close() {
        if (state === 'closed') return;
        state = 'closed';
        tell('closed');
      },
    };
  }

  #guarded<T extends LuaExtensionInstance | undefined | void>(name: string, fn: () => T): T | undefined {
    try {
      return fn();
    } catch (error) {
      this.#log.error(`The Lua extension ${name} failed: ${messageOf(error)}`, { error });
      return undefined;
    }
  }
}
