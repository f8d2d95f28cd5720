import type { ByteSource } from '../byteSource.js';
import type { MemoryContainer } from './container.js';
import { beyondLimit, damaged, hex, unsupported } from './damage.js';
import { type DumpNotes, parseNotes } from './elfNotes.js';
import { MAX_NOTES_BYTES, MAX_PHYSICAL_ADDRESS, MAX_RANGES } from './limits.js';
import type { MappedRange } from './rangeMap.js';
import { SourceWindow, uint64LE } from './sourceWindow.js';
import { StoredContent } from './storedContent.js';

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const TYPE_CORE = 4;
const TYPE_LOAD = 1;
const TYPE_NOTE = 4;
/** The number of program headers that says: look into the first section header. */
const COUNT_IN_SECTION = 0xffff;
const SECTION_HEADER_BYTES = 64;
const architectures: Readonly<Record<number, string>> = {
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
};

interface ProgramHeader {
  readonly type: number;
  readonly fileOffset: number;
  readonly physicalAddress: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  /** Where the header itself is. */
  readonly headerOffset: number;
}

/**
 * A 64-bit little endian ELF core, as QEMU's `dump-guest-memory` and the kernel's /proc/vmcore have it: each LOAD is
 * a range at its `p_paddr`. Bytes that a LOAD has in memory and not in the file are not present.
 *
 * @throws HexzError MEMORY_UNSUPPORTED, MEMORY_DAMAGED, LIMIT
 */
export function openElfCore(source: ByteSource): MemoryContainer {
  const window = new SourceWindow(source, 64 * 1024);
  const header = window.view(0, HEADER_BYTES);
  if (header.readUInt8(4) !== CLASS_64 || header.readUInt8(5) !== LITTLE_ENDIAN) {
    throw unsupported('an ELF file that is not 64-bit little endian', 4);
  }
  const type = header.readUInt16LE(16);
  if (type !== TYPE_CORE) throw unsupported(`an ELF file of type ${type}, which is no core`, 16);
  const machine = header.readUInt16LE(18);
  const content = new StoredContent(source);
  const ranges: MappedRange[] = [];
  const warnings: string[] = [];
  let notes: DumpNotes | undefined;
  let notesBudget = MAX_NOTES_BYTES;
  for (const segment of programHeaders(window, header)) {
    if (segment.type === TYPE_NOTE) {
      const bytes = readNotes(window, segment, notesBudget, warnings);
      notesBudget -= bytes.length;
      notes = mergedNotes(notes, parseNotes(bytes));
    }
    if (segment.type !== TYPE_LOAD || segment.memoryBytes === 0) continue;
    const range = rangeOf(segment, source.length, warnings);
    if (range !== undefined) ranges.push({ ...range, backing: 'memory', content });
  }
  if (ranges.length === 0) warnings.push('the core holds no memory');
  const { cpuCount, vmcoreinfo } = notes ?? {};
  const metadata = {
    architecture: architectures[machine] ?? `ELF machine ${machine}`,
    ...(cpuCount === undefined ? {} : { cpuCount }),
    ...(vmcoreinfo === undefined ? {} : { vmcoreinfo }),
  };
  return {
    name: 'elf-core',
    ranges,
    metadata,
    warnings: [...warnings, ...(notes?.warnings ?? [])],
  };
}

function* programHeaders(window: SourceWindow, header: Buffer): Generator<ProgramHeader, void> {
  const tableOffset = uint64LE(header, 32);
  const sectionOffset = uint64LE(header, 40);
  const entryBytes = header.readUInt16LE(54);
  let count = header.readUInt16LE(56);
  if (entryBytes !== PROGRAM_HEADER_BYTES) {
    throw damaged(`program headers of ${entryBytes} bytes; they have ${PROGRAM_HEADER_BYTES}`, 54);
  }
  if (count === COUNT_IN_SECTION) {
    count = window.view(sectionOffset, SECTION_HEADER_BYTES).readUInt32LE(44);
  }
  if (count > MAX_RANGES) {
    throw beyondLimit(`${count} program headers; hexz reads ${MAX_RANGES}`, 56);
  }
  for (let index = 0; index < count; index++) {
    const headerOffset = tableOffset + index * PROGRAM_HEADER_BYTES;
    const bytes = window.view(headerOffset, PROGRAM_HEADER_BYTES);
    yield {
      headerOffset,
      type: bytes.readUInt32LE(0),
      fileOffset: uint64LE(bytes, 8),
      physicalAddress: uint64LE(bytes, 24),
      fileBytes: uint64LE(bytes, 32),
      memoryBytes: uint64LE(bytes, 40),
    };
  }
}

function rangeOf(
  { fileOffset, physicalAddress, fileBytes, memoryBytes, headerOffset }: ProgramHeader,
  sourceLength: number,
  warnings: string[],
): Pick<MappedRange, 'startAddress' | 'length' | 'contentOffset'> | undefined {
  const where = `offset ${headerOffset}: the range at ${hex(physicalAddress)}`;
  if (physicalAddress + Math.max(fileBytes, memoryBytes) > MAX_PHYSICAL_ADDRESS) {
    warnings.push(`${where} ends beyond all guest-physical addresses and is left out`);
    return undefined;
  }
  const length = Math.max(0, Math.min(fileBytes, memoryBytes, sourceLength - fileOffset));
  if (length < Math.min(fileBytes, memoryBytes)) {
    warnings.push(`${where} reaches beyond the end of the stream`);
  }
  if (fileBytes < memoryBytes) {
    warnings.push(`${where}: ${memoryBytes - fileBytes} bytes were left out by the dump`);
  }
  return length === 0
    ? undefined
    : { startAddress: physicalAddress, length, contentOffset: fileOffset };
}

function readNotes(
  window: SourceWindow,
  { fileOffset, fileBytes, headerOffset }: ProgramHeader,
  limit: number,
  warnings: string[],
): Buffer {
  const length = Math.max(0, Math.min(fileBytes, limit, window.source.length - fileOffset));
  if (length < fileBytes) {
    warnings.push(
      `offset ${headerOffset}: notes of ${fileBytes} bytes; ${length} of them are read`,
    );
  }
  const notes = Buffer.alloc(length);
  if (length > 0) window.copyInto(fileOffset, notes);
  return notes;
}

const mergedNotes = (before: DumpNotes | undefined, more: DumpNotes): DumpNotes => ({
  cpuCount: more.cpuCount ?? before?.cpuCount,
  vmcoreinfo: more.vmcoreinfo ?? before?.vmcoreinfo,
  warnings: [...(before?.warnings ?? []), ...more.warnings],
});
