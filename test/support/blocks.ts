import fc from 'fast-check';
import type { HexzCode } from '../../src/index.js';
import { codeOf } from './errors.js';
import { expectSameBytes } from './streams.js';

/** Contents of blocks: runs, repetitions and noise, so that literals and copies of all kinds occur. */
export const blockContents: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc
        .record({ byte: fc.nat(255), length: fc.nat(2000) })
        .map(({ byte, length }) => Buffer.alloc(length, byte)),
      fc
        .record({ seed: fc.uint8Array({ minLength: 1, maxLength: 40 }), length: fc.nat(3000) })
        .map(({ seed, length }) => Buffer.alloc(length, seed)),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Buffer.concat(parts));

/** What a decoder makes of a block of this length: its bytes, or the code of its error. */
export function outcomeOf(length: number, decode: (target: Buffer) => void): Buffer | HexzCode {
  const target = Buffer.alloc(length, 0xa5);
  const code = codeOf(() => decode(target));
  return code === 'ok' ? target : code;
}

/**
 * Damages packed blocks behind their first four bytes and lets two decoders loose on them. What one refuses
 * the other may take (they differ in how strict they are), but they never make different bytes of it.
 */
export function expectNoDisagreement(
  pack: (plain: Buffer) => Buffer,
  decoders: readonly ((stored: Buffer, target: Buffer) => void)[],
): void {
  const changes = fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(blockContents, changes, (plain, list) => {
      const stored = pack(plain);
      for (const { at, value } of list) stored[4 + (at % (stored.length - 4))] = value;
      const [first, second] = decoders.map((decode) =>
        outcomeOf(plain.length, (target) => decode(stored, target)),
      );
      if (Buffer.isBuffer(first) && Buffer.isBuffer(second)) expectSameBytes(second, first);
    }),
    { numRuns: 1000 },
  );
}
