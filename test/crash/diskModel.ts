import { bytesOf, type Operation, REACH_BYTES } from './operations.js';

/** What a disk must hold after the operations that were answered. Bytes behind its end are zero. */
export class DiskModel {
  readonly #bytes = Buffer.alloc(REACH_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get contents(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Takes what was found as it is. */
  take(contents: Buffer): void {
    this.#bytes.fill(0).set(contents);
    this.#length = contents.length;
  }

  /** An operation was answered. */
  apply(operation: Operation): void {
    if (operation.kind === 'write') {
      this.#bytes.set(bytesOf(operation), operation.offset);
      this.#length = Math.max(this.#length, operation.offset + operation.length);
    } else if (operation.kind === 'truncate') {
      this.#bytes.fill(0, operation.length);
      this.#length = operation.length;
    }
  }

  /**
   * Fails unless a disk holds what was answered, and of the operation in flight nothing, all, or, if it is
   * a write, any part: each byte old or new, and the size between the old one and the new one.
   */
  check(found: Buffer, inFlight: Operation | undefined): void {
    if (inFlight?.kind === 'write') {
      this.#checkWrite(found, inFlight);
      return;
    }
    const isTruncated = inFlight?.kind === 'truncate' && found.length === inFlight.length;
    if (!isTruncated) expectLength(found, this.#length, this.#length);
    this.#expectOld(found, 0, found.length);
  }

  #checkWrite(found: Buffer, write: Extract<Operation, { kind: 'write' }>): void {
    const { offset, length } = write;
    const end = offset + length;
    expectLength(found, this.#length, Math.max(this.#length, end));
    this.#expectOld(found, 0, Math.min(offset, found.length));
    this.#expectOld(found, end, found.length);
    const bytes = bytesOf(write);
    found.subarray(offset, end).forEach((byte, index) => {
      const old = this.#bytes[offset + index];
      if (byte !== old && byte !== bytes[index]) {
        throw new Error(`byte ${offset + index} is ${byte}, neither ${old} nor ${bytes[index]}`);
      }
    });
  }

  #expectOld(found: Buffer, start: number, end: number): void {
    if (start >= end) return;
    const expected = this.#bytes.subarray(start, end);
    const actual = found.subarray(start, end);
    if (actual.equals(expected)) return;
    const index = actual.findIndex((byte, position) => byte !== expected[position]);
    throw new Error(`byte ${start + index} is ${actual[index]} instead of ${expected[index]}`);
  }
}

function expectLength(found: Buffer, least: number, most: number): void {
  if (found.length >= least && found.length <= most) return;
  const wanted = least === most ? `${least}` : `${least} to ${most}`;
  throw new Error(`the disk has ${found.length} bytes instead of ${wanted}`);
}
