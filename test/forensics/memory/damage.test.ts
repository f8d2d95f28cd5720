import { describe, expect, test } from 'vitest';
import { identifyKernel } from '../../../src/forensics/memory/banner.js';
import type { GuestMemory } from '../../../src/forensics/memory/guestMemory.js';
import { openMemorySteps } from '../../../src/forensics/memory/open.js';
import { HexzError } from '../../../src/index.js';
import {
  type BuiltContainer,
  type Field,
  putNumber,
} from '../../support/memory/containerWriter.js';
import { elfCoreOf } from '../../support/memory/elfCore.js';
import {
  bootParams,
  countedSource,
  FOUR_GIB,
  Guest,
  markedPage,
  noisePage,
} from '../../support/memory/guest.js';
import { flattened, kdumpOf } from '../../support/memory/kdump.js';
import { limeOf } from '../../support/memory/lime.js';
import { migrationOf } from '../../support/memory/migration.js';

const guest = new Guest(5, 2);
guest.pages.set(0, bootParams(guest));
guest.pages.set(0x1000, markedPage(0x1000));
guest.pages.set(0x3000, Buffer.alloc(4096));
guest.pages.set(0x4000, noisePage(4));
guest.pages.set(FOUR_GIB, markedPage(FOUR_GIB));

const notes = [
  { name: 'CORE', type: 1, data: Buffer.alloc(336) },
  { name: 'VMCOREINFO', type: 0, data: Buffer.from('OSRELEASE=9.9\nPAGESIZE=4096\n') },
];
const kdump = kdumpOf(guest, { notes, vmcoreinfo: 'OSRELEASE=9.9\n' });
const containers: Readonly<Record<string, BuiltContainer>> = {
  'elf-core': elfCoreOf(guest.runs(), { notes }),
  'elf-core that counts in its sections': elfCoreOf(guest.runs(), { countInSection: true }),
  lime: limeOf(guest.runs()),
  kdump,
  'kdump of zstd': kdumpOf(guest, { compression: 'zstd' }),
  'kdump-flattened': flattened(kdump.bytes),
  'qemu-migration': migrationOf(guest, { capabilities: ['x-ignore-shared'] }),
};

/** Codes that a damaged container may end in. */
const refusals: ReadonlySet<string> = new Set(['MEMORY_DAMAGED', 'MEMORY_UNSUPPORTED', 'LIMIT']);
/** Enough for what the containers here hold, and little beside what a wild length claims. */
const READ_BYTES = 4 * 1024 ** 2;
const MAX_STEPS = 200;

/** Opens and reads some of it; whatever is wrong has to be said by a HexzError. */
function readAll(bytes: Buffer): 'refused' | 'read' | 'partly read' {
  const source = countedSource(bytes);
  let memory: GuestMemory | undefined;
  let outcome: 'read' | 'partly read' = 'read';
  const attempt = (action: () => void): boolean => {
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof HexzError) || !refusals.has(error.code)) throw error;
      expect(error.message.length).toBeGreaterThan(10);
      const { offset } = error.location;
      expect(offset === undefined || offset >= 0).toBe(true);
      return false;
    }
  };
  const opens = attempt(() => {
    const steps = openMemorySteps(source);
    for (let count = 0; ; count++) {
      const step = steps.next();
      if (step.done === true) {
        memory = step.value;
        return;
      }
      expect(count).toBeLessThan(MAX_STEPS);
    }
  });
  // Work is bounded by the stream, not by what it claims.
  expect(source.readBytes).toBeLessThan(8 * bytes.length + 1024 ** 2);
  if (!opens || memory === undefined) return 'refused';
  const opened = memory;
  let left = READ_BYTES;
  const page = Buffer.alloc(4096);
  for (const { address, length } of opened.presentRuns()) {
    for (let at = 0; at < length && left > 0; at += page.length) {
      const piece = page.subarray(0, Math.min(page.length, length - at));
      if (!attempt(() => opened.read(address + at, piece))) outcome = 'partly read';
      left -= page.length;
    }
    if (left <= 0) break;
  }
  for (let offset = 0; offset < bytes.length; offset += 1021) {
    const address = opened.physicalOf(offset);
    if (address !== undefined) expect(opened.presentLength(address, 1)).toBe(1);
  }
  attempt(() => {
    const steps = identifyKernel(opened);
    for (let count = 0; count < 8 && steps.next().done !== true; count++);
  });
  return outcome;
}

function extremes({ length }: Field, fileLength: number, value: bigint): bigint[] {
  const all = (1n << BigInt(8 * length)) - 1n;
  const near = [0, 1, 2, 4095, 4096, 4097].map(BigInt);
  const ends = [-4097, -1, 0, 1].map((delta) => BigInt(fileLength + delta));
  const powers = [31n, 32n, 40n, 52n, 53n, 63n].flatMap((power) => [
    (1n << power) - 1n,
    1n << power,
  ]);
  return [...near, ...ends, ...powers, value - 1n, value + 1n, value ^ 0x20n, all - 1n, all]
    .filter((candidate) => candidate >= 0n && candidate <= all)
    .filter((candidate) => candidate !== value);
}

function readNumber(bytes: Buffer, { offset, length, isLittleEndian }: Field): bigint {
  const piece = Buffer.from(bytes.subarray(offset, offset + length));
  if (isLittleEndian) piece.reverse();
  return BigInt(`0x${piece.toString('hex')}`);
}

describe.each(Object.entries(containers))('%s', (_, { bytes, fields }) => {
  test('is read as it is', () => {
    expect(readAll(bytes)).toBe('read');
  });

  test('gives an error or what is left, whatever its numbers are set to', () => {
    const outcomes = new Set<string>();
    for (const field of fields) {
      for (const value of extremes(field, bytes.length, readNumber(bytes, field))) {
        const damaged = Buffer.from(bytes);
        putNumber(damaged, field, value);
        try {
          outcomes.add(readAll(damaged));
        } catch (cause) {
          throw new Error(`${field.name} at ${field.offset} set to ${value}`, { cause });
        }
      }
    }
    expect(outcomes).toContain('refused');
    expect(outcomes).toContain('read');
  });

  test('gives an error or what is left, wherever it is cut', () => {
    const lengths = fields.flatMap(({ offset, length }) => [offset, offset + length - 1]);
    for (const length of [...lengths, bytes.length - 1]) {
      readAll(Buffer.from(bytes.subarray(0, length)));
    }
  });

  test('gives an error or what is left, whichever bits are flipped', () => {
    let state = 12_345;
    const random = (limit: number): number => {
      state = (state * 48_271) % 0x7fff_ffff;
      return state % limit;
    };
    for (let round = 0; round < 200; round++) {
      const damaged = Buffer.from(bytes);
      for (let flips = 0; flips <= random(4); flips++) {
        const field = fields[random(fields.length)];
        const offset =
          field === undefined || random(4) === 0
            ? random(bytes.length)
            : field.offset + random(field.length);
        damaged[offset] = (damaged[offset] ?? 0) ^ (1 << random(8));
      }
      try {
        readAll(damaged);
      } catch (cause) {
        throw new Error(`round ${round}`, { cause });
      }
    }
  });
});
