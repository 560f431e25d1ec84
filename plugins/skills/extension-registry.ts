/**
 * The extensions of the Lua API that other plugins have given, and what they have opened for each Lua state.
 *
 * Invariants: an extension that fails while it opens or closes harms no other; the state is told of what is missing when it
 * calls it. What a plugin gave can no longer be called once it was taken back, whatever the state still holds.
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

type Guarded = <T extends LuaExtensionInstance | undefined | void>(name: string, fn: () => T) => T | undefined;

export class ExtensionRegistry {
  /** By name, the latest last: a plugin's new version comes before its old one goes. */
  readonly #extensions = new Map<string, readonly LuaExtension[]>();
  readonly #open = new Set<Open>();
  readonly #log: Logger;
  readonly #changed: () => void;

  /** `changed` is told when a state has other extensions than it should. */
  constructor(log: Logger, changed: () => void) {
    this.#log = log;
    this.#changed = changed;
  }

  /** Whether a state has extensions that were taken back or replaced, or lacks some. */
  get areStale(): boolean {
    const current = this.#current();
    return [...this.#open].some((open) => !open.agreesWith(current));
  }

  /**
   * Takes the place of an extension of the same name. What is taken back cannot be called from then on.
   * @throws GC_BAD_ARGUMENT
   */
  add(extension: LuaExtension): Disposer {
    const { name } = extension;
    if (typeof name !== 'string' || name === '' || typeof extension.create !== 'function') {
      throw new GlyphError('GC_BAD_ARGUMENT', 'skills.extend() takes { name, create(skill) }');
    }
    const others = (): readonly LuaExtension[] =>
      (this.#extensions.get(name) ?? []).filter((other) => other !== extension);
    this.#extensions.set(name, [...others(), extension]);
    for (const open of this.#open) open.adopt(extension);
    this.#tell();
    return () => {
      if (this.#extensions.get(name)?.includes(extension) !== true) return;
      const left = others();
      if (left.length === 0) this.#extensions.delete(name);
      else this.#extensions.set(name, left);
      for (const open of this.#open) open.drop(extension);
      this.#tell();
    };
  }

  open(handle: SkillHandle): OpenExtensions {
    const open = new Open(handle, this.#current(), this.#guarded, () => this.#open.delete(open));
    this.#open.add(open);
    return open;
  }

  #current(): readonly LuaExtension[] {
    return [...this.#extensions.values()].flatMap((all) => all.at(-1) ?? []);
  }

  #tell(): void {
    if (this.areStale) this.#changed();
  }

  readonly #guarded: Guarded = (name, fn) => {
    try {
      return fn();
    } catch (error) {
      this.#log.error(`The Lua extension ${name} failed: ${messageOf(error)}`, { error });
      return undefined;
    }
  };
}

/** One extension in one Lua state. */
interface Place {
  /** Undefined when it was taken back. */
  extension: LuaExtension | undefined;
  /** Undefined also when it could not be opened. */
  instance: LuaExtensionInstance | undefined;
  readonly names: readonly string[];
}

class Open implements OpenExtensions {
  readonly functions: Readonly<Record<string, HostFunction>>;
  readonly #handle: SkillHandle;
  readonly #guarded: Guarded;
  readonly #gone: () => void;
  readonly #places = new Map<string, Place>();
  #state: 'opened' | 'live' | 'closed' = 'opened';

  constructor(handle: SkillHandle, extensions: readonly LuaExtension[], guarded: Guarded, gone: () => void) {
    this.#handle = handle;
    this.#guarded = guarded;
    this.#gone = gone;
    const functions: Record<string, HostFunction> = {};
    for (const extension of extensions) {
      const { name } = extension;
      const instance = guarded(name, () => extension.create(handle));
      const place: Place = { extension, instance, names: Object.keys(instance?.functions ?? {}) };
      this.#places.set(name, place);
      for (const each of place.names) functions[each] = (...args) => functionOf(place, each, name)(...args);
    }
    this.functions = functions;
  }

  agreesWith(current: readonly LuaExtension[]): boolean {
    return (
      current.length === this.#places.size &&
      current.every((extension) => this.#places.get(extension.name)?.extension === extension)
    );
  }

  /** The extension takes the place of an earlier one of its name, if it can. */
  adopt(extension: LuaExtension): void {
    const { name } = extension;
    const place = this.#places.get(name);
    if (place === undefined || this.#state === 'closed') return;
    const instance = this.#guarded(name, () => extension.adopt?.(this.#handle));
    if (instance === undefined || !sameNames(Object.keys(instance.functions), place.names)) return;
    this.#close(place, name);
    Object.assign(place, { extension, instance });
    if (this.#state === 'live') this.#guarded(name, () => instance.live?.());
  }

  /** The extension was taken back. */
  drop(extension: LuaExtension): void {
    const { name } = extension;
    const place = this.#places.get(name);
    if (place?.extension !== extension) return;
    this.#close(place, name);
    place.extension = undefined;
  }

  live(): void {
    if (this.#state !== 'opened') return;
    this.#state = 'live';
    for (const [name, { instance }] of this.#places) this.#guarded(name, () => instance?.live?.());
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#gone();
    for (const [name, place] of this.#places) this.#close(place, name);
  }

  #close(place: Place, name: string): void {
    const { instance } = place;
    place.instance = undefined;
    this.#guarded(name, () => instance?.closed?.());
  }
}

function functionOf({ instance }: Place, fn: string, extension: string): HostFunction {
  const found = instance?.functions[fn];
  if (found !== undefined) return found;
  throw new GlyphError('GC_NO_SUCH_FUNCTION', `${fn} is gone: the host has unloaded the plugin "${extension}"`);
}

const sameNames = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((name) => others.includes(name));
