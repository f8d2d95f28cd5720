import { uint64LE } from './sourceWindow.js';

const ENTRY_BYTES = 20;
const USABLE = 1;
/** Where RAM that found no room below goes on. */
export const FOUR_GIB = 4 * 1024 ** 3;

/** An entry of the map that firmware gives an operating system (e820). */
interface AddressMapEntry {
  readonly startAddress: number;
  readonly endAddress: number;
  readonly isUsable: boolean;
}

/** Reads entries {u64 start, u64 length, u32 type} for as long as they are in order and make sense. */
export function parseAddressMap(
  bytes: Buffer,
  offset: number,
  maximumEntries: number,
): AddressMapEntry[] {
  const entries: AddressMapEntry[] = [];
  let endAddress = 0;
  for (let at = offset; entries.length < maximumEntries; at += ENTRY_BYTES) {
    if (at + ENTRY_BYTES > bytes.length) break;
    const startAddress = uint64LE(bytes, at);
    const length = uint64LE(bytes, at + 8);
    const type = bytes.readUInt32LE(at + 16);
    if (startAddress < endAddress || length === 0 || type === 0) break;
    endAddress = startAddress + length;
    if (endAddress > Number.MAX_SAFE_INTEGER) break;
    entries.push({ startAddress, endAddress, isUsable: type === USABLE });
  }
  return entries;
}

/**
 * How much of a machine's RAM lies below 4 GiB, by its address map: what the map shows without a gap from 4 GiB on is
 * taken off, whatever it is used for. An entry has to end exactly where the rest does, and no usable one behind it, or
 * else it is the map of another machine.
 */
export function lowMemoryOf(
  entries: readonly AddressMapEntry[],
  ramBytes: number,
): number | undefined {
  let highEnd = FOUR_GIB;
  for (const { startAddress, endAddress } of entries) {
    if (startAddress === highEnd) highEnd = endAddress;
  }
  const limit = ramBytes - (highEnd - FOUR_GIB);
  const low = entries.filter(({ startAddress }) => startAddress < FOUR_GIB);
  const fits =
    low.some(({ endAddress }) => endAddress === limit) &&
    low.every(({ endAddress, isUsable }) => !isUsable || endAddress <= limit);
  return fits ? limit : undefined;
}

/** Whether an entry is what the map of a PC's firmware begins with: conventional memory, of at most 640 KiB. */
const isConventionalMemory = (bytes: Buffer, offset: number): boolean =>
  uint64LE(bytes, offset) === 0 &&
  bytes.readUInt32LE(offset + 12) === 0 &&
  bytes.readUInt32LE(offset + 8) >= 0x8_0000 &&
  bytes.readUInt32LE(offset + 8) <= 0xa_0000 &&
  bytes.readUInt32LE(offset + 16) === USABLE;

/** The low memory by a map that lies somewhere in bytes of the firmware's. */
export function lowMemoryInFirmware(bytes: Buffer, ramBytes: number): number | undefined {
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += 4) {
    if (!isConventionalMemory(bytes, at)) continue;
    const limit = lowMemoryOf(parseAddressMap(bytes, at, 128), ramBytes);
    if (limit !== undefined) return limit;
  }
  return undefined;
}
