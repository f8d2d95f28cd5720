import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecoderMemory } from '../../../src/engine/codec/decoderMemory.js';
import { decodeLz4 } from '../../../src/engine/codec/lz4.js';
import { packLz4 } from '../../support/snapshotWriter.js';
import { expectSameBytes, someBytes } from '../../support/streams.js';

const MIB = 1024 ** 2;

const kinds = [
  { kind: 'with WebAssembly', newMemory: (bytes: number) => new DecoderMemory(bytes) },
  {
    kind: 'without',
    newMemory: (bytes: number) => new DecoderMemory(bytes, () => undefined),
  },
];

describe.each(kinds)('memory $kind', ({ newMemory }) => {
  test('is given to one user at a time, and keeps what he writes', () => {
    const steps = fc.array(fc.record({ length: fc.nat(3000), freed: fc.nat(5) }), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(steps, (list) => {
        const memory = newMemory(0);
        const held: Buffer[] = [];
        list.forEach(({ length, freed }, step) => {
          held.push(memory.allocate(length).fill(step % 251));
          const [gone] = held.splice(freed, 1);
          if (gone === undefined) return;
          expect(new Set(gone).size).toBeLessThanOrEqual(1);
          memory.free(gone);
        });
        for (const bytes of held) expect(new Set(bytes).size).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('does not end where it was expected to', () => {
    const memory = newMemory(0);
    const held = Array.from({ length: 100 }, () => memory.allocate(MIB));
    expect(
      new Set(held.map((bytes) => `${bytes.byteOffset} ${bytes.buffer === held[0]?.buffer}`)).size,
    ).toBeGreaterThan(1);
    held.forEach((bytes, index) => {
      bytes.writeUInt32LE(index, 0);
    });
    expect(held.map((bytes) => bytes.readUInt32LE(0))).toEqual(held.map((_, index) => index));
    const plain = someBytes(100_000);
    const target = Buffer.alloc(plain.length);
    decodeLz4(packLz4(plain), target, memory.decodeLz4);
    expectSameBytes(target, plain);
  });

  test('can be let go of and used again', () => {
    const memory = newMemory(MIB);
    const before = memory.allocate(1000).fill(1);
    memory.letGo();
    const after = memory.allocate(1000).fill(2);
    memory.free(before);
    expect([before[0], after[0], memory.allocate(1000).length]).toEqual([1, 2, 1000]);
  });
});

test('what was freed is there again as one piece', () => {
  const memory = new DecoderMemory(0);
  const pieces = Array.from({ length: 60 }, () => memory.allocate(MIB));
  const [first] = pieces;
  for (const index of [...pieces.keys()].sort((a, b) => (a % 7) - (b % 7))) {
    memory.free(pieces[index] as Buffer);
  }
  const whole = memory.allocate(60 * MIB);
  expect([whole.buffer === first?.buffer, whole.byteOffset]).toEqual([true, first?.byteOffset]);
});

test.skipIf(process.platform !== 'linux')('costs what is written of it', () => {
  const residentBytes = () =>
    Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  const before = residentBytes();
  const memory = new DecoderMemory(1024 * MIB);
  const bytes = memory.allocate(1000 * MIB);
  expect(residentBytes() - before).toBeLessThan(200 * MIB);
  expect(bytes.length).toBe(1000 * MIB);
});
