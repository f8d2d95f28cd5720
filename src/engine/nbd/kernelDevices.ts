import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** A partition of a device, as the kernel has read it from the table on the disk. */
export interface Partition {
  readonly partitionNumber: number;
  /** Such as /dev/nbd0p1. */
  readonly device: string;
  readonly lengthBytes: number;
}

const BLOCK_DEVICES = '/sys/class/block';
/** What sysfs counts in, whatever the device does. */
const SECTOR_BYTES = 512;

/** Whether it is the path of a device that a kernel client may have. */
export const isDevicePath = (device: string): boolean => /^\/dev\/nbd\d{1,5}$/.test(device);

/** Whether something was mounted from a device, or from a partition of it. */
export const isSourceOf = (device: string, source: string): boolean =>
  source === device || new RegExp(`^${device}p\\d+$`).test(source);

/** The process that attached a device, be it gone or not; undefined of one that is not attached. */
export function clientPidOf(device: string): number | undefined {
  const pid = Number(readAttribute(basename(device), 'pid'));
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}

/** Size of a device; 0 as long as there is none. */
export function lengthOf(device: string): number {
  return Number(readAttribute(basename(device), 'size') ?? 0) * SECTOR_BYTES;
}

/** Its partitions, in the order of their numbers. The kernel reads the table when the device is opened for the first time. */
export function partitionsOf(
  device: string,
  blockDevices: string = BLOCK_DEVICES,
): readonly Partition[] {
  const name = basename(device);
  return namesIn(join(blockDevices, name))
    .flatMap((entry) => {
      const partitionNumber = Number(
        readAttribute(join(name, entry), 'partition', blockDevices) ?? Number.NaN,
      );
      if (!Number.isSafeInteger(partitionNumber)) return [];
      const sectorCount = Number(readAttribute(join(name, entry), 'size', blockDevices) ?? 0);
      const partition = { partitionNumber, device: `/dev/${entry}` };
      return [{ ...partition, lengthBytes: sectorCount * SECTOR_BYTES }];
    })
    .sort((one, other) => one.partitionNumber - other.partitionNumber);
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readAttribute(
  path: string,
  attribute: string,
  blockDevices: string = BLOCK_DEVICES,
): string | undefined {
  try {
    return readFileSync(join(blockDevices, path, attribute), 'latin1').trim();
  } catch {
    return undefined;
  }
}
