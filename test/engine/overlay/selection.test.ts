import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatPages, formatRange } from '../../../src/engine/overlay/selection.js';
import { Selection } from '../../../src/index.js';
import { errorOf } from '../../support/errors.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { makePipe, runTool } from '../../support/tools.js';

const newDirectory = temporaryDirectories();
const PAGE_BYTES = 4096;

const rangesOf = (text: string): number[][] =>
  [...Selection.parse(text, 'picked').partsIn(0, Number.POSITIVE_INFINITY)].map(
    ({ startOffset, endOffset }) => [startOffset, endOffset],
  );

describe('a line', () => {
  test.each([
    ['7', [7 * PAGE_BYTES, 8 * PAGE_BYTES]],
    ['7-9', [7 * PAGE_BYTES, 10 * PAGE_BYTES]],
    ['  7 - 9\t# 3 pages', [7 * PAGE_BYTES, 10 * PAGE_BYTES]],
    ['0x1000+512', [4096, 4608]],
    ['4096+0x200', [4096, 4608]],
    ['0XaB + 1', [0xab, 0xac]],
    ['0', [0, PAGE_BYTES]],
    ['4294967295', [2 ** 44 - PAGE_BYTES, 2 ** 44]],
    ['0+17592186044416', [0, 2 ** 44]],
  ])('%j', (line, range) => {
    expect(rangesOf(line)).toEqual([range]);
    expect(rangesOf(`# before\n\n${line}\r\n   \n# after`)).toEqual([range]);
    expect(rangesOf(`\ufeff${line}`)).toEqual([range]);
  });

  test.each([
    ['0x1000', '0x1000+LENGTH'],
    ['0x1000-0x2000', 'perhaps 0x1000+4096'],
    ['0x2000-0x1000', '0x2000+LENGTH'],
    ['7..9', 'write 7-9 for pages, 7+LENGTH for bytes'],
    ['7:9', 'write 7-9 for pages'],
    ['7,9', 'write 7-9 for pages'],
    ['7 9', 'write 7-9 for pages'],
    ['9-7', 'ends before it begins'],
    ['-5', 'below 0'],
    ['4k+4k', 'unit'],
    ['3 pages', 'unit'],
    ['0+0', 'no bytes'],
    ['4294967296', 'largest disk'],
    ['0-4294967296', 'largest disk'],
    ['0+17592186044417', 'largest disk'],
    ['9'.repeat(400), 'largest disk'],
    ['0x1+', 'neither'],
    ['1e3', 'neither'],
    ['٣', 'neither'],
    ['{"type":"run"}', 'without --json'],
    ['// all', 'begin with #'],
    ['Disk', 'neither'],
    ['x'.repeat(70_000), 'too long'],
  ])('%j is refused', (line, help) => {
    const error = errorOf(() => Selection.parse(`# one\n\n${line}\n5\n`, 'picked'));
    expect([error.code, error.location.file]).toEqual(['USAGE', 'picked']);
    expect(error.message).toMatch(/^line 3: /);
    expect(error.message).toContain(help);
    expect(error.message.length).toBeLessThan(300);
    expect(error.hint).toContain('7-9');
  });
});

test('ranges are sorted and put together where they touch', () => {
  expect(rangesOf('9\n3-4\n5\n0x9000+10\n4\n')).toEqual([
    [3 * PAGE_BYTES, 6 * PAGE_BYTES],
    [9 * PAGE_BYTES, 10 * PAGE_BYTES],
  ]);
  expect(rangesOf('# nothing\n')).toEqual([]);
});

const lines = fc.array(
  fc.oneof(
    fc
      .record({ pageIndex: fc.nat(6), pageCount: fc.integer({ min: 1, max: 3 }) })
      .map(({ pageIndex, pageCount }) => ({
        line: formatPages(pageIndex, pageCount),
        start: pageIndex * PAGE_BYTES,
        end: (pageIndex + pageCount) * PAGE_BYTES,
      })),
    fc
      .record({ offset: fc.nat(40_000), length: fc.integer({ min: 1, max: 5000 }) })
      .map(({ offset, length }) => ({
        line: formatRange(offset, length),
        start: offset,
        end: offset + length,
      })),
  ),
  { maxLength: 12 },
);

test('what is printed is read back, and asked about as a set of bytes would answer', () => {
  fc.assert(
    fc.property(lines, fc.nat(45_000), fc.nat(9000), (list, start, length) => {
      const bytes = new Uint8Array(64 * 1024);
      for (const each of list) bytes.fill(1, each.start, each.end);
      const text = list.map(({ line }) => `${line}  # comment`).join('\n');
      const selection = Selection.parse(text, 'picked');
      const found = new Uint8Array(bytes.length);
      let lastEnd = -1;
      for (const { startOffset, endOffset } of selection.partsIn(0, Number.POSITIVE_INFINITY)) {
        expect(startOffset).toBeGreaterThan(lastEnd);
        expect(endOffset).toBeGreaterThan(startOffset);
        found.fill(1, startOffset, endOffset);
        lastEnd = endOffset;
      }
      expect(Buffer.from(found).equals(bytes)).toBe(true);
      const end = start + length;
      const inside = new Uint8Array(bytes.length);
      for (const part of selection.partsIn(start, end)) {
        expect(part.endOffset).toBeGreaterThan(part.startOffset);
        inside.fill(1, part.startOffset, part.endOffset);
      }
      const expected = new Uint8Array(bytes.length);
      expected.set(bytes.subarray(start, end), start);
      expect(Buffer.from(inside).equals(expected)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

describe('a file', () => {
  test('of a million lines is read, also out of order', () => {
    const count = 1_000_000;
    const path = join(newDirectory(), 'picked');
    const order = Array.from({ length: count }, (_, line) => (line * 7919) % count);
    writeFileSync(path, order.map((page) => `${page * 2}  # ä`).join('\n'));
    const selection = Selection.read(path);
    expect([...selection.partsIn(0, Number.POSITIVE_INFINITY)]).toHaveLength(count);
    for (const page of [0, 1, 777_776, 777_777, 1_999_998, 1_999_999]) {
      const start = page * PAGE_BYTES;
      const parts = [...selection.partsIn(start, start + PAGE_BYTES)];
      expect(parts).toHaveLength(page % 2 === 0 ? 1 : 0);
    }
  });

  test('without an end of line is not collected for ever', () => {
    const path = join(newDirectory(), 'picked');
    writeFileSync(path, Buffer.alloc(8 * 1024 * 1024));
    expect(errorOf(() => Selection.read(path)).message).toBe('line 1: the line is too long');
  });

  test('may be a pipe', () => {
    const path = join(newDirectory(), 'pipe');
    makePipe(path);
    expect(runTool('sh', '-c', `(echo 3 > '${path}') > /dev/null 2>&1 &`)).toBe(true);
    expect([...Selection.read(path).partsIn(0, Number.POSITIVE_INFINITY)]).toEqual([
      { startOffset: 3 * PAGE_BYTES, endOffset: 4 * PAGE_BYTES },
    ]);
  });

  test('that cannot be read is told', () => {
    for (const path of [join(newDirectory(), 'absent'), newDirectory()]) {
      const error = errorOf(() => Selection.read(path));
      expect([error.code, error.location.file]).toEqual(['UNREADABLE', path]);
    }
  });
});
