import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decryptBlock, deriveKey } from '../../../src/engine/codec/aesGcm.js';
import { encryptBlock } from '../../support/encryption.js';
import { codeOf } from '../../support/errors.js';

const key = randomBytes(32);
const blockIndexes = fc.oneof(fc.nat(10), fc.maxSafeNat());
const contents = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

test('a block opens with its key and its block index', () => {
  fc.assert(
    fc.property(contents, blockIndexes, (plain, blockIndex) => {
      const stored = encryptBlock(key, blockIndex, plain);
      expect(decryptBlock(key, blockIndex, stored)).toEqual(plain);
    }),
  );
});

describe('a block does not open', () => {
  const stored = encryptBlock(key, 3, Buffer.from('secret'));

  test('with another key', () => {
    expect(codeOf(() => decryptBlock(randomBytes(32), 3, stored))).toBe('AUTH');
  });

  test('under another block index', () => {
    expect(codeOf(() => decryptBlock(key, 4, stored))).toBe('AUTH');
  });

  test('with any bit of ciphertext or tag changed', () => {
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const altered = Buffer.from(stored);
      altered[bit >>> 3] = (altered[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      expect(codeOf(() => decryptBlock(key, 3, altered))).toBe('AUTH');
    }
  });

  test('when it is shorter than a tag', () => {
    expect(codeOf(() => decryptBlock(key, 3, stored.subarray(0, 15)))).toBe('BAD_BLOCK');
  });
});

test('the key is PBKDF2-HMAC-SHA256 of the UTF-8 password (RFC 7914 test vector)', () => {
  const derived = deriveKey('Password', { salt: Buffer.from('NaCl'), iterations: 80_000 });
  expect(derived.toString('hex')).toBe(
    '4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56',
  );
});

test('the empty password has a key', () => {
  const encryption = { salt: Buffer.alloc(16), iterations: 1 };
  expect(deriveKey('', encryption)).toHaveLength(32);
  expect(deriveKey('', encryption)).not.toEqual(deriveKey(' ', encryption));
});
