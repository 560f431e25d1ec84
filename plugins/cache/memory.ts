/**
 * What one skill has put into its cache.
 *
 * Invariants: never more than the given entries and bytes, those used longest ago go first; what has expired is not found.
 */
import type { LuaValue } from '../../sdk/lua-types.ts';
import type { Clock } from '../../sdk/plugin.ts';

export interface MemoryLimits {
  readonly entries: number;
  readonly bytes: number;
}

interface Entry {
  readonly value: LuaValue;
  readonly bytes: number;
  /** Unix epoch in ms; Infinity for no end. */
  readonly expiresAt: number;
}

export class CacheMemory {
  readonly #clock: Clock;
  readonly #limits: MemoryLimits;
  /** Used longest ago first: a Map keeps the order in which its keys were put in. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(clock: Clock, limits: MemoryLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** @param ttl in ms; Infinity keeps it for as long as there is room. */
  set(key: string, value: LuaValue, bytes: number, ttl: number): void {
    this.delete(key);
    this.#entries.set(key, { value, bytes, expiresAt: this.#clock.now() + ttl });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) break;
      this.delete(oldest);
    }
  }

  /** Undefined when it is not there, or not any more. */
  get(key: string): LuaValue | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAt <= this.#clock.now()) {
      this.#bytes -= entry.bytes;
      return undefined;
    }
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** True when it was there. */
  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#bytes -= entry.bytes;
    this.#entries.delete(key);
    return entry.expiresAt > this.#clock.now();
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}
