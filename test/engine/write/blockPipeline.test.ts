import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { BlockBatch } from '../../../src/engine/write/blockBatch.js';
import { BlockPipeline } from '../../../src/engine/write/blockPipeline.js';
import type { BlockPool } from '../../../src/engine/write/blockPool.js';
import { SnapshotFile } from '../../../src/engine/write/snapshotFile.js';
import { TemporaryFile } from '../../../src/engine/write/temporaryFile.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

/** Has a thousand cores, and takes its time. */
class LargePool implements BlockPool {
  readonly encoderName = 'none';
  readonly batchesAtOnce = 3000;
  mostBytes = 0;
  #bytes = 0;

  async encode(batch: BlockBatch): Promise<BlockBatch> {
    this.#bytes += batch.plain.length;
    this.mostBytes = Math.max(this.mostBytes, this.#bytes);
    await nextTurn();
    for (let block = 0; block < batch.blockCount; block++) batch.setOutcome(block, 'zero');
    this.#bytes -= batch.plain.length;
    return batch;
  }

  check(): Promise<never> {
    return Promise.reject(new Error('nothing is checked here'));
  }

  async close(): Promise<void> {}
}

test.each([
  [1000, 96],
  [2 ** 20, 96],
  [5 * 2 ** 20, 95],
  [2 ** 27, 256],
])('blocks of %i bytes under way take %i MiB, on the largest machine, too', async (length, mib) => {
  const temporary = new TemporaryFile(join(newDirectory(), 'out'), { force: false, mode: 0o666 });
  const pool = new LargePool();
  const pipeline = new BlockPipeline(new SnapshotFile(temporary), pool, {
    isEncrypted: false,
    maximumBlockBytes: length,
  });
  pipeline.beginStream('disk');
  const bytes = 2 ** 29;
  for (let given = 0; given < bytes; given += length) {
    pipeline.addBlock((await pipeline.reserve(length)).subarray(0, length));
    await pipeline.settle();
  }
  await pipeline.finish();
  expect(pipeline.counts.disk.zeroBlocks).toBe(Math.ceil(bytes / length));
  expect(pool.mostBytes).toBe(mib * 2 ** 20);
  temporary.discard();
});
