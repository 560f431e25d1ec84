/**
 * Rewrites the Lua interpreter's WebAssembly so that it can be stopped and its memory is bounded.
 *
 * Invariant: no code path of unbounded length avoids the fuel counter. Every loop iteration and every call of a function that calls
 * or loops takes 1 unit, every memory.copy and memory.fill its size / 64; below zero the module calls the host, which refuels or throws.
 * Adds the exports `fuel` (i32, mutable) and `fuel_slot` (i32, mutable: index in the function table of the host's `() → ()`).
 */
import { leb, Reader, SECTION, sectionsOf, skipImmediates, Writer } from './wasm-binary.ts';
import type { Section } from './wasm-binary.ts';

/** Initial and greatest size of the module's memory, in pages of 64 KiB. */
export interface MemoryPages {
  readonly initial: number;
  readonly maximum: number;
}

const OP = {
  loop: 0x03,
  if: 0x04,
  end: 0x0b,
  call: 0x10,
  callIndirect: 0x11,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
  i32LessSigned: 0x48,
  i32Sub: 0x6b,
  i32ShiftRight: 0x76,
  void: 0x40,
  bulk: 0xfc,
} as const;
const BULK_COPY = 10;
const BULK_FILL = 11;
const I32 = 0x7f;
const MUTABLE = 1;
const MAX_I32 = [0xff, 0xff, 0xff, 0xff, 0x07];

/** What is woven into the code: byte sequences, ready to append. */
interface Charges {
  /** Takes one unit. */
  readonly one: Uint8Array;
  /** Takes size / 64 units; the size is on top of the stack and stays there. */
  readonly bulk: Uint8Array;
  /** Body of the added function that calls the host. */
  readonly refuel: readonly number[];
}

/**
 * Instruments a module, and leaves of its exports those that are used.
 *
 * Throws when the binary is not what LLVM's emscripten output looks like, or lacks one of them.
 */
export function meter(source: Uint8Array, memory: MemoryPages, exports: readonly string[]): Uint8Array<ArrayBuffer> {
  const sections = sectionsOf(source);
  const section = (id: number): Section => {
    const found = sections.find((each) => each.id === id);
    if (found === undefined) throw new Error(`wasm: section ${id} is missing`);
    return found;
  };
  const emptyType = findEmptyType(new Reader(source, section(SECTION.type).start));
  const imported = countImports(new Reader(source, section(SECTION.import).start));
  const functions = new Reader(source, section(SECTION.function).start);
  const refuelFunction = imported.functions + functions.u32();
  const globals = new Reader(source, section(SECTION.global).start);
  const fuel = imported.globals + globals.u32();
  const charges = makeCharges(fuel, refuelFunction, emptyType);

  const out = new Writer();
  out.append(source.subarray(0, 8));
  for (const each of sections) {
    out.append([each.id]);
    const sizeAt = out.reserveSize();
    const reader = new Reader(source, each.start);
    if (each.id === SECTION.memory) {
      out.append([1, 1, ...leb(memory.initial), ...leb(memory.maximum)]);
    } else if (each.id === SECTION.function) {
      out.append(leb(reader.u32() + 1));
      out.append(source.subarray(reader.at, each.end));
      out.append(leb(emptyType));
    } else if (each.id === SECTION.global) {
      out.append(leb(reader.u32() + 3));
      out.append(source.subarray(reader.at, each.end));
      out.append([I32, MUTABLE, OP.i32Const, ...MAX_I32, OP.end]); // fuel: plenty until the host has set its slot
      out.append([I32, MUTABLE, OP.i32Const, 0, OP.end]); // fuel_slot
      out.append([I32, MUTABLE, OP.i32Const, 0, OP.end]); // scratch for bulk sizes
    } else if (each.id === SECTION.export) {
      const kept = exportsNamed(exports, reader);
      out.append(leb(kept.length + 2));
      for (const one of kept) out.append(one);
      out.append(globalExport('fuel', fuel));
      out.append(globalExport('fuel_slot', fuel + 1));
    } else if (each.id === SECTION.code) {
      meterCode(reader, out, charges);
    } else {
      out.append(source.subarray(each.start, each.end));
    }
    out.patchSize(sizeAt);
  }
  return out.finish();
}

/** The entries of an export section that have one of these names. */
function exportsNamed(names: readonly string[], reader: Reader): readonly Uint8Array[] {
  const kept: Uint8Array[] = [];
  for (let left = reader.u32(); left > 0; left -= 1) {
    const start = reader.at;
    const length = reader.u32();
    const name = Buffer.from(reader.bytes.subarray(reader.at, reader.at + length)).toString();
    reader.skip(length + 1);
    reader.skipLeb();
    if (names.includes(name)) kept.push(reader.bytes.subarray(start, reader.at));
  }
  if (kept.length !== names.length) throw new Error(`wasm: of ${names.length} exports ${kept.length} are there`);
  return kept;
}

function makeCharges(fuel: number, refuelFunction: number, emptyType: number): Charges {
  const slot = leb(fuel + 1);
  const scratch = leb(fuel + 2);
  const get = [OP.globalGet, ...leb(fuel)];
  const set = [OP.globalSet, ...leb(fuel)];
  const check = [...get, OP.i32Const, 0, OP.i32LessSigned, OP.if, OP.void, OP.call, ...leb(refuelFunction), OP.end];
  const units = [OP.globalGet, ...scratch, OP.i32Const, 6, OP.i32ShiftRight];
  return {
    one: Uint8Array.from([...get, OP.i32Const, 1, OP.i32Sub, ...set, ...check]),
    bulk: Uint8Array.from([
      ...[OP.globalSet, ...scratch, ...get, ...units, OP.i32Sub, ...set, ...check],
      ...[OP.globalGet, ...scratch],
    ]),
    refuel: [0, OP.globalGet, ...slot, OP.callIndirect, ...leb(emptyType), 0, OP.end],
  };
}

function meterCode(reader: Reader, out: Writer, charges: Charges): void {
  const count = reader.u32();
  out.append(leb(count + 1));
  for (let index = 0; index < count; index++) meterFunction(reader, out, charges);
  out.append(leb(charges.refuel.length));
  out.append(charges.refuel);
}

function meterFunction(reader: Reader, out: Writer, charges: Charges): void {
  const { bytes } = reader;
  const size = reader.u32();
  const start = reader.at;
  const end = start + size;
  const begin = out.length;
  const sizeAt = out.reserveSize();
  for (let groups = reader.u32(); groups > 0; groups--) {
    reader.skipLeb();
    reader.skip(1);
  }
  out.append(bytes.subarray(start, reader.at));
  out.append(charges.one);
  let copied = reader.at;
  let bounded = true;
  while (reader.at < end) {
    const at = reader.at;
    const opcode = reader.byte();
    const bulk = skipImmediates(reader, opcode);
    if (opcode === OP.loop) {
      bounded = false;
      out.append(bytes.subarray(copied, reader.at));
      out.append(charges.one);
      copied = reader.at;
    } else if (opcode === OP.bulk && (bulk === BULK_COPY || bulk === BULK_FILL)) {
      bounded = false;
      out.append(bytes.subarray(copied, at));
      out.append(charges.bulk);
      copied = at;
    } else if (opcode === OP.call || opcode === OP.callIndirect) {
      bounded = false;
    }
  }
  if (bounded) {
    // A function that neither loops nor calls ends by itself; its caller has paid.
    out.rewind(begin);
    out.append(leb(size));
    out.append(bytes.subarray(start, end));
    return;
  }
  out.append(bytes.subarray(copied, end));
  out.patchSize(sizeAt);
}

/** Index of the function type `() → ()`. */
function findEmptyType(reader: Reader): number {
  for (let index = 0, count = reader.u32(); index < count; index++) {
    reader.skip(1);
    const parameters = reader.u32();
    reader.skip(parameters);
    const results = reader.u32();
    reader.skip(results);
    if (parameters === 0 && results === 0) return index;
  }
  throw new Error('wasm: no type () → ()');
}

function countImports(reader: Reader): { readonly functions: number; readonly globals: number } {
  let functions = 0;
  for (let left = reader.u32(); left > 0; left--) {
    reader.skip(reader.u32());
    reader.skip(reader.u32());
    if (reader.byte() !== 0) throw new Error('wasm: only imported functions are supported');
    reader.skipLeb();
    functions++;
  }
  return { functions, globals: 0 };
}

function globalExport(name: string, index: number): readonly number[] {
  return [name.length, ...Buffer.from(name), 3, ...leb(index)];
}
