import fc from 'fast-check';
import type { ByteSource } from '../../../src/forensics/byteSource.js';

export const GUEST_PAGE_BYTES = 4096;
export const FOUR_GIB = 4 * 1024 ** 3;

export interface Run {
  readonly address: number;
  readonly bytes: Buffer;
}

/** A guest of some pages of low memory and some from 4 GiB on, not all of them dumped. */
export class Guest {
  readonly lowPages: number;
  readonly highPages: number;
  /** By address. */
  readonly pages = new Map<number, Buffer>();

  constructor(lowPages: number, highPages: number) {
    this.lowPages = lowPages;
    this.highPages = highPages;
  }

  get ramBytes(): number {
    return (this.lowPages + this.highPages) * GUEST_PAGE_BYTES;
  }

  /** The address of the page at an offset of the RAM. */
  addressOf(ramOffset: number): number {
    const lowBytes = this.lowPages * GUEST_PAGE_BYTES;
    return ramOffset < lowBytes ? ramOffset : FOUR_GIB + ramOffset - lowBytes;
  }

  /** Present pages that follow each other. */
  runs(): Run[] {
    const runs: { address: number; pieces: Buffer[] }[] = [];
    let end = -1;
    for (const address of [...this.pages.keys()].sort((a, b) => a - b)) {
      if (address !== end) runs.push({ address, pieces: [] });
      runs.at(-1)?.pieces.push(this.pages.get(address) ?? Buffer.alloc(0));
      end = address + GUEST_PAGE_BYTES;
    }
    return runs.map(({ address, pieces }) => ({ address, bytes: Buffer.concat(pieces) }));
  }

  /** What is there from an address on, up to the first hole. */
  expected(address: number, length: number): Buffer {
    const pieces: Buffer[] = [];
    let at = address;
    while (at < address + length) {
      const inner = at % GUEST_PAGE_BYTES;
      const page = this.pages.get(at - inner);
      if (page === undefined) break;
      const piece = page.subarray(inner, inner + address + length - at);
      pieces.push(piece);
      at += piece.length;
    }
    return Buffer.concat(pieces);
  }
}

/** A page that tells where it is, and compresses. */
export function markedPage(address: number): Buffer {
  const page = Buffer.alloc(GUEST_PAGE_BYTES);
  for (let at = 0; at < page.length; at += 16) page.write(`${address.toString(16)}+${at}`, at, 16);
  return page;
}

/** Linux's boot_params with an address map that shows the two parts of a guest's RAM. */
export function bootParams({ lowPages, highPages }: Guest): Buffer {
  const page = Buffer.alloc(GUEST_PAGE_BYTES);
  page.writeUInt16LE(0xaa55, 0x1fe);
  page.write('HdrS', 0x202);
  const entries = [
    [0, lowPages * GUEST_PAGE_BYTES, 1],
    [0xfffc_0000, 0x4_0000, 2],
    ...(highPages === 0 ? [] : [[FOUR_GIB, highPages * GUEST_PAGE_BYTES, 1]]),
  ] as const;
  page.writeUInt8(entries.length, 0x1e8);
  entries.forEach(([start = 0, length = 0, type = 0], index) => {
    const at = 0x2d0 + 20 * index;
    page.writeBigUInt64LE(BigInt(start), at);
    page.writeBigUInt64LE(BigInt(length), at + 8);
    page.writeUInt32LE(type, at + 16);
  });
  return page;
}

const pageKind = fc.constantFrom('absent', 'zero', 'filled', 'marked', 'noise');

/** Guests with all kinds of pages; the first one holds boot_params. */
export const someGuest: fc.Arbitrary<Guest> = fc
  .tuple(
    fc.array(pageKind, { minLength: 1, maxLength: 24 }),
    fc.array(pageKind, { maxLength: 12 }),
    fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
  )
  .map(([low, high, values]) => {
    const guest = new Guest(low.length + 1, high.length);
    guest.pages.set(0, bootParams(guest));
    [...low, ...high].forEach((kind, index) => {
      const address = guest.addressOf((index + 1) * GUEST_PAGE_BYTES);
      const value = (values.next().value as number | undefined) ?? 0;
      const page = pageOfKind(kind, address, value);
      if (page !== undefined) guest.pages.set(address, page);
    });
    return guest;
  });

function pageOfKind(kind: string, address: number, value: number): Buffer | undefined {
  if (kind === 'absent') return undefined;
  if (kind === 'zero') return Buffer.alloc(GUEST_PAGE_BYTES);
  if (kind === 'filled') return Buffer.alloc(GUEST_PAGE_BYTES, value);
  if (kind === 'marked') return markedPage(address);
  return noisePage(value + address);
}

/** A page that does not compress, the same for the same seed. */
export function noisePage(seed: number): Buffer {
  const page = Buffer.alloc(GUEST_PAGE_BYTES);
  let state = (seed % 0x7fff_ffff) + 1;
  for (let at = 0; at < page.length; at++) {
    state = (state * 48_271) % 0x7fff_ffff;
    page[at] = state & 0xff;
  }
  return page;
}

/** A buffer as a source, which counts what is read of it. */
export function countedSource(bytes: Buffer): ByteSource & { readBytes: number } {
  return {
    length: bytes.length,
    readBytes: 0,
    readInto(offset, target) {
      const length = bytes.copy(target, 0, Math.min(offset, bytes.length));
      this.readBytes += length;
      return length;
    },
  };
}
