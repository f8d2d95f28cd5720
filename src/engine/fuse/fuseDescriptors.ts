import { readdirSync, readlinkSync } from 'node:fs';

const DESCRIPTORS = '/proc/self/fd';

/** Descriptors of /dev/fuse that this process has open: its connections to mounts. */
export const fuseDescriptors = (): string[] => readdirSync(DESCRIPTORS).filter(isFuseDescriptor);

export function isFuseDescriptor(descriptor: string): boolean {
  try {
    return readlinkSync(`${DESCRIPTORS}/${descriptor}`) === '/dev/fuse';
  } catch {
    // Closed by now.
    return false;
  }
}
