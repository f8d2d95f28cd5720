import { describe, expect, test, vi } from 'vitest';
import { goldenFixtures, goldenPath } from '../../support/fixtures.js';
import { hashStream } from '../../support/streams.js';

// Before anything is loaded: a machine without the system's libraries has only what is bundled.
vi.stubEnv('HEXZ_CODECS', 'bundled');
const { openSnapshot, verifyChain } = await import('../../../src/index.js');
const { nativeCrc32 } = await import('../../../src/engine/codec/crc32.js');
const { nativeZstd } = await import('../../../src/engine/codec/zstd.js');

/** What takes a second and exercises no other path than the rest. */
const fixtures = goldenFixtures.filter(({ spots }) => spots === undefined);

test('HEXZ_CODECS=bundled leaves the libraries of the system alone', () => {
  expect([nativeCrc32(), nativeZstd()]).toEqual([undefined, undefined]);
});

describe('with the bundled decoders', () => {
  test.each(fixtures)('$id reads back as what was packed, and passes verification', (fixture) => {
    const passwords = fixture.password === null ? [] : [fixture.password];
    const snapshot = openSnapshot(goldenPath(fixture.file), { passwords });
    try {
      expect(hashStream(snapshot, 'disk')).toBe(fixture.disk.sha256);
      expect(hashStream(snapshot, 'memory')).toBe(fixture.memory.sha256);
      for (const { finding } of verifyChain(snapshot)) expect(finding).toBeUndefined();
    } finally {
      snapshot.close();
    }
  });
});
