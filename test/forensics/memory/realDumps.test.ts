import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { identifyKernel } from '../../../src/forensics/memory/banner.js';
import type { GuestMemory } from '../../../src/forensics/memory/guestMemory.js';
import { guestSource, presentRanges } from '../../../src/forensics/memory/guestSource.js';
import { openMemory, toEnd } from '../../../src/forensics/memory/open.js';
import { parsePattern } from '../../../src/forensics/search/pattern.js';
import { search } from '../../../src/forensics/search/search.js';
import { openSnapshot, pack } from '../../../src/index.js';
import { projectDirectory } from '../../support/fixtures.js';
import { FOUR_GIB, GUEST_PAGE_BYTES } from '../../support/memory/guest.js';
import {
  fileSource,
  guestNames,
  memoryManifest,
  unpackDumps,
} from '../../support/memory/realDumps.js';
import { requires } from '../../support/requires.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const WINDOW_BYTES = 1024 * 1024;
const BIOS_ADDRESS = 0xfffc_0000;
const BIOS_BYTES = 0x4_0000;
/** Display memory where a machine has a display card, and RAM behind it that a migration stream holds. */
const DISPLAY = { startAddress: 0xa_0000, endAddress: 0xc_0000 };
const containers = ['raw', 'elf', 'migrate', 'kdump-zlib'];

describe.runIf(requires('xz')).each(guestNames)('%s', (guest) => {
  const manifest = memoryManifest(projectDirectory, guest);
  const kinds = containers.filter((kind) => `dump.${kind}` in manifest.files);
  const hasDisplay = guest === 'salt-mill-5.10';
  const ends: (() => void)[] = [];
  let directory: string;
  let low: Buffer;
  let high: Buffer;
  const memories = new Map<string, GuestMemory>();

  beforeAll(() => {
    directory = newDirectory();
    unpackDumps(projectDirectory, guest, directory);
    for (const kind of kinds) {
      const source = fileSource(join(directory, `dump.${kind}`));
      ends.push(() => source.close());
      memories.set(kind, openMemory(source));
    }
    low = readFileSync(join(directory, 'dump.raw'));
    const hasHigh = 'dump.high.raw' in manifest.files;
    high = hasHigh ? readFileSync(join(directory, 'dump.high.raw')) : Buffer.alloc(0);
  }, 120_000);

  afterAll(() => {
    for (const end of ends) end();
  });

  const memoryOf = (kind: string): GuestMemory => {
    const memory = memories.get(kind);
    if (memory === undefined) throw new Error(`${kind} was not opened`);
    return memory;
  };

  /** The bytes that were saved raw at an address, up to where the save ends. */
  function rawBytes(address: number, length: number): Buffer {
    if (address >= FOUR_GIB) return high.subarray(address - FOUR_GIB, address - FOUR_GIB + length);
    return low.subarray(address, address + length);
  }

  /** Compares everything that is present with the raw save; answers how much was compared. */
  function compareWithRaw(memory: GuestMemory): { compared: number; different: number[] } {
    const window = Buffer.alloc(WINDOW_BYTES);
    const different: number[] = [];
    let compared = 0;
    for (const { address, length } of [
      ...memory.presentRuns(0, FOUR_GIB),
      ...memory.presentRuns(FOUR_GIB),
    ]) {
      for (let at = address; at < address + length; at += WINDOW_BYTES) {
        const bytes = window.subarray(0, Math.min(WINDOW_BYTES, address + length - at));
        memory.read(at, bytes);
        const expected = rawBytes(at, bytes.length);
        compared += expected.length;
        if (bytes.subarray(0, expected.length).equals(expected)) continue;
        for (let page = 0; page < expected.length; page += GUEST_PAGE_BYTES) {
          const end = page + GUEST_PAGE_BYTES;
          if (!bytes.subarray(page, end).equals(expected.subarray(page, end))) {
            different.push(at + page);
          }
        }
      }
    }
    return { compared, different };
  }

  test.each(kinds)('%s reads the same bytes as the raw save, at the same addresses', (kind) => {
    const memory = memoryOf(kind);
    expect(memory.warnings).toEqual([]);
    const { compared, different } = compareWithRaw(memory);
    const isDisplay = (page: number): boolean =>
      page >= DISPLAY.startAddress && page < DISPLAY.endAddress;
    if (hasDisplay && kind === 'migrate') {
      expect(different.length).toBeGreaterThan(0);
      expect(different.filter((page) => !isDisplay(page))).toEqual([]);
    } else {
      expect(different).toEqual([]);
    }
    const leftOut = hasDisplay && kind === 'elf' ? DISPLAY.endAddress - DISPLAY.startAddress : 0;
    expect(compared).toBe(low.length + (kind === 'raw' ? 0 : high.length) - leftOut);
  });

  test('every container that has the BIOS has the same one', () => {
    const hashes = kinds
      .filter((kind) => kind !== 'raw')
      .map((kind) => {
        const bios = Buffer.alloc(BIOS_BYTES);
        memoryOf(kind).read(BIOS_ADDRESS, bios);
        return createHash('sha256').update(bios).digest('hex');
      });
    expect(new Set(hashes).size).toBe(1);
  });

  test.each(kinds)('%s says of the machine what is true', (kind) => {
    const { container, metadata, endAddress } = memoryOf(kind);
    expect(container).toBe(
      { raw: 'raw', elf: 'elf-core', migrate: 'qemu-migration', 'kdump-zlib': 'kdump-flattened' }[
        kind
      ],
    );
    const { cpus, machine, ram_bytes, ram_below_4g, vmcoreinfo_device } = manifest.machine;
    if (kind === 'raw') return;
    expect(metadata.architecture).toBe('x86_64');
    expect(metadata.cpuCount).toBe(cpus);
    expect(endAddress).toBe(FOUR_GIB + ram_bytes - ram_below_4g);
    if (kind === 'migrate') {
      expect(metadata.machine).toBe(machine === 'pc' ? 'pc-i440fx-7.2' : `pc-${machine}-7.2`);
    } else {
      expect(metadata.vmcoreinfo !== undefined).toBe(vmcoreinfo_device);
    }
  });

  test.each(kinds)('%s has the planted strings at the addresses of the manifest', (kind) => {
    const memory = memoryOf(kind);
    for (const { text, physical } of manifest.strings) {
      const addresses = physical
        .map(Number)
        .filter((address) => kind !== 'raw' || address < FOUR_GIB);
      // One that crosses a page need not go on in the next one.
      const room = GUEST_PAGE_BYTES - (Number(physical[0]) % GUEST_PAGE_BYTES);
      const pattern = parsePattern(`t:${text.slice(0, room)}`);
      const found = [
        ...search(guestSource(memory), pattern, { ranges: presentRanges(memory) }),
      ].flatMap((step) => (step.kind === 'match' ? [step.offset] : []));
      expect(found).toEqual(expect.arrayContaining(addresses));
      const page = Buffer.alloc(8);
      for (const address of addresses) {
        memory.read(address, page);
        expect(page.toString('latin1')).toBe(text.slice(0, 8));
      }
    }
  });

  test.each(kinds)('%s names its kernel', (kind) => {
    const memory = memoryOf(kind);
    const { banner, vmcoreinfo, warnings } = toEnd(identifyKernel(memory));
    const { version, release, symbols } = manifest.kernel;
    expect(warnings).toEqual([]);
    expect(banner?.text).toBe(version);
    expect(banner?.release).toBe(release);
    // A raw save that ends below 4 GiB may not have it.
    if (vmcoreinfo === undefined) {
      expect([guest, kind]).toEqual(['salt-mill-5.10', 'raw']);
      return;
    }
    expect(vmcoreinfo.release).toBe(release);
    expect(vmcoreinfo.fits(memory)).toBe(true);
    const text = vmcoreinfo.physicalOf('_stext');
    const distance = BigInt(`0x${symbols.linux_banner}`) - BigInt(`0x${symbols._stext}`);
    expect(banner?.address).toBe((text ?? 0) + Number(distance));
  });

  test('the migration stream as the memory of a snapshot reads the same', async () => {
    const output = join(directory, 'machine.hxz');
    await pack({ memory: join(directory, 'dump.migrate'), output });
    const snapshot = openSnapshot(output);
    ends.push(() => snapshot.close());
    const memory = openMemory({
      length: snapshot.streamLength('memory'),
      readInto: (offset, target) => snapshot.readInto('memory', offset, target),
    });
    expect(memory.container).toBe('qemu-migration');
    const own = memoryOf('migrate');
    const [a, b] = [Buffer.alloc(WINDOW_BYTES), Buffer.alloc(WINDOW_BYTES)];
    const runs = [...memory.presentRuns()];
    expect(runs).toEqual([...own.presentRuns()]);
    for (const { address, length } of runs) {
      for (let at = address; at < address + length; at += WINDOW_BYTES) {
        const bytes = Math.min(WINDOW_BYTES, address + length - at);
        memory.read(at, a.subarray(0, bytes));
        own.read(at, b.subarray(0, bytes));
        expect(a.equals(b)).toBe(true);
      }
    }
    const streamOffset = memory.streamOffsetOf(Number(manifest.strings[0]?.physical[0]));
    expect(memory.physicalOf(streamOffset ?? -1)).toBe(Number(manifest.strings[0]?.physical[0]));
  });
});
