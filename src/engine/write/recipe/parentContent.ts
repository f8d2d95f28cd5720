import type { StreamName } from '../../format/types.js';
import { extractStream } from '../../snapshot/extract.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import type { Content, Piece } from './content.js';

/** A range of a stream of the parent, whose zeros are not read. */
export const parentContent = (
  snapshot: Snapshot,
  stream: StreamName,
  range: { offset: number; length: number },
): Content => ({
  length: range.length,
  dataBytes: range.length,
  *pieces() {
    let piece: Piece = 0;
    const sink = {
      write: (bytes: Buffer) => {
        piece = bytes;
      },
      skip: (length: number) => {
        piece = length;
      },
    };
    // Every step gives the sink one piece.
    for (const _ of extractStream(snapshot, stream, range, sink)) yield piece;
  },
});
