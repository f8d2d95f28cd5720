import { writeFileSync } from 'node:fs';

/**
 * Has the kernel read further ahead in a file system than the 128 KiB that it begins with, so that several requests are under
 * way while one is waited for. Only root may; for others it stays as it is.
 *
 * @param deviceNumber "major:minor" of the file system
 */
export function raiseReadahead(deviceNumber: string, bytes: number): void {
  try {
    writeFileSync(`/sys/class/bdi/${deviceNumber}/read_ahead_kb`, String(bytes / 1024));
  } catch {
    // It may be gone already, or it is not permitted; reading works all the same.
  }
}
