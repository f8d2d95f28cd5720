import type { MetaContext } from './contexts.js';
import type { NbdExport } from './export.js';
import { encodeChunkHeader, type Request } from './messages.js';
import { CHUNK_DONE, CHUNK_HEADER_BYTES, chunkTypes, commandFlags } from './protocol.js';
import type { Replies } from './replies.js';
import { ALWAYS, type Task } from './wire.js';

const MAX_DESCRIPTORS = 2048;
const DESCRIPTOR_BYTES = 8;
/** What is asked of the index at once. */
const STEP_BYTES = 1024 * 1024;
/** A client is told of less than he asked for when that would take longer. */
const LIMIT_MILLISECONDS = 100;

/** Answers a BLOCK_STATUS within the export: a chunk for each context. */
export function* answerBlockStatus(
  replies: Replies,
  exported: NbdExport,
  contexts: readonly MetaContext[],
  request: Request,
): Task<void> {
  const { wire } = replies;
  const maximum = (request.flags & commandFlags.REQ_ONE) === 0 ? MAX_DESCRIPTORS : 1;
  for (const context of contexts) {
    const descriptors: number[] = [];
    const end = request.offset + request.length;
    const deadline = performance.now() + LIMIT_MILLISECONDS;
    for (let at = request.offset; at < end; ) {
      // However busy the machine is, something is told.
      if (descriptors.length > 0 && performance.now() > deadline) break;
      const run = context.runAt(exported, at, Math.min(STEP_BYTES, end - at));
      const flags = run.state ? context.stateFlags : 0;
      if (descriptors.at(-1) === flags) {
        descriptors[descriptors.length - 2] = (descriptors.at(-2) ?? 0) + run.length;
      } else if (descriptors.length === maximum * 2) {
        break;
      } else {
        descriptors.push(run.length, flags);
      }
      at += run.length;
      if (wire.isTurnOver) yield ALWAYS;
    }
    const payloadBytes = 4 + (descriptors.length / 2) * DESCRIPTOR_BYTES;
    const room = yield* wire.reserve(CHUNK_HEADER_BYTES + payloadBytes);
    const chunkFlags = context === contexts.at(-1) ? CHUNK_DONE : 0;
    encodeChunkHeader(room, request, chunkTypes.BLOCK_STATUS, chunkFlags, payloadBytes);
    room.writeUInt32BE(context.id, CHUNK_HEADER_BYTES);
    descriptors.forEach((value, index) => {
      room.writeUInt32BE(value, CHUNK_HEADER_BYTES + 4 + index * 4);
    });
    wire.commit(room.length);
  }
}
