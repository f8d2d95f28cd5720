import { describe, expect, test } from 'vitest';
import {
  encodeHeader,
  parseHeader,
  type SnapshotHeader,
} from '../../../src/engine/format/header.js';
import {
  encodeMasterIndex,
  type PageReference,
  parseMasterIndex,
} from '../../../src/engine/format/masterIndex.js';
import { checkIndexOffset, findProblems } from '../../../src/engine/format/references.js';
import { codeOf } from '../../support/errors.js';
import { EMPTY_HEADER } from '../../support/snapshotWriter.js';

const FILE_LENGTH = 100_000_000;
const MIB = 1024 * 1024;

const HEADER: SnapshotHeader = { ...EMPTY_HEADER, indexOffset: 50_000, hasDisk: true };

const PAGE: PageReference = { offset: 5000, length: 8 + 52, startBlockIndex: 0, startOffset: 0 };

function codesFor(header: Partial<SnapshotHeader>, pages: readonly PageReference[] = [PAGE]) {
  const master = encodeMasterIndex({ disk: pages, memory: [] }, { disk: 1000, memory: 0 });
  const parsed = parseHeader(encodeHeader({ ...HEADER, ...header }));
  const index = parseMasterIndex(master, master.length);
  return [...findProblems(parsed, index, FILE_LENGTH)].map(({ code }) => code);
}

test('a sound snapshot has no problems', () => {
  expect(codesFor({})).toEqual([]);
});

describe('index offset', () => {
  test.each([
    [4095, 'BAD_OFFSET'],
    [4096, 'ok'],
    [FILE_LENGTH - 1, 'ok'],
    [FILE_LENGTH, 'BAD_OFFSET'],
    [2 ** 53, 'BAD_OFFSET'],
  ])('%d: %s', (indexOffset, code) => {
    expect(codeOf(() => checkIndexOffset({ ...HEADER, indexOffset }, FILE_LENGTH))).toBe(code);
  });
});

describe('values of the header', () => {
  const salt = Buffer.alloc(16, 1);
  test.each<[string, Partial<SnapshotHeader>, string[]]>([
    ['block size 0', { blockSize: 0 }, ['LIMIT']],
    ['block size 1', { blockSize: 1 }, []],
    ['block size 2^27', { blockSize: 2 ** 27 }, []],
    ['block size 2^27 + 1', { blockSize: 2 ** 27 + 1 }, ['LIMIT']],
    ['99999 iterations', { encryption: { salt, iterations: 99_999 } }, ['LIMIT']],
    ['100000 iterations', { encryption: { salt, iterations: 100_000 } }, []],
    ['10000000 iterations', { encryption: { salt, iterations: 10_000_000 } }, []],
    ['10000001 iterations', { encryption: { salt, iterations: 10_000_001 } }, ['LIMIT']],
    ['dictionary of 16 MiB', { dictionary: { offset: 4096, length: 16 * MIB } }, []],
    ['a longer dictionary', { dictionary: { offset: 4096, length: 16 * MIB + 1 } }, ['LIMIT']],
    ['dictionary in the header', { dictionary: { offset: 4095, length: 1 } }, ['BAD_OFFSET']],
    ['empty dictionary anywhere', { dictionary: { offset: 2 ** 50, length: 0 } }, []],
    ['metadata of 64 MiB', { metadata: { offset: 4096, length: 64 * MIB } }, []],
    ['longer metadata', { metadata: { offset: 4096, length: 64 * MIB + 1 } }, ['LIMIT']],
    ['metadata up to the end', { metadata: { offset: FILE_LENGTH - 5, length: 5 } }, []],
    ['metadata past it', { metadata: { offset: FILE_LENGTH - 5, length: 6 } }, ['BAD_OFFSET']],
    ['signature past it', { signature: { offset: FILE_LENGTH, length: 64 } }, ['BAD_OFFSET']],
    [
      'signature longer than the file',
      { signature: { offset: 4096, length: FILE_LENGTH + 1 } },
      ['BAD_OFFSET'],
    ],
    [
      'several at once, all of which are reported',
      { blockSize: 0, metadata: { offset: 0, length: 9 }, signature: { offset: 1, length: 64 } },
      ['LIMIT', 'BAD_OFFSET', 'BAD_OFFSET'],
    ],
  ])('%s', (_name, header, codes) => {
    expect(codesFor(header)).toEqual(codes);
  });
});

describe('pages of the master index', () => {
  const second = { ...PAGE, offset: 6000, startBlockIndex: 1, startOffset: 100 };
  test.each<[string, PageReference[], string[]]>([
    ['in the header', [{ ...PAGE, offset: 4000 }], ['BAD_OFFSET']],
    ['behind the end', [{ ...PAGE, offset: FILE_LENGTH - 59 }], ['BAD_OFFSET']],
    ['ending with the file', [{ ...PAGE, offset: FILE_LENGTH - 60 }], []],
    ['shorter than one entry', [{ ...PAGE, length: 27 }], ['BAD_INDEX']],
    ['of one short entry', [{ ...PAGE, length: 28 }], []],
    ['of 2^20 entries', [{ ...PAGE, length: 8 + 2 ** 20 * 52 }], []],
    ['of more', [{ ...PAGE, length: 8 + 2 ** 20 * 52 + 1 }], ['LIMIT']],
    ['first page that does not start at 0', [{ ...PAGE, startOffset: 1 }], ['BAD_INDEX']],
    ['two in order', [PAGE, second], []],
    ['the same start twice', [PAGE, { ...second, startOffset: 0 }], []],
    [
      'starts that go back',
      [PAGE, second, { ...second, startBlockIndex: 2, startOffset: 99 }],
      ['BAD_INDEX'],
    ],
    ['block indexes that do not grow', [PAGE, { ...second, startBlockIndex: 0 }], ['BAD_INDEX']],
    ['a start behind the stream', [PAGE, { ...second, startOffset: 1001 }], ['BAD_INDEX']],
    ['a start at its end', [PAGE, { ...second, startOffset: 1000 }], []],
    [
      'each bad one on its own',
      [
        { ...PAGE, offset: 0 },
        { ...second, length: 5 },
      ],
      ['BAD_OFFSET', 'BAD_INDEX'],
    ],
  ])('%s', (_name, pages, codes) => {
    expect(codesFor({}, pages)).toEqual(codes);
  });

  test('a block index beyond exact numbers', () => {
    const master = encodeMasterIndex({ disk: [PAGE], memory: [] }, { disk: 1000, memory: 0 });
    master.writeBigUInt64LE(2n ** 60n, 8 + 12);
    const index = parseMasterIndex(master, master.length);
    const problems = [...findProblems(HEADER, index, FILE_LENGTH)];
    expect(problems.map(({ code }) => code)).toEqual(['BAD_INDEX']);
  });
});
