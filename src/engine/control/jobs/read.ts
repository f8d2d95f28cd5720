import { HexzError } from '../../errors.js';
import type { Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';

/** Answers `read`. */
export function read(
  context: JobContext,
  { stream, offset, length }: Params<'read'>,
): Result<'read'> {
  const { snapshot } = context;
  if (!snapshot.hasStream(stream)) {
    throw new HexzError('NO_STREAM', `the snapshot has no ${stream} stream`, {
      location: { file: snapshot.path },
    });
  }
  const target = Buffer.allocUnsafe(length);
  const count = snapshot.readInto(stream, offset, target);
  return {
    offset,
    length: count,
    endOffset: snapshot.streamLength(stream),
    pieces:
      count === 0 ? [] : [{ offset, length: count, bytes: target.toString('base64', 0, count) }],
  };
}
