import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  encodeHeader,
  parseHeader,
  type SnapshotHeader,
} from '../../../src/engine/format/header.js';
import { checkSignature } from '../../../src/engine/snapshot/signature.js';
import { publicKeyOf, readKeyFile } from '../../../src/engine/write/keys.js';
import { type Signature, Signing } from '../../../src/engine/write/sign.js';
import { type HexzCode, HexzError, openSnapshot, type Snapshot } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import {
  goldenFixtures,
  goldenPath,
  type MalformedFixture,
  malformedFixtures,
  malformedPath,
  sha256,
} from '../../support/fixtures.js';
import { hashStream } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

const privateKey = readKeyFile(goldenPath('keys/private.key'));
const publicKey = readKeyFile(goldenPath('keys/public.key'));
const otherKey = Buffer.alloc(32, 7);

function copied(file: string): string {
  const path = join(newDirectory(), file);
  copyFileSync(goldenPath(file), path);
  return path;
}

const sign = (path: string, key: Buffer): Promise<Signature> => new Signing(path, key).finish();

function use<T>(path: string, passwords: string[], action: (snapshot: Snapshot) => T): T {
  const snapshot = openSnapshot(path, { passwords, parentDirectories: [goldenPath('.')] });
  try {
    return action(snapshot);
  } finally {
    snapshot.close();
  }
}

function headerOf(bytes: Buffer): SnapshotHeader {
  return parseHeader(bytes.subarray(0, 4096));
}

describe('a golden file that is signed', () => {
  test.each(goldenFixtures)(
    '$id changes in nothing but its end and its header',
    async (fixture) => {
      const { file, password } = fixture;
      const path = copied(file);
      const before = readFileSync(path);
      const signature = await sign(path, privateKey);
      const after = readFileSync(path);
      expect(signature).toEqual({
        offset: before.length,
        length: 64,
        signedFromOffset: headerOf(before).indexOffset,
        replacesSignature: fixture.signed,
        publicKey,
      });
      expect(after.length).toBe(before.length + 64);
      expect(after.subarray(4096, before.length).equals(before.subarray(4096))).toBe(true);
      const place = { offset: signature.offset, length: signature.length };
      expect(headerOf(after)).toEqual({ ...headerOf(before), signature: place });
      use(path, password === null ? [] : [password], (snapshot) => {
        expect(codeOf(() => checkSignature(snapshot.index, publicKey))).toBe('ok');
        expect(codeOf(() => checkSignature(snapshot.index, publicKeyOf(otherKey)))).toBe(
          'BAD_SIGNATURE',
        );
        for (const stream of ['disk', 'memory'] as const) {
          expect(hashStream(snapshot, stream)).toBe(fixture[stream].sha256);
        }
      });
    },
  );

  test('twice carries a signature over everything before it, the first one included', async () => {
    const path = copied('a-lz4-4k-both.hxz');
    const first = await sign(path, privateKey);
    const second = await sign(path, otherKey);
    expect([second.offset, second.replacesSignature]).toEqual([first.offset + 64, true]);
    const check = (key: Buffer) =>
      use(path, [], ({ index }) => codeOf(() => checkSignature(index, key)));
    expect([check(publicKeyOf(otherKey)), check(publicKey)]).toEqual(['ok', 'BAD_SIGNATURE']);
    const bytes = readFileSync(path);
    bytes[first.offset] = (bytes[first.offset] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(check(publicKeyOf(otherKey))).toBe('BAD_SIGNATURE');
  });

  test('with the key of the Rust hexz gets the signature that the Rust hexz made', async () => {
    const path = copied('a-lz4-signed.hxz');
    const theirs = readFileSync(path).subarray(-64);
    // Without its signature it is the file that was signed.
    const bytes = readFileSync(path).subarray(0, -64);
    encodeHeader({ ...headerOf(bytes), signature: undefined }).copy(bytes);
    writeFileSync(path, bytes);
    await sign(path, privateKey);
    expect(readFileSync(path).subarray(-64).equals(theirs)).toBe(true);
    expect(sha256(readFileSync(path))).toBe(sha256(readFileSync(goldenPath('a-lz4-signed.hxz'))));
  });
});

/** What is wrong with blocks or with other files: the signature is not about those. */
function isAboutIndex({ id, expected }: MalformedFixture): boolean {
  if (/^(AUTH|BAD_BLOCK|CRC|PARENT_.*|ok)$/.test(expected)) return false;
  return !/^(block-(offset|length|in)|parent-(is|ref))-/.test(id);
}

describe('a damaged snapshot', () => {
  test.each(malformedFixtures)(
    '$id is refused with its own error or not at all',
    async (fixture) => {
      const { file, expected } = fixture;
      const directory = newDirectory();
      const path = join(directory, 'malformed.hxz');
      copyFileSync(malformedPath(file), path);
      const before = readFileSync(path);
      let outcome: HexzCode | 'ok' = 'ok';
      try {
        await sign(path, privateKey);
      } catch (error) {
        if (!(error instanceof HexzError)) throw error;
        outcome = error.code;
        expect(error.location.file).toBe(path);
        expect(readFileSync(path).equals(before)).toBe(true);
      }
      expect(readdirSync(directory)).toEqual(['malformed.hxz']);
      expect(outcome).toBe(isAboutIndex(fixture) ? expected : 'ok');
    },
  );
});
