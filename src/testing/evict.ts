import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HexzError } from '../engine/errors.js';

/**
 * Drops the pages of a mount's files from the cache of the kernel, by `posix_fadvise`, which Node does not have.
 *
 * @throws HexzError TOOL_MISSING
 */
export async function evictStreams(mountpoint: string): Promise<void> {
  for (const stream of await readdir(mountpoint)) {
    try {
      const input = `if=${join(mountpoint, stream)}`;
      await promisify(execFile)('dd', [input, 'iflag=nocache', 'count=0', 'status=none']);
    } catch (cause) {
      throw new HexzError('TOOL_MISSING', 'the cache cannot be emptied without a dd that can', {
        hint: 'apt install coreutils',
        cause,
      });
    }
  }
}
