import type { NbdExport } from './export.js';
import { PIECE_BYTES } from './limits.js';
import { encodeChunkHeader, encodeOffset, encodeSimpleReply, type Request } from './messages.js';
import {
  CHUNK_DONE,
  CHUNK_HEADER_BYTES,
  chunkTypes,
  commandFlags,
  SIMPLE_REPLY_BYTES,
} from './protocol.js';
import type { Replies } from './replies.js';
import { ALWAYS, type Task, type Wire } from './wire.js';

const DATA_HEADER_BYTES = CHUNK_HEADER_BYTES + 8;
const HOLE_BYTES = CHUNK_HEADER_BYTES + 12;
/** Shorter runs of zeros are sent as bytes. */
const MIN_HOLE_BYTES = 4096;

/**
 * Answers a READ within the export. Its bytes are decoded to where they are sent from.
 *
 * @returns whether the connection can go on
 */
export function* answerRead(
  replies: Replies,
  exported: NbdExport,
  request: Request,
): Task<boolean> {
  if (!replies.areStructured) return yield* simpleRead(replies, exported, request);
  if (request.length === 0) yield* replies.endOfChunks(request);
  else if ((request.flags & commandFlags.DF) !== 0) yield* wholeRead(replies, exported, request);
  else yield* sparseRead(replies, exported, request);
  return true;
}

/**
 * A simple reply says first whether there are bytes, so everything is read before. What is more than a piece is read
 * twice, instead of being held for a client who may be slow.
 */
function* simpleRead(replies: Replies, exported: NbdExport, request: Request): Task<boolean> {
  const { wire } = replies;
  const { offset, length } = request;
  if (length <= PIECE_BYTES) {
    const wanted = SIMPLE_REPLY_BYTES + length;
    const room = wire.tryReserve(wanted) ?? (yield* wire.reserve(wanted));
    try {
      exported.readInto(offset, room.subarray(SIMPLE_REPLY_BYTES));
    } catch (error) {
      yield* replies.failure(request, error);
      return true;
    }
    encodeSimpleReply(room, request, 0);
    wire.commit(wanted);
    return true;
  }
  try {
    for (let at = offset; at < offset + length; at += PIECE_BYTES) {
      const room = yield* wire.reserve(Math.min(PIECE_BYTES, offset + length - at));
      exported.readInto(at, room);
      yield ALWAYS;
    }
  } catch (error) {
    yield* replies.failure(request, error);
    return true;
  }
  const header = yield* wire.reserve(SIMPLE_REPLY_BYTES);
  encodeSimpleReply(header, request, 0);
  wire.commit(SIMPLE_REPLY_BYTES);
  // It was readable a moment ago; if it no longer is, nothing can be said but by ending the connection.
  return (yield* sendBytes(wire, exported, offset, length)) === undefined;
}

/** One chunk, however long. After an error it is filled up with zeros, and the error follows. */
function* wholeRead(replies: Replies, exported: NbdExport, request: Request): Task<void> {
  const { wire } = replies;
  const { offset, length } = request;
  if (length <= PIECE_BYTES) {
    yield* dataChunk(replies, exported, request, offset, length, true);
    return;
  }
  const header = yield* wire.reserve(DATA_HEADER_BYTES);
  encodeChunkHeader(header, request, chunkTypes.OFFSET_DATA, 0, 8 + length);
  encodeOffset(header, offset);
  wire.commit(DATA_HEADER_BYTES);
  const failure = yield* sendBytes(wire, exported, offset, length);
  if (failure === undefined) yield* replies.endOfChunks(request);
  else yield* replies.failure(request, failure.error, failure.offset);
}

/** Sends bytes, zeros from the first error on, which it answers. */
function* sendBytes(
  wire: Wire,
  exported: NbdExport,
  offset: number,
  length: number,
): Task<{ readonly error: unknown; readonly offset: number } | undefined> {
  let failure: { readonly error: unknown; readonly offset: number } | undefined;
  for (let at = offset; at < offset + length; at += PIECE_BYTES) {
    const piece = yield* wire.reserve(Math.min(PIECE_BYTES, offset + length - at));
    try {
      if (failure === undefined) exported.readInto(at, piece);
      else piece.fill(0);
    } catch (error) {
      piece.fill(0);
      failure = { error, offset: at };
    }
    wire.commit(piece.length);
    if (wire.isTurnOver) yield ALWAYS;
  }
  return failure;
}

/** Data where there is some, and of what the index knows to be zero only how long it is. */
function* sparseRead(replies: Replies, exported: NbdExport, request: Request): Task<void> {
  const { wire } = replies;
  const end = request.offset + request.length;
  let holeStart = request.offset;
  let at = request.offset;
  while (at < end) {
    const limit = Math.min(PIECE_BYTES, end - at);
    const length = dataLengthAt(exported, at, limit);
    if (length > 0) {
      if (holeStart < at) yield* holeChunk(replies, request, holeStart, at, false);
      const isSent = yield* dataChunk(replies, exported, request, at, length, at + length === end);
      if (!isSent) return;
      holeStart = at + length;
      at = holeStart;
    } else {
      at += -length;
    }
    if (wire.isTurnOver) yield ALWAYS;
  }
  if (holeStart < end) yield* holeChunk(replies, request, holeStart, end, true);
}

/** How many bytes from an offset on are to be sent; negative: how many are a hole. Not 0. */
function dataLengthAt(exported: NbdExport, offset: number, limit: number): number {
  let length = 0;
  while (length < limit) {
    const run = exported.zeroRunAt(offset + length, limit - length);
    if (run.state && (run.length >= MIN_HOLE_BYTES || run.length === limit)) {
      return length === 0 ? -run.length : length;
    }
    length += run.length;
  }
  return length;
}

/** @returns whether it could be read; else the reply is ended with the error */
function* dataChunk(
  replies: Replies,
  exported: NbdExport,
  request: Request,
  offset: number,
  length: number,
  isLast: boolean,
): Task<boolean> {
  const { wire } = replies;
  const wanted = DATA_HEADER_BYTES + length;
  const room = wire.tryReserve(wanted) ?? (yield* wire.reserve(wanted));
  try {
    exported.readInto(offset, room.subarray(DATA_HEADER_BYTES));
  } catch (error) {
    yield* replies.failure(request, error, offset);
    return false;
  }
  encodeChunkHeader(room, request, chunkTypes.OFFSET_DATA, isLast ? CHUNK_DONE : 0, 8 + length);
  encodeOffset(room, offset);
  wire.commit(wanted);
  return true;
}

function* holeChunk(
  replies: Replies,
  request: Request,
  start: number,
  end: number,
  isLast: boolean,
): Task<void> {
  const room = yield* replies.wire.reserve(HOLE_BYTES);
  encodeChunkHeader(room, request, chunkTypes.OFFSET_HOLE, isLast ? CHUNK_DONE : 0, 12);
  encodeOffset(room, start);
  room.writeUInt32BE(end - start, CHUNK_HEADER_BYTES + 8);
  replies.wire.commit(HOLE_BYTES);
}
