import type { ByteSource } from '../byteSource.js';
import { beyondLimit, damaged, hex, unsupported } from './damage.js';
import { GUEST_PAGE_BYTES } from './guestPage.js';
import { MAX_MIGRATED_BYTES, MAX_RAM_BLOCKS } from './limits.js';
import { SourceWindow } from './sourceWindow.js';

export const MIGRATION_MAGIC = 0x5145_564d;
const VERSION = 3;
const RAM_VERSION = 4;
const PAGE_BITS = 12;
const UUID_BYTES = 16;
const MAX_CAPABILITIES = 256;

const SECTION = {
  end: 0,
  start: 1,
  part: 2,
  last: 3,
  full: 4,
  subsection: 5,
  description: 6,
  configuration: 7,
  command: 8,
  footer: 0x7e,
} as const;

const RECORD = { filled: 2, sizes: 4, page: 8, end: 0x10, sameBlock: 0x20 } as const;
const unreadRecords: Readonly<Record<number, string>> = {
  1: 'a full section of an old version',
  64: 'xbzrle',
  128: 'RDMA',
  256: 'compression',
  512: 'multifd',
};
/** What changes the layout of the RAM section. Streams name only some of them. */
const unreadCapabilities: ReadonlySet<string> = new Set(['mapped-ram', 'multifd']);

export interface BlockSize {
  readonly name: string;
  readonly length: number;
}

/** Where a walk through the stream is; a copy of it can be taken up again later. */
export interface MigrationPosition {
  readonly offset: number;
  readonly blockIndex: number;
}

/**
 * Walks through a QEMU migration stream from page to page.
 *
 * State: `offset` is where the next section or record begins; `#isInRam` tells which of the two. After `next()` has
 * answered true, `blockIndex`, `pageOffset` and either `dataOffset` or `fillValue` describe a page. Sections behind the end
 * of the RAM (the states of devices) are not walked through: their length is stored nowhere.
 */
export class MigrationRecords {
  readonly blocks: BlockSize[] = [];
  readonly capabilities: string[] = [];
  machine: string | undefined;
  /** Whether the end of the RAM section was reached. */
  isComplete = false;
  blockIndex = -1;
  pageOffset = 0;
  /** Where the page is stored, or -1 when it is filled. */
  dataOffset = -1;
  fillValue = 0;
  offset = 0;
  readonly #window: SourceWindow;
  readonly #indexes = new Map<string, number>();
  #isInRam = false;
  #isLast = false;
  #ramId = -1;

  constructor(source: ByteSource) {
    this.#window = new SourceWindow(source, 1024 * 1024);
  }

  /** Where a page record begins that `next` just told about, for `resume`. */
  recordOffset = 0;

  /** Goes back to the record of a page. */
  resume({ offset, blockIndex }: MigrationPosition): void {
    this.offset = offset;
    this.blockIndex = blockIndex;
    this.#isInRam = true;
    this.#isLast = false;
  }

  /**
   * Goes on to the next page.
   *
   * @returns false at the end of the RAM
   * @throws HexzError MEMORY_DAMAGED, MEMORY_UNSUPPORTED, LIMIT
   */
  next(): boolean {
    for (;;) {
      if (this.#isInRam) {
        if (this.#nextRecord()) return true;
        if (this.#isInRam) continue;
        if (this.#isLast) {
          this.isComplete = true;
          return false;
        }
      } else if (this.offset === 0) {
        this.#fileHeader();
      } else if (!this.#section()) {
        return false;
      }
    }
  }

  #fileHeader(): void {
    if (this.#uint32() !== MIGRATION_MAGIC) throw damaged('no migration stream', 0);
    const version = this.#uint32();
    if (version !== VERSION) {
      throw unsupported(`a migration stream of version ${version}; hexz reads ${VERSION}`, 4);
    }
  }

  /** @returns false where nothing follows that belongs to the RAM */
  #section(): boolean {
    const start = this.offset;
    const type = this.#uint8();
    switch (type) {
      case SECTION.configuration:
        this.machine = this.#text(this.#uint32(), 'the name of the machine');
        return true;
      case SECTION.subsection:
        this.#configurationDetail();
        return true;
      case SECTION.start:
        this.#start(start);
        return true;
      case SECTION.part:
      case SECTION.last: {
        const id = this.#uint32();
        if (id !== this.#ramId)
          throw damaged(`a part of section ${id}, which is not the RAM`, start);
        this.#isInRam = true;
        this.#isLast = type === SECTION.last;
        return true;
      }
      case SECTION.footer: {
        const id = this.#uint32();
        if (id !== this.#ramId) throw damaged(`the footer of section ${id} after the RAM`, start);
        return true;
      }
      case SECTION.command: {
        this.#uint16();
        this.offset += this.#uint16();
        return true;
      }
      case SECTION.full:
      case SECTION.description:
      case SECTION.end:
        return false;
      default:
        throw damaged(`a section of type ${hex(type)}`, start);
    }
  }

  #start(offset: number): void {
    const id = this.#uint32();
    const name = this.#text(this.#uint8(), 'the name of a section');
    this.offset += 4; // The instance.
    const version = this.#uint32();
    if (name !== 'ram') {
      throw unsupported(
        `section "${name}" beside the RAM`,
        offset,
        'migrate without block devices',
      );
    }
    if (version !== RAM_VERSION) {
      throw unsupported(`version ${version} of the RAM section; hexz reads ${RAM_VERSION}`, offset);
    }
    this.#ramId = id;
    this.#isInRam = true;
    this.#isLast = false;
  }

  #configurationDetail(): void {
    const offset = this.offset - 1;
    const name = this.#text(this.#uint8(), 'the name of a subsection');
    this.offset += 4; // The version.
    if (name === 'configuration/target-page-bits') {
      const bits = this.#uint32();
      if (bits !== PAGE_BITS) throw unsupported(`pages of 2^${bits} bytes`, offset);
    } else if (name === 'configuration/uuid') {
      this.offset += UUID_BYTES;
    } else if (name === 'configuration/capabilities') {
      const count = this.#uint32();
      if (count > MAX_CAPABILITIES) throw damaged(`${count} capabilities`, offset);
      for (let index = 0; index < count; index++) {
        const capability = this.#text(this.#uint8(), 'the name of a capability');
        if (unreadCapabilities.has(capability)) {
          throw unsupported(`the stream was made with "${capability}"`, offset);
        }
        this.capabilities.push(capability);
      }
    } else {
      throw unsupported(`subsection "${name}" of the configuration`, offset);
    }
  }

  /** @returns whether the record is a page; at the end of the payload `#isInRam` ends */
  #nextRecord(): boolean {
    const start = this.offset;
    const high = this.#uint32();
    const low = this.#uint32();
    const flags = low & (GUEST_PAGE_BYTES - 1);
    const offset = high * 2 ** 32 + (low >>> PAGE_BITS) * GUEST_PAGE_BYTES;
    const kind = flags & ~RECORD.sameBlock;
    switch (kind) {
      case RECORD.end:
        this.#isInRam = false;
        return false;
      case RECORD.sizes:
        this.#sizes(offset, start);
        return false;
      case RECORD.filled:
      case RECORD.page:
        this.#page(flags, offset, start);
        return true;
      default:
        throw this.#unknownRecord(flags, start);
    }
  }

  #page(flags: number, offset: number, start: number): void {
    if ((flags & RECORD.sameBlock) === 0) {
      const name = this.#text(this.#uint8(), 'the name of a RAM block');
      const index = this.#indexes.get(name);
      if (index === undefined)
        throw damaged(`a page of RAM block "${name}", which is not announced`, start);
      this.blockIndex = index;
    }
    const block = this.blocks[this.blockIndex];
    if (block === undefined) throw damaged('a page of no RAM block', start);
    if (offset >= block.length) {
      throw damaged(
        `a page at ${hex(offset)} of RAM block "${block.name}", which has ${block.length} bytes`,
        start,
      );
    }
    this.recordOffset = start;
    this.pageOffset = offset;
    if ((flags & RECORD.page) !== 0) {
      this.dataOffset = this.offset;
      this.offset += GUEST_PAGE_BYTES;
      // The last byte has to be there.
      this.#window.uint8(this.offset - 1);
    } else {
      this.dataOffset = -1;
      this.fillValue = this.#uint8();
    }
  }

  #sizes(total: number, start: number): void {
    if (this.blocks.length > 0) throw damaged('the RAM blocks are announced twice', start);
    if (total > MAX_MIGRATED_BYTES) {
      throw beyondLimit(`RAM blocks of ${total} bytes; hexz reads ${MAX_MIGRATED_BYTES}`, start);
    }
    let left = total;
    while (left > 0) {
      const offset = this.offset;
      const name = this.#text(this.#uint8(), 'the name of a RAM block');
      const length = this.#uint32() * 2 ** 32 + this.#uint32();
      if (length === 0 || length > left) {
        throw damaged(`RAM block "${name}" of ${length} bytes, where ${left} are left`, offset);
      }
      if (this.#indexes.has(name)) throw damaged(`two RAM blocks "${name}"`, offset);
      if (this.blocks.length === MAX_RAM_BLOCKS) {
        throw beyondLimit(`more than ${MAX_RAM_BLOCKS} RAM blocks`, offset);
      }
      this.#indexes.set(name, this.blocks.length);
      this.blocks.push({ name, length });
      left -= length;
      this.#skipBlockDetails();
    }
  }

  /** With some capabilities the size of a page or an address follows: neither a name nor a record begins like that. */
  #skipBlockDetails(): void {
    const { offset } = this;
    while (
      this.#window.uint8(this.offset) === 0 &&
      (this.#window.uint32BE(this.offset + 4) & (GUEST_PAGE_BYTES - 1)) === 0 &&
      this.offset < offset + 16
    ) {
      this.offset += 8;
    }
  }

  #unknownRecord(flags: number, offset: number) {
    for (const [flag, name] of Object.entries(unreadRecords)) {
      if ((flags & Number(flag)) !== 0) {
        return unsupported(`the RAM was migrated with ${name}, which hexz does not read`, offset);
      }
    }
    return damaged(`a RAM record with flags ${hex(flags)}`, offset);
  }

  #text(length: number, what: string): string {
    if (length === 0 || length > 255) throw damaged(`${what} has ${length} bytes`, this.offset);
    const text = this.#window.view(this.offset, length).toString('latin1');
    this.offset += length;
    return text;
  }

  #uint8(): number {
    return this.#window.uint8(this.offset++);
  }

  #uint16(): number {
    this.offset += 2;
    return this.#window.uint16BE(this.offset - 2);
  }

  #uint32(): number {
    this.offset += 4;
    return this.#window.uint32BE(this.offset - 4);
  }
}
