import { join } from 'node:path';
import fc from 'fast-check';
import { patchStreamLength } from './patch.js';
import { SnapshotWriter } from './snapshotWriter.js';

/** One block of a layer. Data whose fill is 0 is stored although it is all zero. */
interface LayerBlock {
  readonly kind: 'data' | 'zero' | 'parent';
  readonly length: number;
  readonly fill: number;
}

/** A disk stream as a list of blocks, and bytes behind them that no block covers. */
export interface Layer {
  readonly blocks: readonly LayerBlock[];
  readonly uncovered: number;
}

const blockLengths = fc.oneof(fc.constant(0), fc.nat(20), fc.nat(3000));

const layersOf = (...kinds: LayerBlock['kind'][]): fc.Arbitrary<Layer> =>
  fc.record({
    blocks: fc.array(
      fc.record({ kind: fc.constantFrom(...kinds), length: blockLengths, fill: fc.nat(255) }),
      { minLength: 1, maxLength: 12 },
    ),
    uncovered: fc.oneof(fc.constant(0), fc.nat(4000)),
  });

/** Chains of snapshots: the base first, then thin ones, each over the one before. */
export const chains: fc.Arbitrary<Layer[]> = fc
  .tuple(
    layersOf('data', 'zero'),
    fc.array(layersOf('data', 'zero', 'parent', 'parent'), { maxLength: 3 }),
  )
  .map(([base, thin]) => [base, ...thin]);

/** Contents of a data block: one byte repeated, the last one marked. */
function contentsOf({ length, fill }: LayerBlock): Buffer {
  const bytes = Buffer.alloc(length, fill);
  if (length > 0 && fill > 0) bytes[length - 1] = fill ^ 0xff;
  return bytes;
}

/** What the last layer of a chain must read as. */
export function expectedBytes(chain: readonly Layer[]): Buffer {
  let below = Buffer.alloc(0);
  for (const { blocks, uncovered } of chain) {
    const length = blocks.reduce((sum, block) => sum + block.length, 0) + uncovered;
    const bytes = Buffer.alloc(length);
    let offset = 0;
    for (const block of blocks) {
      if (block.kind === 'data') contentsOf(block).copy(bytes, offset);
      if (block.kind === 'parent')
        below.subarray(offset, offset + block.length).copy(bytes, offset);
      offset += block.length;
    }
    below.subarray(offset).copy(bytes, offset);
    below = bytes;
  }
  return below;
}

/** Writes a chain into a directory; returns the path of the last layer. */
export function writeChain(directory: string, chain: readonly Layer[]): string {
  let path = '';
  chain.forEach(({ blocks, uncovered }, number) => {
    const name = `layer-${number}.hxz`;
    path = join(directory, name);
    const parentPaths = number === 0 ? [] : [`layer-${number - 1}.hxz`];
    const writer = new SnapshotWriter(path, { parentPaths });
    for (const block of blocks) {
      if (block.kind === 'data') writer.addData(contentsOf(block));
      else if (block.kind === 'zero') writer.addZero(block.length);
      else writer.addParent(block.length);
    }
    writer.finish();
    const covered = blocks.reduce((sum, { length }) => sum + length, 0);
    patchStreamLength(path, 'disk', covered + uncovered);
  });
  return path;
}
