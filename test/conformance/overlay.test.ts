import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Overlay } from '../../src/engine/overlay/overlay.js';
import { baseDiskOf } from '../../src/engine/volume/volume.js';
import { openSnapshot, type Snapshot } from '../../src/index.js';
import { goldenPath } from '../support/fixtures.js';
import { hasReference, referenceMounts } from '../support/reference.js';
import { requires } from '../support/requires.js';
import { expectSameBytes, someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

const BASE = goldenPath('a-lz4-64k-disk.hxz');
const newDirectory = temporaryDirectories();
const mountByReference = referenceMounts();

async function here<T>(path: string, action: (overlay: Overlay) => T): Promise<T> {
  const snapshot: Snapshot = openSnapshot(BASE);
  try {
    const overlay = Overlay.open({ path, base: baseDiskOf(snapshot), access: 'write' });
    try {
      return action(overlay);
    } finally {
      await overlay.close();
    }
  } finally {
    snapshot.close();
  }
}

function contentsOf(overlay: Overlay): Buffer {
  const bytes = Buffer.alloc(overlay.length);
  overlay.readInto(0, bytes);
  return bytes;
}

function writeAt(path: string, bytes: Buffer, offset: number): void {
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
}

describe.runIf(hasReference() && requires('FUSE', 'root'))(
  'an overlay goes from one to the other',
  () => {
    test('the Rust hexz shows what was written here, and the other way round', async () => {
      const path = join(newDirectory(), 'disk.overlay');
      let expected = await here(path, (overlay) => {
        overlay.write(3, someBytes(10));
        overlay.write(65_530, someBytes(20_000));
        overlay.write(300_100, someBytes(9000));
        return contentsOf(overlay);
      });
      for (let turn = 0; turn < 3; turn++) {
        const mount = await mountByReference(BASE, { overlay: path });
        const shown = mount.read('disk');
        // It knows whole pages only at the end of the data file.
        expect(shown.length - expected.length).toBeLessThan(4096);
        expectSameBytes(shown.subarray(0, expected.length), expected);
        expectSameBytes(
          shown.subarray(expected.length),
          Buffer.alloc(shown.length - expected.length),
        );
        const change = someBytes(5000);
        writeAt(mount.pathOf('disk'), change, 200_000 + turn * 4099);
        await mount.end();
        const wanted = Buffer.from(shown);
        change.copy(wanted, 200_000 + turn * 4099);
        expected = await here(path, (overlay) => {
          expectSameBytes(contentsOf(overlay).subarray(0, wanted.length), wanted);
          overlay.write(overlay.length - 1, someBytes(700));
          return contentsOf(overlay);
        });
      }
    });
  },
);
