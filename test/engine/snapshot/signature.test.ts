import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkSignature } from '../../../src/engine/snapshot/signature.js';
import { openSnapshot } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { goldenFixtures, goldenPath, malformedPath } from '../../support/fixtures.js';
import { patchFile } from '../../support/patch.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const publicKey = readFileSync(goldenPath('keys/public.key'));
const signed = goldenFixtures.filter((fixture) => fixture.signed);

function check(path: string, key: Buffer, passwords: string[] = []) {
  const snapshot = openSnapshot(path, { passwords });
  try {
    return codeOf(() => checkSignature(snapshot.index, key));
  } finally {
    snapshot.close();
  }
}

describe.each(signed)('$id', ({ file, password, parent }) => {
  const passwords = password === null ? [] : [password];
  const path = goldenPath(file);

  test('is signed with the key of the fixtures, and with no other', () => {
    expect(check(path, publicKey, passwords)).toBe('ok');
    expect(check(path, randomBytes(32), passwords)).toBe('BAD_SIGNATURE');
  });

  test('is not signed any more when a byte of master index, metadata or signature is changed', () => {
    const directory = newDirectory();
    for (const name of [file, ...(parent ?? [])])
      copyFileSync(goldenPath(name), join(directory, name));
    const copy = join(directory, file);
    // The last byte before the signature, and its own last one: neither is needed to open the file.
    for (const fromEnd of [65, 1]) {
      copyFileSync(path, copy);
      patchFile(copy, (bytes) => {
        bytes[bytes.length - fromEnd] = (bytes[bytes.length - fromEnd] ?? 0) ^ 0x01;
      });
      const code = codeOf(() => expect(check(copy, publicKey, passwords)).toBe('BAD_SIGNATURE'));
      // Where no metadata stands before the signature, that byte is a stream size and may be refused.
      expect(['ok', 'LIMIT']).toContain(code);
    }
  });
});

test('signed golden files exist', () => {
  expect(signed.length).toBeGreaterThan(3);
});

test('only the first 32 bytes of a key count, and fewer are no key', () => {
  const path = goldenPath('a-lz4-signed.hxz');
  expect(check(path, Buffer.concat([publicKey, randomBytes(10)]))).toBe('ok');
  expect(check(path, publicKey.subarray(0, 31))).toBe('BAD_KEY');
  expect(check(path, Buffer.alloc(0))).toBe('BAD_KEY');
});

test('an unsigned snapshot is not signed', () => {
  expect(check(goldenPath('a-lz4-4k-both.hxz'), publicKey)).toBe('NOT_SIGNED');
});

test.each(['signature-length-63.hxz', 'signature-before-index.hxz'])(
  '%s is badly signed',
  (file) => {
    expect(check(malformedPath(file), publicKey)).toBe('BAD_SIGNATURE');
  },
);

test.each([0x00, 0xff])('a key of 32 bytes %d is a key that fits nothing', (byte) => {
  expect(check(goldenPath('a-lz4-signed.hxz'), Buffer.alloc(32, byte))).toBe('BAD_SIGNATURE');
});
