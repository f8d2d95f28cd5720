import { openOutput } from '../outputFile.js';
import type { Content } from './content.js';

const OWNER_ONLY = 0o600;
const YIELD_MS = 50;

/** Goes through pieces of work, and lets signals and timers through a few times a second. */
export async function eachPiece<Piece>(
  pieces: Iterable<Piece>,
  signal: AbortSignal | undefined,
  take: (piece: Piece) => void,
): Promise<void> {
  let yieldedAt = performance.now();
  for (const piece of pieces) {
    take(piece);
    if (performance.now() - yieldedAt < YIELD_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    yieldedAt = performance.now();
  }
}

/**
 * Writes a content into a new file that only its owner can read, with holes for zeros.
 *
 * @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED, and what making the content throws
 */
export async function writeContent(
  content: Content,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const output = openOutput(path, { force: false, mode: OWNER_ONLY });
  try {
    await eachPiece(content.pieces(), signal, (piece) => {
      if (typeof piece === 'number') output.skip(piece);
      else output.write(piece);
    });
    output.finish();
  } catch (error) {
    output.discard();
    throw error;
  }
}
