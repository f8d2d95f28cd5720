import { createHash } from 'node:crypto';
import { type StreamName, streamNames } from '../format/types.js';
import type { Snapshot } from '../snapshot/snapshot.js';

/** The index is hashed in pieces; beyond this many, evenly chosen ones stand for all. */
const PIECE_BYTES = 64 * 1024;
const MAX_PIECES = 256;

/**
 * What a snapshot is, wherever its file lies and whoever signed it: SHA-256 over master index and index
 * pages (docs/format.md, 13.4), as hexadecimal digits. Of an index beyond 16 MiB a part is read.
 *
 * @throws HexzError UNREADABLE
 */
export function baseIdentity({ index }: Snapshot): string {
  const { source, header, masterIndex } = index;
  const regions = [{ offset: header.indexOffset, length: masterIndex.encodedLength }];
  for (const stream of streamNames) regions.push(...pageRegions(masterIndex, stream));
  const pieces = regions.flatMap(({ offset, length }) =>
    Array.from({ length: Math.ceil(length / PIECE_BYTES) }, (_, piece) => ({
      offset: offset + piece * PIECE_BYTES,
      length: Math.min(PIECE_BYTES, length - piece * PIECE_BYTES),
    })),
  );
  const chosen = Math.min(pieces.length, MAX_PIECES);
  const hash = createHash('sha256');
  const bytes = Buffer.allocUnsafe(PIECE_BYTES);
  for (let choice = 0; choice < chosen; choice++) {
    const piece = pieces[Math.floor((choice * pieces.length) / chosen)];
    if (piece === undefined) continue;
    const target = bytes.subarray(0, piece.length);
    source.read(target, piece.offset);
    hash.update(target);
  }
  return hash.digest('hex');
}

function pageRegions(
  masterIndex: Snapshot['index']['masterIndex'],
  stream: StreamName,
): { offset: number; length: number }[] {
  const { pageCount, pageOffsets, pageLengths } = masterIndex[stream];
  return Array.from({ length: pageCount }, (_, page) => ({
    offset: pageOffsets[page] as number,
    length: pageLengths[page] as number,
  }));
}
