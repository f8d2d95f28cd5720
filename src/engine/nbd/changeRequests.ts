import type { NbdExport } from './export.js';
import { PIECE_BYTES } from './limits.js';
import type { Request } from './messages.js';
import { commandFlags } from './protocol.js';
import { NbdRequestError } from './requestError.js';
import { ALWAYS, type Task, type Wire } from './wire.js';

/** What a request met. */
export interface Failure {
  readonly error: unknown;
}

const zeros = Buffer.alloc(PIECE_BYTES);

/** Waits until the disk may be changed. */
function* waitUntilOpen(wire: Wire, exported: NbdExport): Task<void> {
  for (let held = exported.held; held !== undefined; held = exported.held) yield* wire.wait(held);
}

/** How far a piece reaches that begins at an offset: to a multiple of PIECE_BYTES, so that pages are written whole. */
const pieceLengthAt = (offset: number, end: number): number =>
  Math.min(end, (Math.floor(offset / PIECE_BYTES) + 1) * PIECE_BYTES) - offset;

/**
 * Writes the payload of a WRITE as it comes in. It is taken to its end also after an error, so that the next request is
 * found behind it.
 *
 * @param refusal why nothing of it is to be written
 * @returns what went wrong, 'cut' when the client was gone before its end
 */
export function* writePayload(
  wire: Wire,
  exported: NbdExport,
  { offset, length }: Pick<Request, 'offset' | 'length'>,
  refusal: NbdRequestError | undefined,
): Task<Failure | 'cut' | undefined> {
  // By its length alone: an offset that no disk reaches is not exact, and the bytes behind a refused write are a request.
  if (refusal !== undefined) return (yield* wire.skip(length)) ? { error: refusal } : 'cut';
  let failure: Failure | undefined;
  const end = offset + length;
  for (let at = offset; at < end; ) {
    if (failure !== undefined) {
      return (yield* wire.skip(end - at)) ? failure : 'cut';
    }
    const piece = pieceLengthAt(at, end);
    if (!(yield* wire.waitFor(piece))) return 'cut';
    yield* waitUntilOpen(wire, exported);
    try {
      exported.write(at, wire.take(piece));
    } catch (error) {
      failure = { error };
    }
    at += piece;
    if (wire.isTurnOver) yield ALWAYS;
  }
  return failure;
}

/**
 * Makes a range read as zeros. What the index knows to be zero stays as it is, unless the client wants room for what he
 * writes there later.
 *
 * @throws NbdRequestError when it was to be quick and would not be; what `NbdExport.write` throws
 */
export function* writeZeroes(
  wire: Wire,
  exported: NbdExport,
  { offset, length, flags }: Request,
): Task<void> {
  const end = offset + length;
  const isWhole = (flags & commandFlags.NO_HOLE) !== 0;
  if ((flags & commandFlags.FAST_ZERO) !== 0) {
    // Bytes are written one way or the other: only where nothing is to be done it is faster.
    for (let at = offset; at < end; ) {
      const run = exported.zeroRunAt(at, pieceLengthAt(at, end));
      if (!run.state || isWhole) {
        throw new NbdRequestError('ENOTSUP', 'writing zeros there is not faster than writing');
      }
      at += run.length;
      if (wire.isTurnOver) yield ALWAYS;
    }
    return;
  }
  for (let at = offset; at < end; ) {
    const piece = pieceLengthAt(at, end);
    const run = isWhole ? undefined : exported.zeroRunAt(at, piece);
    if (run?.state === true) {
      at += run.length;
    } else {
      yield* waitUntilOpen(wire, exported);
      const written = run?.length ?? piece;
      exported.write(at, zeros.subarray(0, written));
      at += written;
    }
    if (wire.isTurnOver) yield ALWAYS;
  }
}

/** Reads a range, so that what can be kept of it is kept decoded. */
export function* warmUp(wire: Wire, exported: NbdExport, { offset, length }: Request): Task<void> {
  const end = offset + Math.min(length, exported.cacheBytes);
  for (let at = offset; at < end; at += PIECE_BYTES) {
    const room = yield* wire.reserve(Math.min(PIECE_BYTES, end - at));
    exported.readInto(at, room);
    if (wire.isTurnOver) yield ALWAYS;
  }
}
