import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { errorOf } from '../../support/errors.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import {
  everythingIn,
  listOf,
  overlayOpener,
  readRange,
} from '../../support/overlay/openOverlays.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const base = new MemoryBase(markedBytes(10_000, 0));

interface Files {
  readonly data: string;
  readonly list: string;
  readonly side: string;
}

/** An overlay of two dirty pages and 12,345 bytes that was closed. */
async function closedOverlay(): Promise<Files> {
  const data = join(newDirectory(), 'disk.overlay');
  const overlay = open(data, base);
  overlay.write(100, markedBytes(50, 1));
  overlay.write(12_300, markedBytes(45, 2));
  await overlay.close();
  return { data, list: data.replace(/overlay$/, 'meta'), side: `${data}.hexz.json` };
}

type Json = Record<string, unknown>;
const readSide = ({ side }: Files): Json => JSON.parse(readFileSync(side, 'utf8')) as Json;

test('it says what a writer left', async () => {
  const files = await closedOverlay();
  const { bootId, ...rest } = readSide(files);
  expect(bootId).toEqual(expect.any(String));
  expect(rest).toEqual({
    version: 1,
    base: { path: base.path, identity: base.identity() },
    diskLength: 12_345,
    lowestTruncation: null,
    dataLength: 16_384,
    listLength: 16,
    openedBy: null,
  });
});

test('while a writer has the overlay open, it names the writer', () => {
  const data = join(newDirectory(), 'disk');
  open(data, base, { mountpoint: '/mnt/here' });
  const side = JSON.parse(readFileSync(`${data}.hexz.json`, 'utf8')) as Json;
  expect(side.openedBy).toEqual({ pid: process.pid, mountpoint: '/mnt/here' });
});

describe('a damaged one is refused', () => {
  const wrongLengths = [-1, 0.5, 1e300, 2 ** 44 + 1, '12345', null, [], true];
  const changed: readonly [string, (contents: Json) => Json][] = [
    ...['diskLength', 'dataLength', 'listLength'].flatMap((name) =>
      wrongLengths.map((value): [string, (contents: Json) => Json] => [
        `${name} ${JSON.stringify(value)}`,
        (contents) => ({ ...contents, [name]: value }),
      ]),
    ),
    ...[-1, '1', 2 ** 60, {}].map((value): [string, (contents: Json) => Json] => [
      `lowestTruncation ${JSON.stringify(value)}`,
      (contents) => ({ ...contents, lowestTruncation: value }),
    ]),
    ...[
      'diskLength',
      'dataLength',
      'listLength',
      'lowestTruncation',
      'bootId',
      'base',
      'openedBy',
      'version',
    ].map((name): [string, (contents: Json) => Json] => [
      `no ${name}`,
      ({ [name]: _, ...contents }) => contents,
    ]),
    ['version "1"', (contents) => ({ ...contents, version: '1' })],
    ['bootId 5', (contents) => ({ ...contents, bootId: 5 })],
    ['base text', (contents) => ({ ...contents, base: 'text' })],
    ['base without identity', (contents) => ({ ...contents, base: { path: '/x' } })],
    ['identity 1', (contents) => ({ ...contents, base: { path: '/x', identity: 1 } })],
    ['openedBy 1', (contents) => ({ ...contents, openedBy: 1 })],
    ['openedBy {}', (contents) => ({ ...contents, openedBy: {} })],
    ['pid -1', (contents) => ({ ...contents, openedBy: { pid: -1, mountpoint: null } })],
    ['mountpoint 1', (contents) => ({ ...contents, openedBy: { pid: 1, mountpoint: 1 } })],
  ];

  async function expectDamaged(files: Files): Promise<void> {
    const before = everythingIn(dirname(files.data));
    for (const access of ['read', 'write'] as const) {
      const error = errorOf(() => open(files.data, base, { access }));
      expect([error.code, error.location.file]).toEqual(['OVERLAY_DAMAGED', files.side]);
      expect(error.hint).toBeDefined();
    }
    expect(everythingIn(dirname(files.data))).toEqual(before);
  }

  test('of a newer hexz is left to that one', async () => {
    const files = await closedOverlay();
    writeFileSync(files.side, JSON.stringify({ ...readSide(files), version: 2 }));
    const before = everythingIn(dirname(files.data));
    for (const setsSideFileAside of [false, true]) {
      const error = errorOf(() => open(files.data, base, { setsSideFileAside }));
      expect([error.code, error.hint]).toEqual([
        'OVERLAY_UNUSABLE',
        'it was written by a newer hexz; use that one',
      ]);
    }
    expect(everythingIn(dirname(files.data))).toEqual(before);
  });

  test('with fields that are wrong or missing', async () => {
    const files = await closedOverlay();
    const right = readSide(files);
    for (const [name, change] of changed) {
      writeFileSync(files.side, JSON.stringify(change(right)));
      await expectDamaged(files).catch((cause: unknown) => {
        throw new Error(`with ${name}`, { cause });
      });
    }
  });

  test.each([
    ['nothing', ''],
    ['zeros', Buffer.alloc(300)],
    ['noise', markedBytes(300, 3)],
    ['half of it', '{"version": 1, "base": {"path": "/b'],
    ['null', 'null'],
    ['a number', '1'],
    ['a list', '[]'],
    ['a megabyte', `{"version": 1, "x": "${'x'.repeat(1_000_000)}"}`],
    ['deep nesting', '['.repeat(30_000)],
  ])('that holds %s', async (_name, contents) => {
    const files = await closedOverlay();
    writeFileSync(files.side, contents);
    await expectDamaged(files);
  });
});

describe('when it is missing', () => {
  test('the rules of the Rust hexz apply', async () => {
    const files = await closedOverlay();
    rmSync(files.side);
    const overlay = open(files.data, base, { access: 'read' });
    expect([overlay.length, overlay.warnings]).toEqual([16_384, []]);
    expectSameBytes(readRange(overlay, 100, 50), markedBytes(50, 1));
    expectSameBytes(readRange(overlay, 12_300, 45), markedBytes(45, 2));
  });

  test('it is made by the next writer', async () => {
    const files = await closedOverlay();
    rmSync(files.side);
    await open(files.data, base).close();
    expect(readSide(files).diskLength).toBe(16_384);
  });
});

describe('a list that is missing', () => {
  test('although the side file says that it had entries, is damage that names it', async () => {
    const files = await closedOverlay();
    rmSync(files.list);
    for (const access of ['read', 'write'] as const) {
      const error = errorOf(() => open(files.data, base, { access }));
      expect([error.code, error.location.file]).toEqual(['OVERLAY_DAMAGED', files.list]);
    }
    expect(existsSync(files.list)).toBe(false);
  });

  test('beside a data file that is not empty, without a side file, is damage', async () => {
    const files = await closedOverlay();
    rmSync(files.list);
    rmSync(files.side);
    for (const access of ['read', 'write'] as const) {
      const error = errorOf(() => open(files.data, base, { access }));
      expect([error.code, error.location.file]).toEqual(['OVERLAY_DAMAGED', files.list]);
    }
    expect(existsSync(files.list)).toBe(false);
    expect(existsSync(files.side)).toBe(false);
  });
});

describe('lengths that differ from it mean that another program has written', () => {
  const note = (files: Files) => {
    const overlay = open(files.data, base, { access: 'read' });
    expect(overlay.warnings).toHaveLength(1);
    expect(overlay.warnings[0]).toContain('another program');
    return overlay;
  };

  test('so the data file tells the size', async () => {
    const files = await closedOverlay();
    truncateSync(files.data, 20_001);
    expect(note(files).length).toBe(20_001);
  });

  test('and new entries of the list count', async () => {
    const files = await closedOverlay();
    const data = readFileSync(files.data);
    writeFileSync(files.data, Buffer.concat([data, markedBytes(4096, 5)]));
    writeFileSync(files.list, Buffer.concat([readFileSync(files.list), listOf(4)]));
    const overlay = note(files);
    expect([overlay.length, overlay.dirtyPageCount]).toEqual([20_480, 3]);
    expectSameBytes(readRange(overlay, 16_384, 4096), markedBytes(4096, 5));
  });

  test('and a disk that was cut shows the base again, as it does there', async () => {
    const files = await closedOverlay();
    const overlay = open(files.data, base);
    overlay.truncate(5000);
    await overlay.close();
    expect(readSide(files)).toMatchObject({ diskLength: 5000, lowestTruncation: 5000 });
    writeFileSync(files.list, Buffer.concat([readFileSync(files.list), listOf(0)]));
    const after = open(files.data, base, { access: 'read' });
    expect(after.length).toBe(10_000);
    expectSameBytes(contentsOf(after).subarray(8192), base.bytes.subarray(8192));
  });
});

test('what a kill left under the temporary name does not disturb', async () => {
  const files = await closedOverlay();
  writeFileSync(`${files.side}.tmp`, 'half a side file');
  const overlay = open(files.data, base);
  overlay.write(0, Buffer.from('abc'));
  await overlay.close();
  expect(existsSync(`${files.side}.tmp`)).toBe(false);
  expectSameBytes(readRange(open(files.data, base), 0, 3), Buffer.from('abc'));
});
