/** What is tested: a counter in the second sector of a disk. */
import { open } from 'node:fs/promises';

const SECTOR_BYTES = 512;
const MAGIC = 'COUNTER1';

/** Counts up by one; answers the new count. */
export async function countUp(path) {
  const disk = await open(path, 'r+');
  try {
    const sectors = Buffer.alloc(2 * SECTOR_BYTES);
    await disk.read(sectors, 0, sectors.length, 0);
    if (sectors.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new Error('no counter');
    const count = sectors.readUInt32LE(SECTOR_BYTES) + 1;
    sectors.writeUInt32LE(count, SECTOR_BYTES);
    await disk.write(sectors, SECTOR_BYTES, 4, SECTOR_BYTES);
    await disk.sync();
    return count;
  } finally {
    await disk.close();
  }
}
