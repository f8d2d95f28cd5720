import { readFileSync } from 'node:fs';

/** `decode` of assembly/lz4.ts: offsets and lengths in bytes, all inside of the memory; -1 for a block that it refuses. */
type DecodeBlock = (
  sourceOffset: number,
  sourceLength: number,
  targetOffset: number,
  targetLength: number,
  wantedLength: number,
) => number;

/** A decoder and the memory that it works in. */
export interface WasmLz4 {
  readonly memory: ArrayBuffer;
  readonly decodeBlock: DecodeBlock;
}

/** What is used of the global of that name, which the types of Node leave out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (size: {
    initial: number;
    maximum: number;
  }) => {
    readonly buffer: ArrayBuffer;
  };
};

const WASM_PAGE_BYTES = 64 * 1024;
/** One less than there can be: an end is an offset, too. */
const MAX_WASM_PAGES = 65_535;

/** The decoder keeps its tables below. */
export const WASM_TABLE_BYTES = 4096;

let compiled: object | undefined;

/**
 * Makes a decoder with so much memory (at most 4 GiB), which never grows: views of it stay good. It costs address space at
 * first, and real memory where it is written. Undefined where the machine has no SIMD or not so much address space.
 */
export function instantiateLz4(memoryBytes: number): WasmLz4 | undefined {
  try {
    compiled ??= new WebAssembly.Module(readFileSync(new URL('./lz4.wasm', import.meta.url)));
    const pages = Math.min(Math.ceil(memoryBytes / WASM_PAGE_BYTES), MAX_WASM_PAGES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    const { decode } = exports as { readonly decode: DecodeBlock };
    return { memory: memory.buffer, decodeBlock: decode };
  } catch (error) {
    // A CompileError or a RangeError; that the module is not there is another matter.
    if (error instanceof Error && 'code' in error) throw error;
    return undefined;
  }
}
