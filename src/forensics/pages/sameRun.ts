import type { StreamName } from '../../engine/format/types.js';
import { OriginComparer } from '../../engine/snapshot/origin.js';
import type { Snapshot } from '../../engine/snapshot/snapshot.js';

/**
 * Tells how many bytes of a stream are the same in another snapshot (a parent, a base), by both indexes alone. What they
 * cannot tell counts as not the same. The hashes that they record are believed, as `diffSnapshots` does.
 *
 * @returns for `classifyPages`: from an offset on, no further than a limit
 */
export function sameRunAtOf(
  snapshot: Snapshot,
  other: Snapshot,
  stream: StreamName,
): (offset: number, limit: number) => number {
  const comparer = new OriginComparer();
  return (offset, limit) => {
    const otherLimit = Math.min(limit, other.streamLength(stream) - offset);
    const end = Math.min(snapshot.streamLength(stream), offset + Math.max(0, otherLimit));
    let at = offset;
    while (at < end) {
      const ours = snapshot.originAt(stream, at, end - at);
      const theirs = other.originAt(stream, at, end - at);
      if (!comparer.isSame(ours, theirs)) break;
      at += Math.min(ours.length, theirs.length);
    }
    return at - offset;
  };
}
