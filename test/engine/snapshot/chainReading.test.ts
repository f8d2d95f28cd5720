import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSnapshot, type Snapshot } from '../../../src/index.js';
import { chains, expectedBytes, type Layer, writeChain } from '../../support/layers.js';
import { expectSameBytes, readRange, readStream } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const directory = newDirectory();

/** Opens a chain with a cache too small for it, and closes it after use. */
function withChain(chain: Layer[], use: (snapshot: Snapshot, expected: Buffer) => void): void {
  const snapshot = openSnapshot(writeChain(directory, chain), { cacheBytes: 8000 });
  try {
    use(snapshot, expectedBytes(chain));
  } finally {
    snapshot.close();
  }
}

test('any range of any chain reads as the layers say, in any order of reads', () => {
  const reads = fc.array(fc.record({ offset: fc.nat(20_000), length: fc.nat(5000) }), {
    maxLength: 10,
  });
  fc.assert(
    fc.property(chains, reads, (chain, list) => {
      withChain(chain, (snapshot, expected) => {
        for (const { offset, length } of list) {
          const range = expected.subarray(offset, offset + length);
          expectSameBytes(readRange(snapshot, 'disk', offset, length), range);
        }
        expectSameBytes(readStream(snapshot, 'disk'), expected);
      });
    }),
    { numRuns: 150 },
  );
});

test('a run of zeros holds only zeros, and runs end where their kind does', () => {
  fc.assert(
    fc.property(chains, (chain) => {
      withChain(chain, (snapshot, expected) => {
        let previous: string | undefined;
        for (let offset = 0; offset < expected.length; ) {
          const { kind, length } = snapshot.runAt('disk', offset);
          expect(length).toBeGreaterThan(0);
          expect(kind).not.toBe(previous);
          const bytes = expected.subarray(offset, offset + length);
          if (kind === 'zero') expectSameBytes(bytes, Buffer.alloc(length));
          previous = kind;
          offset += length;
        }
        expect(snapshot.runAt('disk', expected.length)).toEqual({ kind: 'zero', length: 0 });
      });
    }),
    { numRuns: 150 },
  );
});

test('a run from anywhere is the rest of the run around it, cut at the limit', () => {
  fc.assert(
    fc.property(chains, fc.nat(), fc.integer({ min: 1, max: 5000 }), (chain, at, limit) => {
      withChain(chain, (snapshot, expected) => {
        fc.pre(expected.length > 0);
        const offset = at % expected.length;
        const whole = snapshot.runAt('disk', offset);
        const cut = snapshot.runAt('disk', offset, limit);
        expect(cut).toEqual({ kind: whole.kind, length: Math.min(whole.length, limit) });
      });
    }),
    { numRuns: 100 },
  );
});

test('the block at an offset is the one that covers it, or none behind the last', () => {
  fc.assert(
    fc.property(chains, fc.nat(20_000), (chain, offset) => {
      withChain(chain, (snapshot, expected) => {
        const covering = [...snapshot.blocks('disk')].filter(
          (block) => block.offset <= offset && offset < block.offset + block.length,
        );
        expect(covering.length).toBeLessThanOrEqual(1);
        const found = snapshot.blockAt('disk', offset);
        expect(found).toEqual(covering[0]);
        if (offset >= expected.length) expect(found).toBeUndefined();
      });
    }),
    { numRuns: 150 },
  );
});
