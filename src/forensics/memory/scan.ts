import type { MemoryStep } from './container.js';
import type { GuestMemory } from './guestMemory.js';

const WINDOW_BYTES = 1024 * 1024;

/**
 * Goes through all present memory once and tells every place of some byte strings, also of those that overlap. There
 * is a step at least for each MiB.
 *
 * @param needles not empty
 */
export function* scanMemory(
  memory: GuestMemory,
  needles: readonly Buffer[],
  onHit: (needleIndex: number, address: number) => void,
): Generator<MemoryStep, void> {
  const overlap = Math.max(...needles.map(({ length }) => length)) - 1;
  const window = Buffer.alloc(overlap + WINDOW_BYTES);
  const totalBytes = memory.rangeBytesBefore(memory.endAddress);
  for (const run of memory.presentRuns()) {
    let kept = 0;
    for (let offset = 0; offset < run.length; offset += WINDOW_BYTES) {
      const length = Math.min(WINDOW_BYTES, run.length - offset);
      memory.read(run.address + offset, window.subarray(kept, kept + length));
      const bytes = window.subarray(0, kept + length);
      needles.forEach((needle, needleIndex) => {
        // A needle that lies wholly in what was kept was told before.
        let at = bytes.indexOf(needle, Math.max(0, kept - needle.length + 1));
        for (; at >= 0; at = bytes.indexOf(needle, at + 1)) {
          onHit(needleIndex, run.address + offset - kept + at);
        }
      });
      const keep = Math.min(overlap, bytes.length);
      bytes.copy(window, 0, bytes.length - keep);
      kept = keep;
      const doneBytes = memory.rangeBytesBefore(run.address + offset + length);
      yield { doneBytes, totalBytes };
    }
  }
}
