import { HexzError } from '../errors.js';
import type { FuseBackend } from './backend.js';
import { type BackendName, backendNames } from './backendNames.js';
import { fuseNative } from './fuseNative.js';
import { kernelBackend } from './kernel/kernelBackend.js';
import { canMountWith } from './requirements.js';

const backends: Readonly<Record<BackendName, FuseBackend>> = {
  kernel: kernelBackend,
  'fuse-native': fuseNative,
};

/**
 * The backend that mounts.
 *
 * @param name the one that was asked for, or else the one that HEXZ_BACKEND in the environment names. Where nobody asks,
 *   the first that this machine has all for
 * @throws HexzError USAGE if there is none of that name
 */
export function chooseBackend(name: string | undefined): FuseBackend {
  const wanted = name ?? (process.env.HEXZ_BACKEND || undefined);
  if (wanted === undefined) return backends[backendNames.find(canMountWith) ?? 'kernel'];
  const backend = backendNames.find((known) => known === wanted);
  if (backend !== undefined) return backends[backend];
  throw new HexzError('USAGE', `there is no backend "${wanted}"`, {
    hint: `choose ${backendNames.join(' or ')}`,
  });
}
