import { FreeRanges } from './freeRanges.js';
import { LZ4_PREFIX_BYTES, type Lz4Decoder } from './lz4.js';
import { libraryLz4 } from './lz4Library.js';
import { instantiateLz4, WASM_TABLE_BYTES, type WasmLz4 } from './lz4Wasm.js';

/** For what is not in the block cache: stored bytes of every file of a chain, replies, a block that passes through. */
const OTHER_BYTES = 64 * 1024 * 1024;
/** Whatever is allocated begins at a line of the processor's cache. */
const ALIGNMENT_BYTES = 64;

/**
 * Memory for stored and decoded blocks, in which our own LZ4 decoder works. A block that is stored here and decoded to here
 * is never copied; what lies elsewhere is copied in, or out.
 *
 * State: `#lz4`, the decoder with its memory, made when it is first needed, and `#free`, what of that memory nobody has.
 * Where there is no decoder (`null`), or no room, `allocate` answers ordinary memory, and lz4-napi decodes.
 *
 * Invariant: what `allocate` answered is nobody else's until it goes to `free`. Not for use from several threads.
 */
export class DecoderMemory {
  readonly #bytes: number;
  readonly #instantiate: typeof instantiateLz4;
  #lz4: WasmLz4 | null | undefined;
  #free: FreeRanges | undefined;

  /** @param cacheBytes how much of it a block cache takes */
  constructor(cacheBytes: number, instantiate = instantiateLz4) {
    this.#bytes = WASM_TABLE_BYTES + cacheBytes + OTHER_BYTES;
    this.#instantiate = instantiate;
  }

  /** Whether `decodeLz4` saves time where less is wanted than all. */
  get canStopEarly(): boolean {
    return this.#open() !== null;
  }

  /** So many bytes, with anything in them. */
  allocate(length: number): Buffer {
    return this.#allocateInside(this.#open(), length) ?? Buffer.allocUnsafeSlow(length);
  }

  /** Takes back what `allocate` has answered. */
  free(bytes: Buffer): void {
    if (bytes.buffer === this.#lz4?.memory) {
      this.#free?.give(bytes.byteOffset, alignedLength(bytes.length));
    }
  }

  /** Decodes a block; from anywhere to anywhere, but from here to here without a copy. */
  readonly decodeLz4: Lz4Decoder = (stored, target, wantedLength) => {
    const lz4 = this.#open();
    const source = this.#inside(lz4, stored);
    const plain = this.#inside(lz4, target);
    try {
      if (lz4 === null || source === undefined || plain === undefined) {
        libraryLz4(stored, target, wantedLength);
        return;
      }
      if (source !== stored) source.set(stored);
      const decodedLength = lz4.decodeBlock(
        source.byteOffset + LZ4_PREFIX_BYTES,
        source.length - LZ4_PREFIX_BYTES,
        plain.byteOffset,
        plain.length,
        wantedLength,
      );
      if (decodedLength < wantedLength) throw new Error(`result ${decodedLength}`);
      if (plain !== target) plain.copy(target, 0, 0, wantedLength);
    } finally {
      if (plain !== undefined && plain !== target) this.free(plain);
      if (source !== undefined && source !== stored) this.free(source);
    }
  };

  /** Lets go of the memory. What was allocated stays good as long as somebody has it, but is outside then. */
  letGo(): void {
    this.#lz4 = undefined;
    this.#free = undefined;
  }

  #open(): WasmLz4 | null {
    if (this.#lz4 === undefined) {
      this.#lz4 = this.#instantiate(this.#bytes) ?? null;
      if (this.#lz4 !== null) {
        this.#free = new FreeRanges(WASM_TABLE_BYTES, this.#lz4.memory.byteLength);
      }
    }
    return this.#lz4;
  }

  /** The bytes themselves where they lie inside, otherwise room for them; undefined where there is none. */
  #inside(lz4: WasmLz4 | null, bytes: Buffer): Buffer | undefined {
    return bytes.buffer === lz4?.memory ? bytes : this.#allocateInside(lz4, bytes.length);
  }

  #allocateInside(lz4: WasmLz4 | null, length: number): Buffer | undefined {
    const offset = lz4 === null ? undefined : this.#free?.take(alignedLength(length));
    if (lz4 === null || offset === undefined) return undefined;
    return Buffer.from(lz4.memory, offset, length);
  }
}

const alignedLength = (length: number): number =>
  Math.max(1, Math.ceil(length / ALIGNMENT_BYTES)) * ALIGNMENT_BYTES;
