import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GuestMemory } from '../../../src/forensics/memory/guestMemory.js';
import { openMemory, recogniseContainer } from '../../../src/forensics/memory/open.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { elfCoreOf } from '../../support/memory/elfCore.js';
import {
  countedSource,
  FOUR_GIB,
  GUEST_PAGE_BYTES,
  Guest,
  markedPage,
  noisePage,
  someGuest,
} from '../../support/memory/guest.js';
import { flattened, kdumpOf } from '../../support/memory/kdump.js';
import { limeOf } from '../../support/memory/lime.js';
import { migrationOf } from '../../support/memory/migration.js';

const openBytes = (bytes: Buffer): GuestMemory => openMemory(countedSource(bytes));

const builders: Readonly<Record<string, (guest: Guest) => Buffer>> = {
  'elf-core': (guest) => elfCoreOf(guest.runs()).bytes,
  lime: (guest) => limeOf(guest.runs()).bytes,
  kdump: (guest) => kdumpOf(guest).bytes,
  'kdump-flattened': (guest) => flattened(kdumpOf(guest).bytes).bytes,
  'kdump of zstd': (guest) => kdumpOf(guest, { compression: 'zstd' }).bytes,
  'kdump that is not compressed': (guest) => kdumpOf(guest, { compression: 'none' }).bytes,
  'qemu-migration': (guest) => migrationOf(guest).bytes,
};

function readAvailable(memory: GuestMemory, address: number, length: number): Buffer {
  const target = Buffer.alloc(length, 0xee);
  return target.subarray(0, memory.readAvailable(address, target));
}

/** Addresses around pages of a guest, of holes and of the ends of both. */
const somewhere = (guest: Guest): fc.Arbitrary<number> =>
  fc
    .tuple(
      fc.integer({ min: 0, max: guest.lowPages + guest.highPages + 1 }),
      fc.integer({ min: 0, max: GUEST_PAGE_BYTES - 1 }),
    )
    .map(([page, inner]) => guest.addressOf(page * GUEST_PAGE_BYTES) + inner);

describe.each(Object.entries(builders))('%s', (name, build) => {
  test('is recognised', () => {
    const guest = new Guest(2, 0);
    guest.pages.set(0, markedPage(0));
    const bytes = build(guest);
    const container = name.split(' ')[0];
    expect(recogniseContainer(countedSource(bytes))).toBe(container);
    expect(openBytes(bytes).container).toBe(container);
  });

  test('reads what the guest had at its addresses, and nothing where it had nothing', () => {
    const reads = someGuest.chain((guest) =>
      fc.record({
        guest: fc.constant(guest),
        places: fc.array(
          fc.record({
            address: somewhere(guest),
            length: fc.integer({ min: 1, max: 5 * GUEST_PAGE_BYTES }),
          }),
          { minLength: 1, maxLength: 12 },
        ),
      }),
    );
    fc.assert(
      fc.property(reads, ({ guest, places }) => {
        const memory = openBytes(build(guest));
        expect(memory.warnings).toEqual([]);
        for (const { address, length } of places) {
          const expected = guest.expected(address, length);
          expect(readAvailable(memory, address, length).equals(expected)).toBe(true);
          expect(memory.presentLength(address, length)).toBe(expected.length);
          const whole = Buffer.alloc(length);
          expect(codeOf(() => memory.read(address, whole))).toBe(
            expected.length === length ? 'ok' : 'NOT_PRESENT',
          );
        }
      }),
      { numRuns: 40 },
    );
  });

  test('tells all present runs, in order', () => {
    fc.assert(
      fc.property(someGuest, (guest) => {
        const memory = openBytes(build(guest));
        // A migration stream has the BIOS besides, which ends where high memory begins.
        const bios = memory.ranges.find(({ backing }) => backing === 'pc.bios');
        const runs = [...memory.presentRuns()].filter(
          ({ address }) => address !== bios?.startAddress,
        );
        const expected = guest
          .runs()
          .filter((run) => !(bios !== undefined && run.address === FOUR_GIB))
          .map(({ address, bytes }) => ({ address, length: bytes.length }));
        expect(runs).toEqual(expected);
        const end = 3 * GUEST_PAGE_BYTES;
        for (const run of memory.presentRuns(100, end)) {
          expect(run.address).toBeGreaterThanOrEqual(100);
          expect(run.address + run.length).toBeLessThanOrEqual(end);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('leads from an address to the stream and back', () => {
    fc.assert(
      fc.property(
        someGuest.chain((guest) => fc.tuple(fc.constant(guest), somewhere(guest))),
        ([guest, address]) => {
          const bytes = build(guest);
          const memory = openBytes(bytes);
          const streamOffset = memory.streamOffsetOf(address);
          if (streamOffset === undefined) return;
          expect(bytes[streamOffset]).toBe(guest.expected(address, 1)[0]);
          const back = memory.physicalOf(streamOffset);
          if (name.startsWith('kdump')) expect(back).toBeUndefined();
          else expect(back).toBe(address);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test('stored bytes have an offset in the stream, whatever the container', () => {
  const guest = new Guest(2, 0);
  guest.pages.set(0, noisePage(1));
  const address = 0x123;
  for (const build of Object.values(builders)) {
    const bytes = build(guest);
    const memory = openBytes(bytes);
    const offset = memory.streamOffsetOf(address) ?? Number.NaN;
    const pages = guest.expected(address, 100);
    expect(bytes.subarray(offset, offset + 100).equals(pages)).toBe(true);
    expect(memory.streamOffsetOf(5 * GUEST_PAGE_BYTES)).toBeUndefined();
    expect(memory.physicalOf(2)).toBeUndefined();
  }
});

describe('raw', () => {
  test('is all that nothing else begins like', () => {
    const bytes = Buffer.concat([markedPage(0), markedPage(4096), Buffer.from('odd')]);
    const memory = openBytes(bytes);
    expect(memory.container).toBe('raw');
    expect(readAvailable(memory, 4000, 10_000).equals(bytes.subarray(4000))).toBe(true);
    expect(memory.streamOffsetOf(5000)).toBe(5000);
    expect(memory.physicalOf(5000)).toBe(5000);
    expect(memory.physicalOf(bytes.length)).toBeUndefined();
  });

  test('may be empty', () => {
    const memory = openBytes(Buffer.alloc(0));
    expect(memory.container).toBe('raw');
    expect([...memory.presentRuns()]).toEqual([]);
    expect(memory.endAddress).toBe(0);
  });
});

test('an address that is not there is an error that names it, not zeros', () => {
  const memory = openBytes(limeOf([{ address: 0x1000, bytes: markedPage(0) }]).bytes);
  const target = Buffer.alloc(0x20);
  const error = errorOf(() => memory.read(0x1ff0, target));
  expect(error.code).toBe('NOT_PRESENT');
  expect(error.exitStatus).toBe(3);
  expect(error.message).toContain('0x2000');
});

test('bytes of ranges are counted up to an address', () => {
  const memory = openBytes(
    limeOf([
      { address: 0x1000, bytes: Buffer.alloc(0x1000) },
      { address: 0x4000, bytes: Buffer.alloc(0x1000) },
    ]).bytes,
  );
  const addresses = [0, 0x1000, 0x1800, 0x3000, 0x4000, 0x4001, memory.endAddress, 0x9000];
  expect(addresses.map((address) => memory.rangeBytesBefore(address))).toEqual([
    0, 0, 0x800, 0x1000, 0x1000, 0x1001, 0x2000, 0x2000,
  ]);
});

test('ranges that a container claims twice are told, and the first one counts', () => {
  const memory = openBytes(
    limeOf([
      { address: 0x1000, bytes: Buffer.alloc(0x2000, 1) },
      { address: 0x2000, bytes: Buffer.alloc(0x2000, 2) },
    ]).bytes,
  );
  expect(memory.warnings).toHaveLength(1);
  expect(memory.ranges.map(({ startAddress, length }) => [startAddress, length])).toEqual([
    [0x1000, 0x2000],
    [0x3000, 0x1000],
  ]);
  expect([...readAvailable(memory, 0x2fff, 2)]).toEqual([1, 2]);
});
