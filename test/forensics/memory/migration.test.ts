import { describe, expect, test } from 'vitest';
import { openMemory, openMemorySteps } from '../../../src/forensics/memory/open.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { ContainerWriter } from '../../support/memory/containerWriter.js';
import {
  bootParams,
  countedSource,
  FOUR_GIB,
  Guest,
  markedPage,
  noisePage,
} from '../../support/memory/guest.js';
import { type MigrationOptions, migrationOf } from '../../support/memory/migration.js';

const open = (bytes: Buffer) => openMemory(countedSource(bytes));

function smallGuest(lowPages = 4, highPages = 2): Guest {
  const guest = new Guest(lowPages, highPages);
  guest.pages.set(0, bootParams(guest));
  guest.pages.set(0x2000, noisePage(7));
  if (highPages > 0) guest.pages.set(FOUR_GIB, markedPage(FOUR_GIB));
  return guest;
}

test('tells machine, CPUs, and the memory whose address it does not know', () => {
  const memory = open(migrationOf(smallGuest(), { machine: 'pc-q35-7.2' }).bytes);
  expect(memory.metadata).toEqual({
    architecture: 'x86_64',
    machine: 'pc-q35-7.2',
    cpuCount: 2,
    unmappedBlocks: [],
  });
  expect(memory.ranges.map(({ backing }) => backing)).toEqual(['pc.ram', 'pc.bios', 'pc.ram']);
  expect(memory.presentLength(FOUR_GIB - 8192)).toBe(8192 + 4096);
});

test('the last copy of a page counts, and older ones are no memory', () => {
  const guest = smallGuest();
  const { bytes } = migrationOf(guest, { older: new Map([[0x2000, noisePage(1)]]) });
  const memory = open(bytes);
  const page = Buffer.alloc(4096);
  memory.read(0x2000, page);
  expect(page.equals(noisePage(7))).toBe(true);
  const oldOffset = bytes.indexOf(noisePage(1));
  expect(oldOffset).toBeGreaterThan(0);
  expect(memory.physicalOf(oldOffset + 5)).toBeUndefined();
  expect(memory.physicalOf(bytes.indexOf(noisePage(7)) + 5)).toBe(0x2005);
});

test('a filled page has no offset in the stream', () => {
  const guest = smallGuest();
  guest.pages.set(0x1000, Buffer.alloc(4096, 0x55));
  const memory = open(migrationOf(guest).bytes);
  const page = Buffer.alloc(4096);
  memory.read(0x1000, page);
  expect(page.equals(Buffer.alloc(4096, 0x55))).toBe(true);
  expect(memory.streamOffsetOf(0x1000)).toBeUndefined();
});

test.each([4096n, 0xfffc_0000n])(
  'what capabilities add to a RAM block is skipped: %d',
  (detail) => {
    const memory = open(migrationOf(smallGuest(), { blockDetail: detail }).bytes);
    expect(memory.warnings).toEqual([]);
    expect(memory.presentLength(FOUR_GIB)).toBe(4096);
  },
);

describe('the low-memory limit', () => {
  test('is taken from the map of the firmware', () => {
    const guest = new Guest(0x100 + 8, 3);
    const firmware = Buffer.alloc(4096);
    const entries = [
      [0, 0x9_fc00, 1],
      [0x9_fc00, 0x400, 2],
      [0xf_0000, 0x1_0000, 2],
      [0x10_0000, 6 * 4096, 1],
      [0x10_0000 + 6 * 4096, 2 * 4096, 2],
      [FOUR_GIB, 3 * 4096, 1],
    ] as const;
    entries.forEach(([start, length, type], index) => {
      firmware.writeBigUInt64LE(BigInt(start), 0x140 + 20 * index);
      firmware.writeBigUInt64LE(BigInt(length), 0x140 + 20 * index + 8);
      firmware.writeUInt32LE(type, 0x140 + 20 * index + 16);
    });
    guest.pages.set(0xf_5000, firmware);
    guest.pages.set(FOUR_GIB + 4096, noisePage(3));
    const memory = open(migrationOf(guest).bytes);
    expect(memory.warnings).toEqual([]);
    expect(memory.presentLength(FOUR_GIB + 4096)).toBe(4096);
  });

  test('counts what is not usable from 4 GiB on, too', () => {
    const guest = smallGuest(4, 3);
    const params = bootParams(new Guest(4, 1));
    // The entry behind that of the usable page: two more pages that the firmware keeps.
    params.writeUInt8(4, 0x1e8);
    params.writeBigUInt64LE(BigInt(FOUR_GIB + 4096), 0x2d0 + 60);
    params.writeBigUInt64LE(8192n, 0x2d0 + 68);
    params.writeUInt32LE(2, 0x2d0 + 76);
    guest.pages.set(0, params);
    const memory = open(migrationOf(guest).bytes);
    expect(memory.warnings).toEqual([]);
    expect(memory.presentLength(FOUR_GIB)).toBe(4096);
  });

  test('is assumed with a warning when the map is that of another machine', () => {
    const guest = smallGuest();
    guest.pages.set(0, bootParams(new Guest(4, 200)));
    const memory = open(migrationOf(guest).bytes);
    expect(memory.warnings).toEqual([expect.stringContaining('no address map')]);
    expect(memory.presentLength(FOUR_GIB)).toBe(0);
  });

  test.each([
    ['pc-i440fx-7.2', 5, 3],
    ['pc-i440fx-7.2', 3.25, 3.25],
    ['pc-q35-7.2', 5, 2],
    ['pc-q35-7.2', 2.5, 2.5],
    ['microvm', 5, 3],
  ])('of %s with %d GiB is assumed to be %d GiB', (machine, ramGib, limitGib) => {
    const pagesPerGib = 0x4_0000;
    const guest = new Guest(limitGib * pagesPerGib, (ramGib - limitGib) * pagesPerGib);
    guest.pages.set(0x1000, markedPage(0));
    const { bytes } = sparseMigration(guest, machine);
    const memory = open(bytes);
    const rams = memory.ranges.filter(({ backing }) => backing === 'pc.ram');
    expect(rams[0]?.length).toBe(limitGib * 1024 ** 3);
    expect(memory.warnings).toEqual([expect.stringContaining('assumed')]);
  });

  /** The writer goes through all pages, which are too many here: the announced size is changed afterwards. */
  function sparseMigration(guest: Guest, machine: string) {
    const small = new Guest(4, 0);
    small.pages.set(0x1000, markedPage(0));
    const built = migrationOf(small, { machine });
    const sizes = built.fields.find(({ name }) => name === 'sizes');
    const length = built.fields.find(({ name }) => name === 'block bytes');
    built.bytes.writeBigUInt64BE(BigInt(guest.ramBytes + 8192) | 4n, sizes?.offset ?? 0);
    built.bytes.writeBigUInt64BE(BigInt(guest.ramBytes), length?.offset ?? 0);
    return built;
  }
});

test.each<[string, MigrationOptions]>([
  ['xbzrle', { flags: 0x40 }],
  ['compression', { flags: 0x100 }],
  ['multifd', { flags: 0x200 }],
  ['mapped-ram', { capabilities: ['auto-converge', 'mapped-ram'] }],
  ['version 3', { ramVersion: 3 }],
  ['mach-virt.ram', { ramName: 'mach-virt.ram' }],
])('%s is refused by its name', (name, options) => {
  const error = errorOf(() => open(migrationOf(smallGuest(), options).bytes));
  expect(error.code).toBe('MEMORY_UNSUPPORTED');
  expect(error.message).toContain(name);
});

test('a stream that is cut is read as far as it goes', () => {
  const { bytes } = migrationOf(smallGuest());
  const at = bytes.indexOf(noisePage(7));
  const memory = open(bytes.subarray(0, at + 4096));
  expect(memory.warnings[0]).toContain(`offset ${at + 4096}`);
  expect(memory.warnings[0]).toContain('not present');
  expect(memory.presentLength(0x2000)).toBe(4096);
  expect(memory.presentLength(FOUR_GIB)).toBe(0);
  expect(codeOf(() => open(bytes.subarray(0, 60)))).toBe('MEMORY_DAMAGED');
});

test('a stream that ends with the list of its blocks has no page', () => {
  const { bytes, fields } = migrationOf(smallGuest());
  const end = fields.find(({ name }) => name === 'end of sizes')?.offset ?? 0;
  const memory = open(bytes.subarray(0, end));
  expect([...memory.presentRuns()]).toEqual([]);
  expect(memory.ranges.length).toBeGreaterThan(0);
  expect(memory.warnings[0]).toContain(`offset ${end}`);
});

test('pages that are spread thinly over much memory are a limit', () => {
  const chunkBytes = 16 * 1024 ** 2;
  const streamWith = (pages: number): Buffer => {
    const writer = new ContainerWriter('big').bytes('QEVM').number('version', 4, 3);
    writer.number('start', 1, 1).number('id', 4, 2).named('section', 'ram').zeros(4);
    writer.number('version', 4, 4).number('sizes', 8, BigInt(pages * chunkBytes) | 4n);
    writer.named('block', 'pc.ram').number('length', 8, pages * chunkBytes);
    for (let page = 0; page < pages; page++) {
      writer.number('page', 8, BigInt(page * chunkBytes) | (page === 0 ? 2n : 0x22n));
      if (page === 0) writer.named('block', 'pc.ram');
      writer.number('value', 1, 0);
    }
    return writer.number('end', 8, 0x10).finish().bytes;
  };
  expect(codeOf(() => open(streamWith(3000)))).toBe('ok');
  expect(codeOf(() => open(streamWith(3400)))).toBe('LIMIT');
});

test('a block of nearly a tebibyte costs nothing before pages come', () => {
  const { bytes, fields } = migrationOf(smallGuest());
  const huge = 2n ** 40n - 8192n;
  const sizes = fields.find(({ name }) => name === 'sizes')?.offset ?? 0;
  const length = fields.find(({ name }) => name === 'block bytes')?.offset ?? 0;
  bytes.writeBigUInt64BE((huge + 8192n) | 4n, sizes);
  bytes.writeBigUInt64BE(huge, length);
  const memory = open(bytes);
  expect([...memory.presentRuns()].length).toBeGreaterThan(1);
  bytes.writeBigUInt64BE((2n ** 41n) | 4n, sizes);
  expect(codeOf(() => open(bytes))).toBe('LIMIT');
});

test('opening tells how far it is and can be left', () => {
  const guest = new Guest(9000, 0);
  guest.pages.set(0, bootParams(guest));
  for (let page = 1; page < 9000; page++) guest.pages.set(page * 4096, Buffer.alloc(4096));
  const source = countedSource(migrationOf(guest).bytes);
  const steps = openMemorySteps(source);
  const first = steps.next();
  if (first.done === true) throw new Error('there is no step');
  expect(first.value.totalBytes).toBe(source.length);
  expect(first.value.doneBytes).toBeGreaterThan(0);
  expect(first.value.doneBytes).toBeLessThan(source.length);
  steps.return(undefined as never);
  expect(steps.next().done).toBe(true);
});
