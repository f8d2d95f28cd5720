import { FOUR_GIB, lowMemoryInFirmware, lowMemoryOf, parseAddressMap } from './addressMap.js';
import type { MemoryStep } from './container.js';
import { hex } from './damage.js';
import type { RamBlock } from './ramBlock.js';
import type { MappedRange } from './rangeMap.js';

const GIB = 1024 ** 3;
const SCAN_BYTES = 1024 * 1024;
/** The upper memory of a PC, where SeaBIOS keeps its map. */
const FIRMWARE_OFFSET = 0xe_0000;
const FIRMWARE_BYTES = 0x2_0000;
/** Linux's boot_params (Documentation/arch/x86/zero-page.rst): what is where. */
const BOOT_PARAMS = {
  bytes: 4096,
  mapCount: 0x1e8,
  flag: 0x1fe,
  magic: 0x202,
  map: 0x2d0,
} as const;
const BOOT_FLAG = 0xaa55;
const BOOT_MAGIC = Buffer.from('HdrS');
const MAX_BIOS_BYTES = 16 * 1024 ** 2;

/**
 * The guest-physical ranges of a PC's RAM block: offsets below the low-memory limit are addresses, the rest begins at 4
 * GiB. The stream does not tell the limit. It is taken from the address map (e820) that the guest's firmware left in
 * its memory, else from the copy that Linux was booted with; where neither fits the size of the block, QEMU's default
 * for the machine is assumed, with a warning.
 */
export function* mapPcRam(
  ram: RamBlock,
  machine: string | undefined,
  warnings: string[],
): Generator<MemoryStep, MappedRange[]> {
  let limit = limitByFirmware(ram) ?? (yield* limitByBootParams(ram));
  if (limit === undefined) {
    limit = Math.min(ram.length, defaultLimit(machine, ram.length));
    warnings.push(
      ram.length <= limit
        ? 'no address map of the guest was found: all its RAM is assumed to lie below 4 GiB'
        : `no address map of the guest was found: its RAM from offset ${hex(limit)} on is assumed to lie at 4 GiB, as is usual for the machine`,
    );
  }
  const range = (startAddress: number, contentOffset: number, length: number): MappedRange => ({
    startAddress,
    length,
    backing: ram.name,
    content: ram,
    contentOffset,
  });
  const low = range(0, 0, limit);
  return limit < ram.length ? [low, range(FOUR_GIB, limit, ram.length - limit)] : [low];
}

/** The BIOS ends where the first 4 GiB do. */
export function mapBios(bios: RamBlock | undefined): MappedRange[] {
  if (bios === undefined || bios.length > MAX_BIOS_BYTES) return [];
  const { name: backing, length } = bios;
  return [{ startAddress: FOUR_GIB - length, length, backing, content: bios, contentOffset: 0 }];
}

function limitByFirmware(ram: RamBlock): number | undefined {
  const bytes = Buffer.alloc(FIRMWARE_BYTES);
  let at = 0;
  while (at < FIRMWARE_BYTES) {
    at += ram.absentLength(FIRMWARE_OFFSET + at, FIRMWARE_BYTES - at);
    const present = ram.presentLength(FIRMWARE_OFFSET + at, FIRMWARE_BYTES - at);
    if (present === 0) break;
    ram.readInto(FIRMWARE_OFFSET + at, bytes.subarray(at, at + present));
    at += present;
  }
  return lowMemoryInFirmware(bytes, ram.length);
}

function* limitByBootParams(ram: RamBlock): Generator<MemoryStep, number | undefined> {
  const window = Buffer.alloc(SCAN_BYTES + BOOT_PARAMS.bytes);
  let offset = 0;
  while (offset < ram.length) {
    offset += ram.absentLength(offset, ram.length - offset);
    const present = ram.presentLength(offset, Math.min(window.length, ram.length - offset));
    const bytes = window.subarray(0, present);
    ram.readInto(offset, bytes);
    for (let at = bytes.indexOf(BOOT_MAGIC); at >= 0; at = bytes.indexOf(BOOT_MAGIC, at + 1)) {
      const limit = limitOfBootParams(bytes, at - BOOT_PARAMS.magic, ram.length);
      if (limit !== undefined) return limit;
    }
    // The next window begins within this one, so that no boot_params is cut in two.
    offset += present < window.length ? present : SCAN_BYTES;
    yield { doneBytes: Math.min(offset, ram.length), totalBytes: ram.length };
  }
  return undefined;
}

function limitOfBootParams(bytes: Buffer, start: number, ramBytes: number): number | undefined {
  if (start < 0 || start + BOOT_PARAMS.map > bytes.length) return undefined;
  if (bytes.readUInt16LE(start + BOOT_PARAMS.flag) !== BOOT_FLAG) return undefined;
  const count = bytes.readUInt8(start + BOOT_PARAMS.mapCount);
  return lowMemoryOf(parseAddressMap(bytes, start + BOOT_PARAMS.map, count), ramBytes);
}

/** QEMU's defaults (hw/i386/pc_piix.c, pc_q35.c, microvm.c of 7.2), without max-ram-below-4g. */
function defaultLimit(machine: string | undefined, ramBytes: number): number {
  if (machine?.startsWith('pc-q35') === true) return ramBytes >= 2.75 * GIB ? 2 * GIB : 2.75 * GIB;
  if (machine?.startsWith('microvm') === true) return 3 * GIB;
  return ramBytes >= 3.5 * GIB ? 3 * GIB : 3.5 * GIB;
}
