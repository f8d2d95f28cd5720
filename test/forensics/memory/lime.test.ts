import { expect, test } from 'vitest';
import { openMemory } from '../../../src/forensics/memory/open.js';
import { codeOf } from '../../support/errors.js';
import { countedSource, markedPage } from '../../support/memory/guest.js';
import { limeOf } from '../../support/memory/lime.js';

const open = (bytes: Buffer) => openMemory(countedSource(bytes));
const { bytes } = limeOf([
  { address: 0x1000, bytes: markedPage(0x1000) },
  { address: 0x8000, bytes: markedPage(0x8000) },
]);
const SECOND_HEADER = 32 + 4096;

test('a range that is cut keeps what is left', () => {
  const memory = open(bytes.subarray(0, bytes.length - 96));
  expect(memory.presentLength(0x8000)).toBe(4000);
  expect(memory.warnings).toEqual([expect.stringContaining('96 bytes are not present')]);
});

test.each([
  ['no header', 0, 0],
  ['version 2', 4, 2],
  ['a range from', 16, 0],
])('behind a damaged header nothing is read: %s', (warning, offset, value) => {
  const damaged = Buffer.from(bytes);
  damaged.writeUInt32LE(value, SECOND_HEADER + offset);
  const memory = open(damaged);
  expect(memory.presentLength(0x1000)).toBe(4096);
  expect(memory.presentLength(0x8000)).toBe(0);
  expect(memory.warnings).toEqual([expect.stringContaining(warning)]);
});

test('without a first range it is refused', () => {
  const damaged = Buffer.from(bytes);
  damaged.writeUInt32LE(2, 4);
  expect(codeOf(() => open(damaged))).toBe('MEMORY_UNSUPPORTED');
  damaged.writeUInt32LE(1, 4);
  damaged.fill(0xff, 16, 24);
  expect(codeOf(() => open(damaged))).toBe('MEMORY_DAMAGED');
  expect(codeOf(() => open(bytes.subarray(0, 20)))).toBe('MEMORY_DAMAGED');
});
