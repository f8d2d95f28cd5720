import { INSPECTED_BYTES, inspectBytes } from '../../../forensics/inspector.js';
import { HexzError } from '../../errors.js';
import type { Params, Result } from '../protocol/methods.js';
import { endOf, type JobContext } from './context.js';
import type { JobProgress } from './output.js';

/** Answers `inspect`, with as many bytes as there are without a gap. */
export function inspect(
  context: JobContext,
  params: Params<'inspect'>,
  output: JobProgress,
): Result<'inspect'> {
  const { offset, stream } = params;
  const view = context.view(params, output);
  const bytes = Buffer.alloc(INSPECTED_BYTES);
  const count = view.source.readInto(
    offset,
    bytes.subarray(0, Math.max(0, endOf(view, { offset, length: INSPECTED_BYTES }) - offset)),
  );
  if (count === 0) {
    throw new HexzError('NOT_PRESENT', 'nothing is there', { location: { stream, offset } });
  }
  return { offset, readings: inspectBytes(bytes.subarray(0, count)) };
}
