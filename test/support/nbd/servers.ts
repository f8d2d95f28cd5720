import { afterEach } from 'vitest';
import { type ServedVolume, type ServingOptions, serveVolume } from './serveVolume.js';

/** For the top of a test file: starts servers, which are closed after each test. */
export function servedVolumes(
  newDirectory: () => string,
): (options: ServingOptions) => Promise<ServedVolume> {
  const served: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of served.splice(0)) await each.close();
  });
  return async (options) => {
    const volume = await serveVolume(newDirectory(), options);
    served.push(volume);
    return volume;
  };
}
