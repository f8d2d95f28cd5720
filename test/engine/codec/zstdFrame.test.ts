import { describe, expect, test } from 'vitest';
import { parseZstdFrameHeader, zstdDictionaryId } from '../../../src/engine/codec/zstdFrame.js';
import { codeOf } from '../../support/errors.js';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const SINGLE = 0x20;
/** Enough bytes behind every header for the shortest frame. */
const REST = [1, 0, 0];
const MIB = 1024 * 1024;

const frame = (...fields: number[]): Buffer => Buffer.from([...MAGIC, ...fields, ...REST]);

describe('what a frame header says', () => {
  test.each([
    ['only a window', [0x00, 0x50], 0, undefined, MIB],
    ['a window with a mantissa', [0x00, 0x57], 0, undefined, MIB + (7 * MIB) / 8],
    ['the smallest window', [0x00, 0x00], 0, undefined, 1024],
    ['a checksum flag', [0x04, 0x50], 0, undefined, MIB],
    ['the unused bit', [0x10, 0x50], 0, undefined, MIB],
    ['content size of 1 byte', [SINGLE, 200], 0, 200, 200],
    ['content size of 2 bytes', [SINGLE | 0x40, 0x01, 0x02], 0, 0x0201 + 256, 0x0201 + 256],
    ['content size of 4 bytes', [SINGLE | 0x80, 0, 0, 0, 1], 0, 2 ** 24, 2 ** 24],
    [
      'content size of 8 bytes beside a window',
      [0xc0, 0x50, 1, 0, 0, 0, 2, 0, 0, 0],
      0,
      2 ** 33 + 1,
      MIB,
    ],
    ['dictionary id of 1 byte', [0x01, 0x50, 7], 7, undefined, MIB],
    ['dictionary id of 2 bytes', [0x02, 0x50, 1, 2], 0x0201, undefined, MIB],
    ['dictionary id of 4 bytes', [0x03, 0x50, 1, 2, 3, 0xff], 0xff030201, undefined, MIB],
    ['dictionary id 0, which is none', [0x03, 0x50, 0, 0, 0, 0], 0, undefined, MIB],
    ['dictionary id and content size', [SINGLE | 0x41, 9, 0, 1], 9, 512, 512],
  ])('%s', (_name, fields, dictionaryId, contentLength, windowBytes) => {
    const header = parseZstdFrameHeader(frame(...fields));
    expect(header).toEqual({ dictionaryId, contentLength, windowBytes });
  });
});

describe('windows', () => {
  test('of 128 MiB are accepted', () => {
    expect(parseZstdFrameHeader(frame(0x00, 17 << 3)).windowBytes).toBe(128 * MIB);
  });

  test.each([
    ['of 144 MiB', [0x00, (17 << 3) | 1]],
    ['of almost 4 TiB', [0x00, 0xff]],
    ['of a single segment of 128 MiB + 1', [SINGLE | 0x80, 1, 0, 0, 8]],
    ['of a single segment of 2^63', [SINGLE | 0xc0, 0, 0, 0, 0, 0, 0, 0, 0x80]],
  ])('%s are refused', (_name, fields) => {
    expect(codeOf(() => parseZstdFrameHeader(frame(...fields)))).toBe('BAD_BLOCK');
  });
});

describe('what is no frame is refused', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a magic alone', Buffer.from(MAGIC)],
    ['another magic', Buffer.from([0x29, 0xb5, 0x2f, 0xfd, 0x00, 0x50, ...REST])],
    ['a skippable frame', Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0, ...REST])],
    ['the reserved bit', frame(0x08, 0x50)],
    ['a frame cut in its header', Buffer.from([...MAGIC, 0xc3, 0x50, 1, 2, 3, 4, 5, 6, 7])],
  ])('%s', (_name, bytes) => {
    expect(codeOf(() => parseZstdFrameHeader(bytes))).toBe('BAD_BLOCK');
  });
});

test('a trained dictionary tells its id, other bytes have none', () => {
  const dictionary = Buffer.from([0x37, 0xa4, 0x30, 0xec, 4, 3, 2, 1, 0, 0]);
  expect(zstdDictionaryId(dictionary)).toBe(0x01020304);
  expect(zstdDictionaryId(dictionary.subarray(0, 7))).toBeUndefined();
  expect(zstdDictionaryId(Buffer.alloc(100, 1))).toBeUndefined();
});
