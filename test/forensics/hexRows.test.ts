import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteSource } from '../../src/forensics/byteSource.js';
import { type HexRowOptions, hexRows } from '../../src/forensics/hexRows.js';
import { bufferSource } from '../support/bufferSource.js';
import { codeOf } from '../support/errors.js';

const MIB = 1024 * 1024;

function linesOf(source: ByteSource, options?: HexRowOptions): string[] {
  const lines: string[] = [];
  for (const step of hexRows(source, options)) {
    if (step.kind === 'row') lines.push(`${step.offset} ${step.bytes.toString('hex')}`);
    else if (step.kind === 'equal') lines.push(`${step.offset} ${step.rowCount} equal`);
    else if (step.kind === 'gap') lines.push(`${step.offset} gap of ${step.length}`);
  }
  return lines;
}

/** The bytes that rows stand for. */
function bytesOf(source: ByteSource, options?: HexRowOptions): Buffer {
  const parts: Buffer[] = [];
  let last = Buffer.alloc(0);
  for (const step of hexRows(source, options)) {
    if (step.kind === 'row') {
      last = Buffer.from(step.bytes);
      parts.push(last);
    } else if (step.kind === 'equal') {
      for (let row = 0; row < step.rowCount; row++) parts.push(last);
    }
  }
  return Buffer.concat(parts);
}

describe('rows', () => {
  test('like the one before are counted', () => {
    const bytes = Buffer.from('aaaaaaaabbbbaaaaa');
    expect(linesOf(bufferSource(bytes), { rowBytes: 4 })).toEqual([
      '0 61616161',
      '4 1 equal',
      '8 62626262',
      '12 61616161',
      '16 61',
    ]);
    expect(linesOf(bufferSource(bytes), { rowBytes: 8, squeezes: false })).toHaveLength(3);
  });

  test('begin where a range does, and gaps are told', () => {
    const bytes = Buffer.alloc(40, 'x');
    const ranges = [
      { startOffset: 1, length: 6 },
      { startOffset: 20, length: 8 },
    ];
    expect(linesOf(bufferSource(bytes, ranges), { rowBytes: 4, ranges })).toEqual([
      '1 78787878',
      '5 7878',
      '7 gap of 13',
      '20 78787878',
      '24 1 equal',
    ]);
  });

  test('stand for every byte, with and without an index', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 60 })), {
          maxLength: 12,
        }),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        fc.boolean(),
        (runs, rowBytes, squeezes, hasIndex) => {
          const bytes = Buffer.concat(runs.map(([byte, length]) => Buffer.alloc(length, byte)));
          const zeroRunAt = (offset: number, limit: number) => {
            let end = offset;
            while (end < Math.min(bytes.length, offset + limit) && bytes[end] === 0) end++;
            return end - offset;
          };
          const source = bufferSource(bytes);
          const options = { rowBytes, squeezes };
          const indexed = hasIndex ? { ...options, zeroRunAt } : options;
          expect(bytesOf(source, indexed)).toEqual(bytes);
          expect(linesOf(source, indexed)).toEqual(linesOf(source, options));
        },
      ),
    );
  });

  test('of a tebibyte of zeros are two steps and some progress', () => {
    const source: ByteSource = {
      length: 2 ** 40,
      readInto: () => {
        throw new Error('nothing is to be read');
      },
    };
    const zeroRunAt = (_: number, limit: number) => limit;
    const steps = [...hexRows(source, { zeroRunAt })];
    expect(steps.filter(({ kind }) => kind !== 'progress')).toHaveLength(2);
    expect(steps.length).toBeLessThan(100);
    expect(steps).toContainEqual({ kind: 'equal', offset: 16, rowCount: 2 ** 36 - 1 });
  });

  test('progress comes after each MiB', () => {
    const steps = [...hexRows(bufferSource(Buffer.alloc(2 * MIB)))];
    expect(steps.map(({ kind }) => kind)).toEqual(['row', 'progress', 'progress', 'equal']);
    expect(steps[2]).toEqual({ kind: 'progress', doneBytes: 2 * MIB, totalBytes: 2 * MIB });
  });

  test('of no bytes or too many are refused', () => {
    const source = bufferSource(Buffer.alloc(8));
    for (const rowBytes of [0, -1, 1.5, 5000]) {
      expect(codeOf(() => linesOf(source, { rowBytes }))).toBe('USAGE');
    }
  });
});
