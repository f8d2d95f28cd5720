/** Pages between two sums of bits; a power of two. */
const GROUP_BITS = 4096;
const GROUP_BYTES = GROUP_BITS / 8;

/**
 * Which pages a dump stores, one bit for each, the lowest bit of a byte first; and how many are stored before a page.
 * Costs one bit for each page and 4 bytes for 4096 pages.
 */
export class PageBitmap {
  readonly #bits: Buffer;
  readonly #pageCount: number;
  /** Bits that are set before each group. */
  readonly #sums: Float64Array;

  /** @param bits at least one for each page; taken over */
  constructor(bits: Buffer, pageCount: number) {
    this.#bits = bits;
    this.#pageCount = pageCount;
    this.#sums = new Float64Array(Math.ceil(bits.length / GROUP_BYTES) + 1);
    let sum = 0;
    for (let at = 0; at < bits.length; at++) {
      if (at % GROUP_BYTES === 0) this.#sums[at / GROUP_BYTES] = sum;
      sum += onesOf(bits[at] as number);
    }
    this.#sums[this.#sums.length - 1] = sum;
  }

  has(page: number): boolean {
    return page < this.#pageCount && ((this.#bits[page >>> 3] as number) & (1 << (page & 7))) !== 0;
  }

  /** How many pages are stored before this one. */
  rankOf(page: number): number {
    const group = Math.floor(page / GROUP_BITS);
    let rank = this.#sums[group] as number;
    const byte = page >>> 3;
    for (let at = group * GROUP_BYTES; at < byte; at++) rank += onesOf(this.#bits[at] as number);
    return rank + onesOf((this.#bits[byte] as number) & ((1 << (page & 7)) - 1));
  }

  /** How many pages from this one on are all stored, or all not; looks no further than `limit`. */
  runLength(page: number, isStored: boolean, limit: number): number {
    const end = Math.min(page + limit, this.#pageCount);
    const uniform = isStored ? 0xff : 0;
    let at = page;
    while (at < end) {
      if ((at & 7) === 0 && at + 8 <= end && this.#bits[at >>> 3] === uniform) at += 8;
      else if (this.has(at) === isStored) at++;
      else break;
    }
    return at - page;
  }
}

function onesOf(byte: number): number {
  let bits = byte - ((byte >>> 1) & 0x55);
  bits = (bits & 0x33) + ((bits >>> 2) & 0x33);
  return (bits + (bits >>> 4)) & 0x0f;
}
