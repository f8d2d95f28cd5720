import type { OverlayFile, OverlayFiles } from '../../../src/engine/overlay/files.js';

const BLOCK_BYTES = 4096;

/** The overlay of the Rust hexz, weaknesses and all (docs/format.md). */
export class ReferenceOverlay {
  readonly #data: OverlayFile;
  readonly #list: OverlayFile;
  readonly #base: Buffer;
  readonly #listed = new Set<number>();

  constructor(files: OverlayFiles, dataPath: string, listPath: string, base: Buffer) {
    const open = (path: string): OverlayFile => {
      try {
        return files.open(path, 'write');
      } catch {
        return files.open(path, 'create');
      }
    };
    this.#data = open(dataPath);
    this.#list = open(listPath);
    this.#base = base;
    const list = Buffer.alloc(this.#list.length());
    this.#list.read(list, 0);
    for (let at = 0; at + 8 <= list.length; at += 8) {
      this.#listed.add(Number(list.readBigUInt64LE(at)));
    }
  }

  get length(): number {
    return Math.max(this.#base.length, this.#data.length());
  }

  /** Changes with every write that hexz can see in the lengths of the files. */
  get trace(): string {
    return `${this.#data.length()} ${this.#list.length()}`;
  }

  contents(): Buffer {
    const bytes = Buffer.alloc(this.length);
    this.#base.copy(bytes);
    for (const block of this.#listed) {
      const offset = block * BLOCK_BYTES;
      const piece = bytes.subarray(offset, offset + BLOCK_BYTES);
      // What it cannot read whole, it takes for zeros.
      piece.fill(0);
      if (offset + piece.length <= this.#data.length()) this.#data.read(piece, offset);
    }
    return bytes;
  }

  write(offset: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    for (let block = Math.floor(offset / BLOCK_BYTES); block * BLOCK_BYTES < end; block++) {
      if (!this.#listed.has(block)) this.#seed(block);
    }
    this.#data.write(bytes, offset);
  }

  truncate(length: number): void {
    this.#data.truncate(length);
  }

  close(): void {
    this.#data.close();
    this.#list.close();
  }

  #seed(block: number): void {
    const offset = block * BLOCK_BYTES;
    if (offset < this.#base.length) {
      const seed = Buffer.alloc(BLOCK_BYTES);
      this.#base.copy(seed, 0, offset);
      this.#data.write(seed, offset);
    }
    const entry = Buffer.alloc(8);
    entry.writeBigUInt64LE(BigInt(block));
    this.#list.write(entry, this.#list.length());
    this.#listed.add(block);
  }
}
