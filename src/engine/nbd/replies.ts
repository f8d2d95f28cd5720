import { type Cookie, encodeChunkHeader, encodeOffset, encodeSimpleReply } from './messages.js';
import { CHUNK_DONE, CHUNK_HEADER_BYTES, chunkTypes, SIMPLE_REPLY_BYTES } from './protocol.js';
import { describeFailure } from './requestError.js';
import type { Task, Wire } from './wire.js';

const MAX_TEXT_BYTES = 512;

/** Writes replies to a wire, in the form that was agreed on. */
export class Replies {
  readonly wire: Wire;
  readonly areStructured: boolean;

  constructor(wire: Wire, areStructured: boolean) {
    this.wire = wire;
    this.areStructured = areStructured;
  }

  /** Says that a request without data is done. */
  *done(cookie: Cookie): Task<void> {
    if (this.areStructured) return yield* this.endOfChunks(cookie);
    const room =
      this.wire.tryReserve(SIMPLE_REPLY_BYTES) ?? (yield* this.wire.reserve(SIMPLE_REPLY_BYTES));
    encodeSimpleReply(room, cookie, 0);
    this.wire.commit(SIMPLE_REPLY_BYTES);
  }

  /** The last chunk, which says only that it is the last. */
  *endOfChunks(cookie: Cookie): Task<void> {
    const room = yield* this.wire.reserve(CHUNK_HEADER_BYTES);
    encodeChunkHeader(room, cookie, chunkTypes.NONE, CHUNK_DONE, 0);
    this.wire.commit(CHUNK_HEADER_BYTES);
  }

  /**
   * Ends the reply with an error: nothing follows a simple one, whatever was asked for.
   *
   * @param offset where it was met, if that is known
   */
  *failure(cookie: Cookie, error: unknown, offset?: number): Task<void> {
    const { errorNumber, text } = describeFailure(error);
    if (!this.areStructured) {
      const room = yield* this.wire.reserve(SIMPLE_REPLY_BYTES);
      encodeSimpleReply(room, cookie, errorNumber);
      return this.wire.commit(SIMPLE_REPLY_BYTES);
    }
    const textBytes = Buffer.from(text).subarray(0, MAX_TEXT_BYTES);
    const payloadBytes = 6 + textBytes.length + (offset === undefined ? 0 : 8);
    const room = yield* this.wire.reserve(CHUNK_HEADER_BYTES + payloadBytes);
    const type = offset === undefined ? chunkTypes.ERROR : chunkTypes.ERROR_OFFSET;
    encodeChunkHeader(room, cookie, type, CHUNK_DONE, payloadBytes);
    room.writeUInt32BE(errorNumber, CHUNK_HEADER_BYTES);
    room.writeUInt16BE(textBytes.length, CHUNK_HEADER_BYTES + 4);
    textBytes.copy(room, CHUNK_HEADER_BYTES + 6);
    if (offset !== undefined) encodeOffset(room, offset, room.length - 8);
    this.wire.commit(room.length);
  }
}
