import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { evictPages } from '../engine/process/start.js';

/**
 * Lets the kernel drop what it keeps of a mount's files.
 *
 * @throws HexzError EVICTION_FAILED
 */
export async function evictStreams(mountpoint: string): Promise<void> {
  for (const stream of await readdir(mountpoint)) await evictPages(join(mountpoint, stream));
}
