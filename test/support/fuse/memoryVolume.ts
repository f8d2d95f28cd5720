import { HexzError } from '../../../src/engine/errors.js';
import type { Volume } from '../../../src/engine/volume/volume.js';
import type { Snapshot, StreamName } from '../../../src/index.js';

const DISK_LIMIT_BYTES = 512 * 1024 * 1024;

/** Where a stream cannot be read. */
interface Damage {
  readonly stream: StreamName;
  readonly offset: number;
  readonly length: number;
}

/** A volume in memory that remembers what it was asked. */
export class MemoryVolume implements Volume {
  readonly isWritable: boolean;
  readonly dirtyBytes = 0;
  /** Lengths of all reads and writes, in their order. */
  readonly reads: number[] = [];
  readonly writes: number[] = [];
  syncCount = 0;
  damage: Damage | undefined;
  /** What syncs fail with. */
  syncError: Error | undefined;
  /** All bytes that the disk could have; those behind its end are zero. */
  readonly #disk: Buffer;
  #diskLength: number;
  readonly #memory: Buffer | undefined;

  constructor(disk: Buffer, memory: Buffer | undefined, isWritable: boolean) {
    this.isWritable = isWritable;
    this.#disk = isWritable ? Buffer.alloc(DISK_LIMIT_BYTES) : disk;
    if (isWritable) disk.copy(this.#disk);
    this.#diskLength = disk.length;
    this.#memory = memory;
  }

  get snapshot(): Snapshot {
    throw new Error('there is no snapshot');
  }

  /** What a stream holds now. */
  bytes(stream: StreamName): Buffer {
    if (stream === 'disk') return this.#disk.subarray(0, this.#diskLength);
    return this.#memory ?? Buffer.alloc(0);
  }

  hasStream(stream: StreamName): boolean {
    return stream === 'disk' || this.#memory !== undefined;
  }

  streamLength(stream: StreamName): number {
    return this.bytes(stream).length;
  }

  readInto(stream: StreamName, offset: number, target: Buffer): number {
    this.reads.push(target.length);
    const { damage } = this;
    if (
      damage?.stream === stream &&
      offset < damage.offset + damage.length &&
      offset + target.length > damage.offset
    ) {
      throw new HexzError('CRC', 'wrong CRC-32', { location: { stream, offset } });
    }
    const bytes = this.bytes(stream);
    return bytes.copy(target, 0, Math.min(offset, bytes.length));
  }

  write(offset: number, bytes: Buffer): void {
    this.writes.push(bytes.length);
    if (offset + bytes.length > this.#diskLength) this.truncate(offset + bytes.length);
    bytes.copy(this.#disk, offset);
  }

  truncate(length: number): void {
    if (length > DISK_LIMIT_BYTES) throw new HexzError('DISK_TOO_LARGE', 'too large');
    if (length < this.#diskLength) this.#disk.fill(0, length, this.#diskLength);
    this.#diskLength = length;
  }

  async sync(): Promise<void> {
    this.syncCount++;
    if (this.syncError !== undefined) throw this.syncError;
  }

  async close(): Promise<void> {}
}
