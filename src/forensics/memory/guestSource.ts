import type { ByteRange } from '../byteRanges.js';
import type { ByteSource } from '../byteSource.js';
import type { GuestMemory } from './guestMemory.js';

/** The memory as a source whose offsets are guest-physical addresses. It throws NOT_PRESENT where nothing is. */
export function guestSource(memory: GuestMemory): ByteSource {
  const length = memory.endAddress;
  return {
    length,
    readInto(address, target) {
      const wanted = Math.max(0, Math.min(target.length, length - address));
      memory.read(address, target.subarray(0, wanted));
      return wanted;
    },
  };
}

/** What of that source can be read between two addresses, as search and strings want it. */
export function* presentRanges(
  memory: GuestMemory,
  startAddress?: number,
  endAddress?: number,
): Generator<ByteRange, void> {
  for (const { address, length } of memory.presentRuns(startAddress, endAddress)) {
    yield { startOffset: address, length };
  }
}
