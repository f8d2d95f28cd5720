import { HexzError } from '../engine/errors.js';
import { recordedBasePath } from '../engine/overlay/maintenance.js';
import type { Snapshot } from '../engine/snapshot/snapshot.js';
import type { ReadOptions } from './arguments.js';
import { openForCommand } from './password.js';

/**
 * The snapshot that --base names, or else the one that the overlay was made on.
 *
 * @throws HexzError USAGE where neither is known; UNREADABLE
 */
export function basePathOf(overlayPath: string, given: string | undefined): string {
  const path = given ?? recordedBasePath(overlayPath);
  if (path !== undefined) return path;
  throw new HexzError('USAGE', 'the overlay does not say on which snapshot it was made', {
    location: { file: overlayPath },
    hint: 'name it with --base',
  });
}

/** Opens the base of an overlay; where the overlay told its path, an error says what to do. */
export async function openBase(
  path: string,
  options: ReadOptions & { readonly base?: string },
): Promise<Snapshot> {
  try {
    return await openForCommand(path, options);
  } catch (error) {
    const isGone = error instanceof HexzError && error.code === 'UNREADABLE';
    if (!isGone || options.base !== undefined) throw error;
    throw new HexzError(error.code, error.message, {
      location: error.location,
      hint: 'the overlay was made on it; name the snapshot with --base if it is elsewhere now',
      cause: error,
    });
  }
}
