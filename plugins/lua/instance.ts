/**
 * One WebAssembly instance of the Lua interpreter: its memory, its fuel, and the few functions it asks of its surroundings.
 *
 * Invariant: a kill or a fault is thrown straight through every Lua `pcall` (only Lua's own long jump is caught on the way) and
 * leaves the instance dead; no file, environment or console of the host is reachable from inside.
 */
import { performance } from 'node:perf_hooks';
import { GlyphError } from '../../sdk/plugin.ts';
import { luaModule, PAGE_BYTES, wrapTrampolines } from './module.ts';
import type { LuaExports, Pointer, Trampolines } from './module.ts';

/** What emscripten throws for C's `longjmp`, Lua's own way of raising errors. */
export const LONG_JUMP = Infinity;
/** Units of fuel between two looks at the clock: about 2 ms of Lua. */
const FUEL_SLICE = 500_000;
/** Strings up to a third of this are copied through a buffer that every state keeps. */
const SCRATCH_BYTES = 16_384;
const ENOSYS = -52;
const ERRNO_NOT_SUPPORTED = 52;

export interface InstanceOptions {
  readonly memoryBytes: number;
  readonly now: () => number;
  /** Describes the place in the Lua code where time ran out. Runs on an instance that is already lost. */
  readonly onTimeout: () => GlyphError;
  readonly trampolines: Omit<Trampolines, 'refuel'>;
}

/** Owns memory, views, fuel and life of one interpreter. */
export class Instance {
  readonly api: LuaExports;
  readonly L: Pointer;
  readonly scratch: Pointer;
  /** Where Lua writes the length of a string. */
  readonly lengthAt: Pointer;
  /** Table slots of the C functions. */
  readonly slots: Readonly<Record<'dispatch' | 'enter' | 'describe', number>>;
  readonly scratchBytes = SCRATCH_BYTES;
  u8!: Uint8Array;
  i32!: Int32Array;
  buffer!: Buffer;
  dead: GlyphError | undefined;
  /** `performance.now()` at which time is up. */
  deadline = Infinity;
  #options: InstanceOptions;

  constructor(options: InstanceOptions) {
    this.#options = options;
    const instance = new WebAssembly.Instance(luaModule(), this.#imports());
    this.api = instance.exports as unknown as LuaExports;
    this.refreshViews();
    this.api.emscripten_stack_init();
    this.api.__wasm_call_ctors();
    const wrapped = wrapTrampolines({ ...options.trampolines, refuel: () => this.#refuel() });
    const table = this.api.__indirect_function_table;
    const first = table.grow(4);
    table.set(first, wrapped.dispatch);
    table.set(first + 1, wrapped.enter);
    table.set(first + 2, wrapped.describe);
    table.set(first + 3, wrapped.refuel);
    this.slots = { dispatch: first, enter: first + 1, describe: first + 2 };
    this.api.fuel_slot.value = first + 3;
    this.api.fuel.value = FUEL_SLICE;
    this.scratch = this.api.malloc(SCRATCH_BYTES);
    this.lengthAt = this.api.malloc(16);
    this.L = this.api.luaL_newstate();
  }

  get memoryBytes(): number {
    return this.api.memory.buffer.byteLength;
  }

  /** Memory may have moved: JavaScript's views of it are renewed. */
  refreshViews(): void {
    const { buffer } = this.api.memory;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.buffer = Buffer.from(buffer);
  }

  /** Marks the instance dead; what it returns must be thrown. The first reason stays. */
  kill(error: GlyphError): GlyphError {
    this.dead ??= error;
    return this.dead;
  }

  /** Throws the reason when the instance is dead. */
  throwIfDead(): void {
    if (this.dead !== undefined) throw this.dead;
  }

  /** Throws once time is up. Called when a host function returns, because time spent there counts. */
  checkTime(): void {
    if (this.deadline !== Infinity && performance.now() > this.deadline) throw this.#timeout();
  }

  #refuel(): void {
    this.throwIfDead();
    this.api.fuel.value = FUEL_SLICE;
    this.checkTime();
  }

  #timeout(): GlyphError {
    this.deadline = Infinity; // describing the place takes fuel too
    return this.kill(this.#options.onTimeout());
  }

  #grow(requested: number): number {
    const limit = this.#options.memoryBytes;
    const wanted = requested >>> 0;
    if (wanted > limit) return 0;
    const current = this.memoryBytes;
    const target = Math.min(limit, Math.max(wanted, Math.ceil(current * 1.2)));
    try {
      this.api.memory.grow(Math.ceil((target - current) / PAGE_BYTES));
    } catch {
      return 0; // the machine has no more; Lua says "not enough memory"
    }
    this.refreshViews();
    return 1;
  }

  #imports(): WebAssembly.Imports {
    const refuse = (): number => ENOSYS;
    const notSupported = (): number => ERRNO_NOT_SUPPORTED;
    const lost = (): never => {
      throw this.kill(new GlyphError('GC_LUA', 'the Lua interpreter gave up (panic)'));
    };
    return {
      env: {
        abort: lost,
        exit: lost,
        invoke_vii: (index: number, a: number, b: number): void => {
          const stack = this.api.stackSave();
          try {
            (this.api.__indirect_function_table.get(index) as (a: number, b: number) => void)(a, b);
          } catch (thrown) {
            this.api.stackRestore(stack);
            if (thrown !== LONG_JUMP) throw thrown;
            this.api.setThrew(1, 0);
          }
        },
        _emscripten_throw_longjmp: (): never => {
          throw LONG_JUMP; // eslint-disable-line @typescript-eslint/only-throw-error -- what emscripten's code expects
        },
        emscripten_resize_heap: (requested: number): number => this.#grow(requested),
        emscripten_date_now: (): number => this.#options.now(),
        _emscripten_get_now_is_monotonic: (): number => 1,
        system: (): number => -1,
        strftime: (): number => 0,
        _mktime_js: (): bigint => 0n,
        _localtime_js: (): void => {},
        _gmtime_js: (): void => {},
        _tzset_js: (): void => {},
        __syscall_openat: refuse,
        __syscall_fcntl64: refuse,
        __syscall_ioctl: refuse,
        __syscall_dup3: refuse,
        __syscall_unlinkat: refuse,
        __syscall_rmdir: refuse,
        __syscall_renameat: refuse,
        __syscall_readlinkat: refuse,
      },
      wasi_snapshot_preview1: {
        fd_read: notSupported,
        fd_seek: notSupported,
        fd_close: (): number => 0,
        fd_write: notSupported,
        environ_get: (): number => 0,
        environ_sizes_get: (count: number, size: number): number => {
          this.i32[count >> 2] = 0;
          this.i32[size >> 2] = 0;
          return 0;
        },
      },
    };
  }
}
