import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blake3 } from '../../src/engine/codec/blake3.js';
import { checkSignature } from '../../src/engine/snapshot/signature.js';
import { openSnapshot, type Snapshot, verifyChain } from '../../src/index.js';
import { codeOf } from '../support/errors.js';
import { expectSameBytes, readStream, someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

const { HEXZ_REFERENCE: reference } = process.env;
if (reference === undefined) {
  console.info('skipped: set HEXZ_REFERENCE to the path of the Rust hexz to compare with it');
}

const newDirectory = temporaryDirectories();

function run(directory: string, ...args: string[]): void {
  execFileSync(reference ?? '', args, { cwd: directory, stdio: 'pipe' });
}

/** Noise, text, zeros and repetitions, of a length that is no multiple of anything. */
const content = (): Buffer =>
  Buffer.concat([
    someBytes(150_000),
    Buffer.from('some text that compresses well, '.repeat(4000)),
    Buffer.alloc(200_000),
    someBytes(70_001),
  ]);

function use(path: string, action: (snapshot: Snapshot) => void): void {
  const snapshot = openSnapshot(path);
  try {
    action(snapshot);
    for (const { finding } of verifyChain(snapshot)) expect(finding).toBeUndefined();
  } finally {
    snapshot.close();
  }
}

describe.skipIf(reference === undefined)('snapshots of the reference', () => {
  test('that it signed are well signed', () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'disk'), content());
    run(directory, 'pack', '--silent', '--disk', 'disk', '-o', 'packed.hxz');
    run(directory, 'keygen', '--output-dir', '.');
    run(directory, 'sign', '--key', 'private.key', 'packed.hxz');
    use(join(directory, 'packed.hxz'), ({ index }) => {
      const key = readFileSync(join(directory, 'public.key'));
      expect(codeOf(() => checkSignature(index, key))).toBe('ok');
    });
  });

  test.each([['thick'], ['thin', '--thin']])(
    'that it committed %s read as base and changes',
    (_kind, ...flags) => {
      const directory = newDirectory();
      const disk = content();
      writeFileSync(join(directory, 'disk'), disk);
      run(directory, 'pack', '--silent', '--disk', 'disk', '-o', 'base.hxz');
      const change = someBytes(4096);
      const changed = [3, 70, 100];
      const overlay = openSync(join(directory, 'o.overlay'), 'w');
      const list = Buffer.alloc(8 * changed.length);
      changed.forEach((page, position) => {
        writeSync(overlay, change, 0, 4096, page * 4096);
        change.copy(disk, page * 4096);
        list.writeBigUInt64LE(BigInt(page), position * 8);
      });
      closeSync(overlay);
      writeFileSync(join(directory, 'o.meta'), list);
      run(directory, 'commit', 'base.hxz', 'o.overlay', 'out.hxz', ...flags);
      use(join(directory, 'out.hxz'), (snapshot) => {
        expectSameBytes(readStream(snapshot, 'disk'), disk);
        expect(snapshot.parents).toHaveLength(flags.length);
      });
    },
  );
});

test.skipIf(reference === undefined)('hashes of the reference are BLAKE3 of the plaintext', () => {
  const directory = newDirectory();
  const disk = someBytes(5000);
  writeFileSync(join(directory, 'disk'), disk);
  run(directory, 'pack', '--silent', '--disk', 'disk', '-o', 'packed.hxz', '--block-size', '8192');
  use(join(directory, 'packed.hxz'), (snapshot) => {
    expect([...snapshot.blocks('disk')].map(({ hash }) => hash)).toEqual([blake3(disk)]);
  });
});
