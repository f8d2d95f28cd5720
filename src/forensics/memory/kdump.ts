import type { ByteSource } from '../byteSource.js';
import type { ContainerName, MemoryContainer, MemoryStep } from './container.js';
import { beyondLimit, damaged, hex, relocated, unsupported } from './damage.js';
import { parseNotes } from './elfNotes.js';
import { FlattenedDump, unflatten } from './flattened.js';
import { KdumpPages } from './kdumpPages.js';
import { MAX_BITMAP_BYTES, MAX_NOTES_BYTES, MAX_RANGES } from './limits.js';
import { PageBitmap } from './pageBitmap.js';
import type { MappedRange } from './rangeMap.js';
import { SourceWindow, uint64LE } from './sourceWindow.js';

export const KDUMP_MAGIC = 'KDUMP   ';
const HEADER_BYTES = 464;
const SUB_HEADER_BYTES = 104;
const NAME_BYTES = 65;
const MACHINE_OFFSET = 12 + 4 * NAME_BYTES;
const VERSION_WITH_64_BIT_NUMBERS = 6;
const STATUS_INCOMPLETE = 8;
const unreadCompressions = [
  [2, 'LZO'],
  [4, 'Snappy'],
] as const;
const MIN_PAGE_BYTES = 4096;
const MAX_PAGE_BYTES = 65_536;
const MAX_CPUS = 65_536;

interface KdumpHeader {
  readonly machine: string;
  readonly isIncomplete: boolean;
  readonly pageBytes: number;
  readonly cpuCount: number;
  readonly pageCount: number;
  readonly bitmapOffset: number;
  /** Of one of the two bitmaps. */
  readonly bitmapBytes: number;
  readonly vmcoreinfo: Place;
  readonly notes: Place;
}

interface Place {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** A kdump in makedumpfile's flattened form. @throws HexzError as `openKdump` */
export function* openFlattenedKdump(source: ByteSource): Generator<MemoryStep, MemoryContainer> {
  const warnings: string[] = [];
  const plain = yield* unflatten(source, warnings);
  try {
    return openKdump(plain, 'kdump-flattened', warnings);
  } catch (error) {
    throw relocated(error, (offset) => plain.streamOffsetOf(offset, 1));
  }
}

/**
 * The compressed dump of makedumpfile and of QEMU's `dump-guest-memory`: header, sub-header, two bitmaps, a
 * descriptor for each stored page in the order of pages, and the pages. Descriptors stay where they are until they are
 * needed: memory is needed for the bitmap alone, 32 KiB for each GiB.
 *
 * @throws HexzError MEMORY_DAMAGED, MEMORY_UNSUPPORTED, LIMIT
 */
export function openKdump(
  source: ByteSource,
  name: ContainerName = 'kdump',
  warnings: string[] = [],
): MemoryContainer {
  const window = new SourceWindow(source);
  if (window.view(0, KDUMP_MAGIC.length).toString('latin1') !== KDUMP_MAGIC) {
    throw damaged('the flattened stream holds no kdump', 0);
  }
  const header = parseHeader(window);
  const { pageBytes, pageCount, bitmapBytes, bitmapOffset } = header;
  if (header.isIncomplete) warnings.push('the dump says that it was not completed');

  if (bitmapOffset + 2 * bitmapBytes > source.length) {
    throw damaged(`the dump ends within its bitmaps of ${bitmapBytes} bytes each`, 436);
  }
  const bits = Buffer.alloc(Math.ceil(pageCount / 8));
  window.copyInto(bitmapOffset + bitmapBytes, bits);
  const pages = new KdumpPages({
    source,
    pageBytes,
    bitmap: new PageBitmap(bits, pageCount),
    descriptorOffset: bitmapOffset + 2 * bitmapBytes,
    streamOffsetOf:
      source instanceof FlattenedDump
        ? (offset, length) => source.streamOffsetOf(offset, length)
        : (offset) => offset,
  });
  const known = Buffer.alloc(bits.length);
  window.copyInto(bitmapOffset, known);
  // A page that is stored is known, whatever a damaged bitmap says.
  for (let at = 0; at < bits.length; at++) known[at] = (known[at] as number) | (bits[at] as number);
  const ranges = rangesOf(new PageBitmap(known, pageCount), header, pages, warnings);

  const notes = parseNotes(readPlace(window, header.notes, warnings));
  const text = readPlace(window, header.vmcoreinfo, warnings)
    .toString('latin1')
    .replace(/\0+$/, '');
  const vmcoreinfo = text === '' ? notes.vmcoreinfo : text;
  const cpuCount = notes.cpuCount ?? (header.cpuCount > 0 ? header.cpuCount : undefined);
  const metadata = {
    ...(header.machine === '' ? {} : { architecture: header.machine }),
    ...(cpuCount === undefined ? {} : { cpuCount }),
    ...(vmcoreinfo === undefined ? {} : { vmcoreinfo }),
  };
  return { name, ranges, metadata, warnings: [...warnings, ...notes.warnings] };
}

function parseHeader(window: SourceWindow): KdumpHeader {
  const main = Buffer.from(window.view(0, HEADER_BYTES));
  const version = main.readUInt32LE(8);
  const status = main.readUInt32LE(424);
  const pageBytes = main.readUInt32LE(428);
  const subHeaderBlocks = main.readUInt32LE(432);
  const bitmapBlocks = main.readUInt32LE(436);
  const cpuCount = main.readUInt32LE(460);
  for (const [flag, name] of unreadCompressions) {
    if ((status & flag) !== 0) {
      throw unsupported(
        `the dump is compressed with ${name}, which hexz does not read`,
        424,
        'dump it with zlib or zstd',
      );
    }
  }
  if (
    pageBytes < MIN_PAGE_BYTES ||
    pageBytes > MAX_PAGE_BYTES ||
    (pageBytes & (pageBytes - 1)) !== 0
  ) {
    throw damaged(`blocks of ${pageBytes} bytes`, 428);
  }
  if (subHeaderBlocks === 0) throw damaged('a kdump without a sub-header', 432);
  const sub = window.view(pageBytes, SUB_HEADER_BYTES);
  if (sub.readUInt32LE(12) !== 0) {
    throw unsupported('one part of a split kdump', pageBytes + 12, 'join the parts first');
  }
  const pageCount =
    version >= VERSION_WITH_64_BIT_NUMBERS ? uint64LE(sub, 96) : main.readUInt32LE(440);
  const bitmapBytes = (bitmapBlocks * pageBytes) / 2;
  if (pageCount > MAX_BITMAP_BYTES * 8) {
    throw beyondLimit(
      `a kdump of ${pageCount} pages; hexz reads ${MAX_BITMAP_BYTES * 8}`,
      pageBytes + 96,
    );
  }
  if (pageCount > bitmapBytes * 8) {
    throw damaged(`bitmaps of ${bitmapBytes} bytes for ${pageCount} pages`, 436);
  }
  const end = main.indexOf(0, MACHINE_OFFSET);
  return {
    machine: main.toString('latin1', MACHINE_OFFSET, Math.min(end, MACHINE_OFFSET + NAME_BYTES)),
    isIncomplete: (status & STATUS_INCOMPLETE) !== 0,
    pageBytes,
    cpuCount: cpuCount > MAX_CPUS ? 0 : cpuCount,
    pageCount,
    bitmapOffset: (1 + subHeaderBlocks) * pageBytes,
    bitmapBytes,
    vmcoreinfo: { name: 'VMCOREINFO', offset: uint64LE(sub, 32), length: uint64LE(sub, 40) },
    notes: { name: 'notes', offset: uint64LE(sub, 48), length: uint64LE(sub, 56) },
  };
}

/** The memory that the first bitmap names: what the guest has, dumped or not. */
function rangesOf(
  known: PageBitmap,
  { pageCount, pageBytes }: KdumpHeader,
  content: KdumpPages,
  warnings: string[],
): MappedRange[] {
  const range = (page: number, count: number): MappedRange => ({
    startAddress: page * pageBytes,
    length: count * pageBytes,
    backing: 'memory',
    content,
    contentOffset: page * pageBytes,
  });
  const ranges: MappedRange[] = [];
  let page = 0;
  while (page < pageCount) {
    page += known.runLength(page, false, pageCount - page);
    const count = known.runLength(page, true, pageCount - page);
    if (count === 0) break;
    if (ranges.length === MAX_RANGES) {
      warnings.push(`more than ${MAX_RANGES} ranges; they are shown as one`);
      return [range(0, pageCount)];
    }
    ranges.push(range(page, count));
    page += count;
  }
  return ranges;
}

function readPlace(
  window: SourceWindow,
  { name, offset, length }: Place,
  warnings: string[],
): Buffer {
  if (length === 0) return Buffer.alloc(0);
  if (length > MAX_NOTES_BYTES || offset + length > window.source.length) {
    warnings.push(`${name}: ${length} bytes at offset ${hex(offset)} of the dump are not read`);
    return Buffer.alloc(0);
  }
  const bytes = Buffer.alloc(length);
  window.copyInto(offset, bytes);
  return bytes;
}
