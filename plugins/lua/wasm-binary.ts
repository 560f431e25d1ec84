/**
 * Reads and writes the WebAssembly binary format as far as instrumenting needs it: sections, LEB128 numbers, instructions.
 *
 * Invariant: what is not understood is refused, never copied blindly. Source: WebAssembly core specification, chapter 5.
 */

/** Section ids of the binary format that are used here. */
export const SECTION = { type: 1, import: 2, function: 3, memory: 5, global: 6, export: 7, code: 10 } as const;

export interface Section {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/** A cursor over a WebAssembly binary. */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new Error('wasm: unexpected end');
    return value;
  }

  /** An unsigned LEB128 number of at most 32 bits. */
  u32(): number {
    let result = 0;
    let factor = 1;
    for (;;) {
      const value = this.byte();
      result += (value & 0x7f) * factor;
      if (value < 0x80) return result;
      factor *= 128;
    }
  }

  /** Steps over a LEB128 number of any width. */
  skipLeb(): void {
    while (this.byte() >= 0x80);
  }

  skip(count: number): void {
    this.at += count;
  }

  /** Steps over a vector of LEB128 numbers. */
  skipLebs(count: number): void {
    for (let index = 0; index < count; index++) this.skipLeb();
  }
}

/** Lists the sections of a module. */
export function sectionsOf(bytes: Uint8Array): readonly Section[] {
  const reader = new Reader(bytes, 8);
  const sections: Section[] = [];
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const length = reader.u32();
    sections.push({ id, start: reader.at, end: reader.at + length });
    reader.skip(length);
  }
  return sections;
}

/** An append-only buffer that grows. */
export class Writer {
  #bytes = new Uint8Array(1 << 16);
  length = 0;

  #room(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }

  append(bytes: Uint8Array | readonly number[]): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Appends a 32-bit size that is not known yet; five bytes, which LEB128 allows. Returns where, for {@link patchSize}. */
  reserveSize(): number {
    const at = this.length;
    this.append([0, 0, 0, 0, 0]);
    return at;
  }

  /** Writes the number of bytes that were appended since {@link reserveSize}. */
  patchSize(at: number): void {
    let size = this.length - at - 5;
    for (let index = 0; index < 5; index++) {
      this.#bytes[at + index] = (size & 0x7f) | (index < 4 ? 0x80 : 0);
      size >>>= 7;
    }
  }

  /** Forgets everything after `length`. */
  rewind(length: number): void {
    this.length = length;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }
}

/** Unsigned LEB128. */
export function leb(value: number): readonly number[] {
  const out: number[] = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    out.push(value === 0 ? low : low | 0x80);
  } while (value !== 0);
  return out;
}

/**
 * Steps over the immediates of the instruction whose opcode was just read. Covers what LLVM emits without SIMD, threads and exceptions.
 * Returns the sub-opcode of 0xfc instructions, otherwise -1.
 */
export function skipImmediates(reader: Reader, opcode: number): number {
  if (opcode >= 0x28 && opcode <= 0x3e)
    reader.skipLebs(2); // loads and stores: alignment, offset
  else if (opcode >= 0x20 && opcode <= 0x26)
    reader.skipLeb(); // locals, globals, tables
  else if (opcode === 0x41 || opcode === 0x42)
    reader.skipLeb(); // i32.const, i64.const
  else if (opcode >= 0x02 && opcode <= 0x04)
    reader.skipLeb(); // block, loop, if
  else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10)
    reader.skipLeb(); // br, br_if, call
  else if (opcode === 0x0e)
    reader.skipLebs(reader.u32() + 1); // br_table
  else if (opcode === 0x11)
    reader.skipLebs(2); // call_indirect
  else if (opcode === 0x1c)
    reader.skipLebs(reader.u32()); // select with types
  else if (opcode === 0x3f || opcode === 0x40)
    reader.skip(1); // memory.size, memory.grow
  else if (opcode === 0x43) reader.skip(4);
  else if (opcode === 0x44) reader.skip(8);
  else if (opcode === 0xfc) return skipBulkImmediates(reader);
  else if (opcode > 0xc4) throw new Error(`wasm: opcode 0x${opcode.toString(16)} is not supported`);
  return -1;
}

function skipBulkImmediates(reader: Reader): number {
  const code = reader.u32();
  if (code === 8 || code === 10)
    reader.skipLebs(2); // memory.init, memory.copy
  else if (code === 9 || code === 11)
    reader.skipLeb(); // data.drop, memory.fill
  else if (code > 7) throw new Error(`wasm: opcode 0xfc ${code} is not supported`);
  return code;
}
