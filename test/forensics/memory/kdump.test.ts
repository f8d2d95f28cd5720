import { describe, expect, test } from 'vitest';
import { openMemory } from '../../../src/forensics/memory/open.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { ContainerWriter } from '../../support/memory/containerWriter.js';
import { countedSource, Guest, markedPage } from '../../support/memory/guest.js';
import { flattened, kdumpOf } from '../../support/memory/kdump.js';

const guest = new Guest(4, 1);
guest.pages.set(0x1000, markedPage(0x1000));
guest.pages.set(0x2000, Buffer.alloc(4096));
const open = (bytes: Buffer) => openMemory(countedSource(bytes));

test('tells machine, CPUs and VMCOREINFO', () => {
  const { bytes } = kdumpOf(guest, { vmcoreinfo: 'OSRELEASE=9.9\n' });
  const expected = { architecture: 'x86_64', cpuCount: 2, vmcoreinfo: 'OSRELEASE=9.9\n' };
  expect(open(bytes).metadata).toEqual(expected);
  expect(open(flattened(bytes).bytes).metadata).toEqual(expected);
  const notes = [{ name: 'QEMU', type: 0, data: Buffer.alloc(440) }];
  expect(open(kdumpOf(guest, { notes }).bytes).metadata.cpuCount).toBe(1);
});

test.each(['lzo', 'snappy'] as const)('%s is refused by its name', (compression) => {
  const error = errorOf(() =>
    open(kdumpOf(guest, { status: compression === 'lzo' ? 2 : 4 }).bytes),
  );
  expect(error.code).toBe('MEMORY_UNSUPPORTED');
  expect(error.message.toLowerCase()).toContain(compression);
  // Where only the pages say so, they alone cannot be read.
  const memory = open(kdumpOf(guest, { pageCompression: compression, status: 1 }).bytes);
  const target = Buffer.alloc(10);
  expect(codeOf(() => memory.read(0x1000, target))).toBe('MEMORY_UNSUPPORTED');
});

test('a part of a split dump is refused, an incomplete dump says so', () => {
  expect(codeOf(() => open(kdumpOf(guest, { split: 1 }).bytes))).toBe('MEMORY_UNSUPPORTED');
  const memory = open(kdumpOf(guest, { status: 1 | 8 }).bytes);
  expect(memory.warnings).toEqual([expect.stringContaining('not completed')]);
  expect(memory.presentLength(0x1000)).toBe(8192);
});

test('a page that does not decode is an error for that page alone', () => {
  const { bytes, fields } = kdumpOf(guest);
  const field = fields.find(({ name }) => name === 'page offset');
  const offset = Number(bytes.readBigUInt64LE(field?.offset ?? 0));
  const damaged = Buffer.from(bytes);
  damaged.writeUInt8((damaged[offset + 8] ?? 0) ^ 0xff, offset + 8);
  const memory = open(damaged);
  const target = Buffer.alloc(10);
  const error = errorOf(() => memory.read(0x1000, target));
  expect(error.code).toBe('MEMORY_DAMAGED');
  expect(error.message).toContain('0x1000');
  expect(error.location.offset).toBe(offset);
  expect(codeOf(() => memory.read(0x2000, target))).toBe('ok');
});

describe('flattened', () => {
  test('errors name the offset in the stream, not that in the plain dump', () => {
    const { bytes } = flattened(kdumpOf(guest, { split: 1 }).bytes, 4096);
    // The sub-header is the first record that comes.
    expect(errorOf(() => open(bytes)).location.offset).toBe(4096 + 16 + 12);
  });

  const plain = kdumpOf(guest).bytes;
  const writer = () =>
    new ContainerWriter('big')
      .bytes('makedumpfile'.padEnd(16, '\0'))
      .number('type', 8, 1)
      .number('version', 8, 1)
      .zerosUpTo(4096);
  const record = (to: ContainerWriter, offset: number, bytes: Buffer) =>
    to.number('offset', 8, offset).number('length', 8, bytes.length).bytes(bytes);
  const end = (to: ContainerWriter) => to.number('offset', 8, -1n).number('length', 8, -1n);

  test('of two records for the same bytes, the last one counts', () => {
    const to = writer();
    record(to, 0, Buffer.alloc(4096, 0xff));
    record(to, 4096, plain.subarray(4096));
    record(to, 0, plain.subarray(0, 4096));
    const memory = open(end(to).finish().bytes);
    expect(memory.presentLength(0x1000)).toBe(8192);
  });

  test('records that overlap otherwise are damage', () => {
    const to = writer();
    record(to, 0, plain);
    record(to, 100, Buffer.alloc(10));
    expect(codeOf(() => open(end(to).finish().bytes))).toBe('MEMORY_DAMAGED');
  });

  test('without a last record it is read with a warning', () => {
    const to = writer();
    record(to, 0, plain);
    const memory = open(to.finish().bytes);
    expect(memory.warnings).toEqual([expect.stringContaining('no last record')]);
    expect(memory.presentLength(0x1000)).toBe(8192);
  });
});
