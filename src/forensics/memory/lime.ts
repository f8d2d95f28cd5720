import type { ByteSource } from '../byteSource.js';
import type { MemoryContainer } from './container.js';
import { damaged, hex, unsupported } from './damage.js';
import { MAX_PHYSICAL_ADDRESS, MAX_RANGES } from './limits.js';
import type { MappedRange } from './rangeMap.js';
import { SourceWindow, uint64LE } from './sourceWindow.js';
import { StoredContent } from './storedContent.js';

export const LIME_MAGIC = 0x4c69_4d45;
const VERSION = 1;
const HEADER_BYTES = 32;

/**
 * LiME's own format: for each range a header {u32 magic, u32 version, u64 first address, u64 last address, 8 bytes
 * reserved}, little endian, and its bytes. Where a header is damaged, the ranges before it are read.
 *
 * @throws HexzError MEMORY_DAMAGED, MEMORY_UNSUPPORTED for the first header
 */
export function openLime(source: ByteSource): MemoryContainer {
  const window = new SourceWindow(source, 4096);
  const content = new StoredContent(source);
  const ranges: MappedRange[] = [];
  const warnings: string[] = [];
  let offset = 0;
  while (offset < source.length) {
    const problem = (message: string) => {
      if (ranges.length === 0) throw damaged(message, offset);
      warnings.push(`offset ${offset}: ${message}; what follows is not read`);
    };
    if (ranges.length === MAX_RANGES) {
      problem(`more than ${MAX_RANGES} ranges`);
      break;
    }
    if (source.length - offset < HEADER_BYTES) {
      problem('the stream ends in the header of a range');
      break;
    }
    const header = window.view(offset, HEADER_BYTES);
    if (header.readUInt32LE(0) !== LIME_MAGIC) {
      problem('no header of a LiME range');
      break;
    }
    const version = header.readUInt32LE(4);
    if (version !== VERSION) {
      if (ranges.length === 0)
        throw unsupported(`LiME version ${version}; hexz reads version 1`, 4);
      problem(`LiME version ${version}`);
      break;
    }
    const startAddress = uint64LE(header, 8);
    const lastAddress = uint64LE(header, 16);
    if (lastAddress < startAddress || lastAddress >= MAX_PHYSICAL_ADDRESS) {
      problem(`a range from ${hex(startAddress)} to ${hex(lastAddress)}`);
      break;
    }
    offset += HEADER_BYTES;
    const length = lastAddress + 1 - startAddress;
    const storedLength = Math.min(length, source.length - offset);
    if (storedLength < length) {
      warnings.push(
        `the stream ends within the range at ${hex(startAddress)}: ${length - storedLength} bytes are not present`,
      );
    }
    ranges.push({
      startAddress,
      length: storedLength,
      backing: 'memory',
      content,
      contentOffset: offset,
    });
    offset += storedLength;
  }
  return { name: 'lime', ranges, metadata: {}, warnings };
}
