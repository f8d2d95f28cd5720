import { createHash } from 'node:crypto';
import { HexzError } from '../../errors.js';
import type { Params, Result } from '../protocol/methods.js';
import { checkWithin, endOf, type JobContext } from './context.js';
import type { JobProgress } from './output.js';

const PIECE_BYTES = 1024 * 1024;

/** Answers `hash`; what is not present, or goes beyond the end, has none. */
export function hash(
  context: JobContext,
  params: Params<'hash'>,
  output: JobProgress,
): Result<'hash'> {
  const { offset } = params;
  const view = context.view(params, output);
  checkWithin(view, params);
  const endOffset = endOf(view, params);
  const totalBytes = endOffset - offset;
  const sha256 = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, totalBytes));
  for (let doneBytes = 0; doneBytes < totalBytes; ) {
    const target = piece.subarray(0, Math.min(piece.length, totalBytes - doneBytes));
    const count = view.source.readInto(offset + doneBytes, target);
    if (count < target.length) {
      throw new HexzError('NOT_PRESENT', 'a part of it is not present, so it has no hash', {
        location: { stream: params.stream, offset: offset + doneBytes + count },
      });
    }
    sha256.update(target);
    doneBytes += count;
    output.progress({ doneBytes, totalBytes });
  }
  return { offset, length: totalBytes, sha256: sha256.digest('hex') };
}
