import { parentPort, workerData } from 'node:worker_threads';
import { attachVolume, type SharedVolume } from '../src/engine/volume/attachedVolume.js';

/* Writes a volume of another thread whenever it is told how, and answers the seconds that took. */

/** Pieces that follow each other, or lie all over a disk of so many. */
export interface WriteOrder {
  readonly pieceBytes: number;
  readonly pieceCount: number;
  readonly isScattered: boolean;
  readonly offset: number;
}

const volume = attachVolume(workerData as SharedVolume);

parentPort?.on('message', ({ pieceBytes, pieceCount, isScattered, offset }: WriteOrder) => {
  const piece = Buffer.alloc(pieceBytes, 1);
  const begun = performance.now();
  for (let count = 0; count < pieceCount; count++) {
    const place = isScattered ? Math.floor(((count * 0.618033988749895) % 1) * pieceCount) : count;
    if (!volume.tryWrite(offset + place * pieceBytes, piece)) throw new Error('was not written');
  }
  parentPort?.postMessage((performance.now() - begun) / 1000);
});
