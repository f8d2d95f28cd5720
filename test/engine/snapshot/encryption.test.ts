import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSnapshot, verifyChain } from '../../../src/index.js';
import { encryptedWith } from '../../support/encryption.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { goldenFixture, goldenPath } from '../../support/fixtures.js';
import { damage, patchFirstPage } from '../../support/patch.js';
import { SnapshotWriter } from '../../support/snapshotWriter.js';
import { expectSameBytes, readRange, readStream, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const golden = goldenFixture('s-lz4-encrypted');
const goldenPassword = golden.password ?? '';

describe('the password of an encrypted snapshot', () => {
  const path = goldenPath(golden.file);

  test('is required', () => {
    const error = errorOf(() => openSnapshot(path));
    expect([error.code, error.location.file]).toEqual(['PASSWORD_REQUIRED', path]);
  });

  test('is refused when it is wrong, naming the file', () => {
    const error = errorOf(() => openSnapshot(path, { passwords: ['wrong', `${goldenPassword} `] }));
    expect([error.code, error.location.file]).toEqual(['AUTH', path]);
  });

  test('may stand among others', () => {
    const snapshot = openSnapshot(path, { passwords: ['wrong', goldenPassword, 'wrong too'] });
    expect(readStream(snapshot, 'disk')).toHaveLength(golden.disk.size);
    snapshot.close();
  });

  test('may be empty, but not absent', () => {
    const empty = goldenPath(goldenFixture('a-zstd-encrypted').file);
    expect(codeOf(() => openSnapshot(empty, { passwords: [''] }).close())).toBe('ok');
    expect(codeOf(() => openSnapshot(empty, { passwords: [] }))).toBe('PASSWORD_REQUIRED');
  });

  test('is not asked of a file that is not encrypted', () => {
    const plain = goldenPath('a-lz4-4k-both.hxz');
    expect(codeOf(() => openSnapshot(plain, { passwords: ['any'] }).close())).toBe('ok');
  });
});

describe('one altered block of an encrypted snapshot', () => {
  const blocks = [someBytes(500), someBytes(500), someBytes(500)];

  /** Alters the ciphertext of a block before its CRC is taken, as an attacker would. */
  function writeAltered(altered: number): string {
    const path = join(newDirectory(), 'altered.hxz');
    const { encryption, pack } = encryptedWith('pw');
    let number = 0;
    const writer = new SnapshotWriter(path, { encryption }, (plain) => {
      const stored = pack(plain);
      if (number++ === altered) stored[0] = (stored[0] ?? 0) ^ 1;
      return stored;
    });
    for (const block of blocks) writer.addData(block);
    writer.finish();
    return path;
  }

  test.each([0, 1, 2])('(number %d) does not lock its owner out of the others', (altered) => {
    const snapshot = openSnapshot(writeAltered(altered), { passwords: ['pw'] });
    blocks.forEach((block, number) => {
      const read = () => readRange(snapshot, 'disk', number * 500, 500);
      if (number === altered) expect(codeOf(read)).toBe('AUTH');
      else expectSameBytes(read(), block);
    });
    const findings = [...verifyChain(snapshot)].map(({ finding }) => finding?.error.code);
    expect(findings).toEqual([0, 1, 2].map((number) => (number === altered ? 'AUTH' : undefined)));
    snapshot.close();
  });

  test('that is plainly damaged is a CRC error, with the right password', () => {
    const path = writeAltered(-1);
    const sound = openSnapshot(path, { passwords: ['pw'] });
    const [first] = sound.blocks('disk');
    sound.close();
    if (first !== undefined) damage(path, first);
    const snapshot = openSnapshot(path, { passwords: ['pw'] });
    expect(codeOf(() => readRange(snapshot, 'disk', 0, 1))).toBe('CRC');
    expectSameBytes(readRange(snapshot, 'disk', 500, 500), blocks[1] ?? Buffer.alloc(0));
    snapshot.close();
  });
});

test('an index page that cannot be used costs an encrypted snapshot its blocks, and no others', () => {
  const path = join(newDirectory(), 'damaged.hxz');
  const { encryption, pack } = encryptedWith('pw', 4096);
  const content = someBytes(100);
  const writer = new SnapshotWriter(path, { encryption }, pack);
  for (let block = 0; block < 4096; block++) writer.addZero(1);
  writer.addData(content);
  writer.finish();
  const read = () => {
    const snapshot = openSnapshot(path, { passwords: ['pw'] });
    try {
      return readRange(snapshot, 'disk', 4096, 100);
    } finally {
      snapshot.close();
    }
  };
  expectSameBytes(read(), content);
  patchFirstPage(path, (page) => page.writeUInt32LE(2, 8 + 12));
  expectSameBytes(read(), content);
});

describe('an encrypted parent', () => {
  const own = someBytes(1000);
  const parentLength = golden.disk.size;

  /** A thin child over a copy of the golden file: one block of its own, the rest borrowed. */
  function writeChild(childPassword?: string): { child: string; parent: string } {
    const directory = newDirectory();
    const [child, parent] = [join(directory, 'child.hxz'), join(directory, 'parent.hxz')];
    copyFileSync(goldenPath(golden.file), parent);
    const header = { parentPaths: ['parent.hxz'] };
    const writer =
      childPassword === undefined
        ? new SnapshotWriter(child, header)
        : (({ encryption, pack }) => new SnapshotWriter(child, { ...header, encryption }, pack))(
            encryptedWith(childPassword),
          );
    writer.addData(own);
    writer.addParent(parentLength - own.length);
    writer.finish();
    return { child, parent };
  }

  function expectReads(child: string, passwords: string[]): void {
    const base = openSnapshot(goldenPath(golden.file), { passwords: [goldenPassword] });
    const expected = Buffer.concat([own, readStream(base, 'disk').subarray(own.length)]);
    base.close();
    const snapshot = openSnapshot(child, { passwords });
    expectSameBytes(readStream(snapshot, 'disk'), expected);
    snapshot.close();
  }

  test('opens with its password under a child that is not encrypted', () => {
    expectReads(writeChild().child, [goldenPassword]);
  });

  test('opens with the same password as its child', () => {
    expectReads(writeChild(goldenPassword).child, [goldenPassword]);
  });

  test('opens with another password than its child, in any order', () => {
    const { child } = writeChild('of the child');
    expectReads(child, [goldenPassword, 'of the child']);
    expectReads(child, ['of the child', goldenPassword]);
  });

  test('is named when its password is missing or wrong', () => {
    const { child, parent } = writeChild();
    const missing = errorOf(() => openSnapshot(child));
    expect([missing.code, missing.location.file]).toEqual(['PASSWORD_REQUIRED', parent]);
    const wrong = errorOf(() => openSnapshot(child, { passwords: ['wrong'] }));
    expect([wrong.code, wrong.location.file]).toEqual(['AUTH', parent]);
  });

  test('is not mistaken for its child when that password is wrong', () => {
    const { child } = writeChild('of the child');
    const error = errorOf(() => openSnapshot(child, { passwords: [goldenPassword] }));
    expect([error.code, error.location.file]).toEqual(['AUTH', child]);
  });
});
