import { afterEach, beforeEach, vi } from 'vitest';
import { mounts } from './mounts.js';

/**
 * For the top of a test file, before the mounts of `hexz/testing` that it uses: what they make lies in a sandbox, in
 * which `expectNothingLeft` looks for what is left of it.
 */
export function sandboxedTesting(): ReturnType<typeof mounts> {
  const hexz = mounts();
  beforeEach(() => {
    const { environment } = hexz.sandbox;
    const cache = hexz.sandbox.newDirectory('cache');
    for (const [name, value] of Object.entries({ ...environment, XDG_CACHE_HOME: cache })) {
      vi.stubEnv(name, value);
    }
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  return hexz;
}
