import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';

/**
 * Runs an action on a file of an overlay; what the system throws comes out in our words.
 *
 * @throws HexzError NO_SPACE, DISK_TOO_LARGE, OVERLAY_UNUSABLE
 */
export function onFile<T>(path: string, what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asOverlayError(error, path, what);
  }
}

/** The same for something that was thrown already. */
export function asOverlayError(error: unknown, path: string, what: string): HexzError {
  if (error instanceof HexzError) return error;
  const code = codeOf(error) ?? '';
  const kind = kinds[code] ?? 'OVERLAY_UNUSABLE';
  return new HexzError(kind, `cannot ${what}: ${describeSystemError(error)}`, {
    location: { file: path },
    cause: error,
  });
}

const kinds: Readonly<Record<string, 'NO_SPACE' | 'DISK_TOO_LARGE'>> = {
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EFBIG: 'DISK_TOO_LARGE',
};

/** Whether it was thrown because there is no room left. */
export const isOutOfRoom = (error: unknown): boolean =>
  asOverlayError(error, '', '').code === 'NO_SPACE';

export const codeOf = (error: unknown): string | undefined =>
  (error as NodeJS.ErrnoException | undefined)?.code;

export const damaged = (path: string, message: string, hint?: string): HexzError =>
  new HexzError('OVERLAY_DAMAGED', message, { location: { file: path }, hint });

export const tooLarge = (path: string): HexzError =>
  new HexzError('DISK_TOO_LARGE', 'a disk with an overlay has at most 16 TiB', {
    location: { file: path },
  });

export const wrongBase = (path: string, base: string, recorded: string): HexzError =>
  new HexzError(
    'WRONG_BASE',
    `the overlay was made on another snapshot (${recorded}), not on ${base}`,
    { location: { file: path }, hint: 'give that snapshot, or --force if you know better' },
  );
