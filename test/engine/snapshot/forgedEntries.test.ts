import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EncodableEntry } from '../../../src/engine/format/indexPage.js';
import { type HexzCode, openSnapshot, type Snapshot, verifyChain } from '../../../src/index.js';
import { encryptedWith } from '../../support/encryption.js';
import { codeOf } from '../../support/errors.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readRange, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const BLOCK_BYTES = 10_000;
const plain = someBytes(BLOCK_BYTES);

type DataEntry = Extract<EncodableEntry, { kind: 'data' }>;

/** A sound block, and another entry that names its stored bytes but lies about them. */
function writeForged(forge: (sound: DataEntry) => DataEntry): string {
  const path = join(newDirectory(), 'forged.hxz');
  const writer = new SnapshotWriter(path);
  const sound = writer.addData(plain) as DataEntry;
  writer.addShared(forge(sound));
  writer.finish();
  return path;
}

/** How much of the forged block is read: all of it, or a little. */
const lengths = [BLOCK_BYTES * 2, 1];

function expectRefused(snapshot: Snapshot, code: HexzCode): void {
  const readForged = (length: number) =>
    codeOf(() => readRange(snapshot, 'disk', BLOCK_BYTES, length));
  for (const length of lengths) {
    // Before and after the sound block is in the cache, and again after the refusal.
    expect(readForged(length)).toBe(code);
    expectSameBytes(readRange(snapshot, 'disk', 5, 10), plain.subarray(5, 15));
    expect(readForged(length)).toBe(code);
    expect(readForged(length)).toBe(code);
    expectSameBytes(readRange(snapshot, 'disk', 0, BLOCK_BYTES), plain);
  }
}

const forgeries: [string, HexzCode, (sound: DataEntry) => DataEntry][] = [
  ['checksum', 'CRC', (sound) => ({ ...sound, checksum: (sound.checksum ^ 1) >>> 0 })],
  ['logical length', 'BAD_BLOCK', (sound) => ({ ...sound, logicalLength: BLOCK_BYTES - 1 })],
  ['stored length', 'CRC', (sound) => ({ ...sound, storedLength: sound.storedLength - 1 })],
  ['stored length of 1', 'CRC', (sound) => ({ ...sound, storedLength: 1 })],
  [
    'stored length beyond what a writer can produce',
    'BAD_BLOCK',
    (sound) => ({ ...sound, logicalLength: 10 }),
  ],
];

describe.each([
  ['the default cache', undefined],
  ['no cache', 0],
  ['a cache that the block is too large for', 3 * BLOCK_BYTES],
])('with %s', (_name, cacheBytes) => {
  test.each(forgeries)('an entry with another %s is %s', (_what, code, forge) => {
    const options = cacheBytes === undefined ? {} : { cacheBytes };
    const snapshot = openSnapshot(writeForged(forge), options);
    expectRefused(snapshot, code);
    snapshot.close();
  });

  test('an encrypted block that is claimed at another block index is AUTH', () => {
    const path = join(newDirectory(), 'forged.hxz');
    const { encryption, pack } = encryptedWith('pw');
    const writer = new SnapshotWriter(path, { encryption }, pack);
    writer.addShared(writer.addData(plain));
    writer.finish();
    const options = cacheBytes === undefined ? {} : { cacheBytes };
    const snapshot = openSnapshot(path, { ...options, passwords: ['pw'] });
    expectRefused(snapshot, 'AUTH');
    snapshot.close();
  });
});

test('verification finds every forged entry, and the sound one sound', () => {
  for (const [, code, forge] of forgeries) {
    const snapshot = openSnapshot(writeForged(forge));
    const findings = [...verifyChain(snapshot)].map(({ finding }) => finding?.error.code);
    expect(findings).toEqual([undefined, code]);
    snapshot.close();
  }
});

test('entries that truly share their storage read the same', () => {
  const snapshot = openSnapshot(writeForged((sound) => sound));
  expectSameBytes(readRange(snapshot, 'disk', 0, 2 * BLOCK_BYTES), Buffer.concat([plain, plain]));
  expectSameBytes(
    readRange(snapshot, 'disk', BLOCK_BYTES - 5, 10),
    Buffer.concat([plain.subarray(-5), plain.subarray(0, 5)]),
  );
  snapshot.close();
});
