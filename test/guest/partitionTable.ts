import { readFileSync } from 'node:fs';

const SECTOR_BYTES = 512;
const FIRST_ENTRY_OFFSET = 446;
const ENTRY_BYTES = 16;
const LINUX_TYPE = 0x83;
/** Where the first partition begins, and on what others are aligned. */
const ALIGNMENT_BYTES = 1024 ** 2;

/** A disk with the files as partitions, in a table of the kind that PCs have (MBR). */
export function partitionedDisk(paths: readonly string[]): Buffer {
  const table = Buffer.alloc(ALIGNMENT_BYTES);
  table.writeUInt16LE(0xaa55, SECTOR_BYTES - 2);
  let offset = ALIGNMENT_BYTES;
  const partitions = paths.map((path, index) => {
    const partition = readFileSync(path);
    const entryOffset = FIRST_ENTRY_OFFSET + index * ENTRY_BYTES;
    table[entryOffset + 4] = LINUX_TYPE;
    table.writeUInt32LE(offset / SECTOR_BYTES, entryOffset + 8);
    table.writeUInt32LE(partition.length / SECTOR_BYTES, entryOffset + 12);
    offset += partition.length;
    return partition;
  });
  return Buffer.concat([table, ...partitions]);
}
