import { HexzError } from '../errors.js';
import type { RunTool } from '../nbd/kernelClient.js';
import { type Partition, partitionsOf } from '../nbd/kernelDevices.js';

/*
 * The file system on a block device: which one it is, on which partition, and how it is mounted. Programs of the system
 * look and mount (blkid, mount): nothing here opens the device.
 */

/** A file system that can be mounted. */
export interface DeviceFileSystem {
  /** The device that it lies on, or the partition. */
  readonly device: string;
  /** As the kernel calls it. */
  readonly type: string;
}

/** What blkid finds on a device. */
interface Signature {
  readonly type: string | undefined;
  /** Such as filesystem, raid, crypto. */
  readonly usage: string | undefined;
  readonly partitionTable: string | undefined;
}

/** Nothing found. */
const BLKID_NOTHING = 2;
const MAX_NAMED = 16;

/** File systems of snapshots are those of other machines. */
const COMMON_OPTIONS = ['nosuid', 'nodev'];
/** What keeps a file system that was not unmounted from being mended, which a device that cannot be written does not allow. */
const readOnlyOptions: Readonly<Record<string, readonly string[]>> = {
  ext3: ['noload'],
  ext4: ['noload'],
  xfs: ['norecovery'],
  btrfs: ['rescue=nologreplay'],
  f2fs: ['norecovery'],
  nilfs2: ['norecovery'],
};
/** The snapshot, or another mount of it, may be mounted already. */
const alwaysOptions: Readonly<Record<string, readonly string[]>> = { xfs: ['nouuid'] };

/** What `mount -o` takes for a type of file system. */
export const mountOptionsOf = (type: string, isReadOnly: boolean): string =>
  [
    isReadOnly ? 'ro' : 'rw',
    ...COMMON_OPTIONS,
    ...(alwaysOptions[type] ?? []),
    ...(isReadOnly ? (readOnlyOptions[type] ?? []) : []),
  ].join(',');

/**
 * The file system on a device: on a partition of it, if a number is given, or if it has only one.
 *
 * @throws HexzError USAGE naming the partitions, FILE_SYSTEM_UNKNOWN, and as `run`
 */
export async function findFileSystem(
  device: string,
  partitionNumber: number | undefined,
  run: RunTool,
): Promise<DeviceFileSystem> {
  // Opens the device: the kernel reads its partition table.
  const signature = await readSignature(device, run);
  const partitions = partitionsOf(device);
  if (partitionNumber === undefined && isFileSystem(signature)) {
    return fileSystemOf(device, 'the disk', signature);
  }
  const chosen = choosePartition(partitions, partitionNumber);
  if (chosen !== undefined) {
    const what = `partition ${chosen.partitionNumber} of the disk`;
    return fileSystemOf(chosen.device, what, await readSignature(chosen.device, run));
  }
  if (partitions.length > 0) {
    const list = await describePartitions(partitions, run);
    const problem =
      partitionNumber === undefined
        ? 'the disk has several partitions'
        : `the disk has no partition ${partitionNumber}`;
    throw new HexzError('USAGE', `${problem}: ${list}`, { hint: 'name one with --partition' });
  }
  if (partitionNumber !== undefined) {
    throw new HexzError('USAGE', 'the disk has no partitions', {
      hint: 'leave --partition out',
    });
  }
  return fileSystemOf(device, 'the disk', signature);
}

/**
 * Mounts a file system.
 *
 * @throws HexzError FILE_SYSTEM_UNKNOWN, MOUNT_FAILED, and as `run`
 */
export async function mountFileSystem(
  { device, type }: DeviceFileSystem,
  { mountpoint, isReadOnly }: { readonly mountpoint: string; readonly isReadOnly: boolean },
  run: RunTool,
): Promise<void> {
  const options = mountOptionsOf(type, isReadOnly);
  const parameters = ['-t', type, '-o', options, '--', device, mountpoint];
  const { status, complaint } = await run('mount', parameters);
  if (status === 0) return;
  const location = { file: mountpoint };
  if (/unknown filesystem type/i.test(complaint)) {
    throw new HexzError('FILE_SYSTEM_UNKNOWN', `this kernel does not know ${type}`, {
      location,
      hint: `modprobe ${type} (as root)`,
    });
  }
  const reason = status === null ? 'mount does not come to an end' : complaint;
  throw new HexzError('MOUNT_FAILED', `${type} cannot be mounted with ${options}: ${reason}`, {
    location,
    hint: isReadOnly
      ? 'the file system may be damaged, or need its log to be replayed: --rw lets it'
      : 'the file system may be damaged; the kernel says more: dmesg',
  });
}

async function readSignature(device: string, run: RunTool): Promise<Signature> {
  const parameters = ['--probe', '--output', 'export', '--', device];
  const { status, output, complaint } = await run('blkid', parameters);
  if (status !== 0 && status !== BLKID_NOTHING) {
    const reason = status === null ? 'blkid does not come to an end' : complaint;
    throw new HexzError('FILE_SYSTEM_UNKNOWN', `cannot tell what is on ${device}: ${reason}`, {
      hint: 'several things at once may be recognized there',
    });
  }
  return parseSignature(output);
}

/** Lines are `NAME=VALUE`. */
function parseSignature(output: string): Signature {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}=([\\w.+-]+)$`, 'm').exec(output)?.[1];
  return { type: field('TYPE'), usage: field('USAGE'), partitionTable: field('PTTYPE') };
}

const isFileSystem = ({ type, usage }: Signature): boolean =>
  type !== undefined && usage === 'filesystem';

function fileSystemOf(device: string, what: string, signature: Signature): DeviceFileSystem {
  const { type, partitionTable } = signature;
  if (type !== undefined && isFileSystem(signature)) return { device, type };
  if (type === undefined && partitionTable !== undefined) {
    throw new HexzError(
      'FILE_SYSTEM_UNKNOWN',
      `${what} has a partition table (${partitionTable}) in which the kernel finds no partitions`,
      { hint: 'modprobe -r nbd, and modprobe nbd max_part=15 (as root)' },
    );
  }
  const found = type === undefined ? 'nothing that is known' : `${type}, no file system`;
  throw new HexzError('FILE_SYSTEM_UNKNOWN', `${what} holds ${found}`, {
    hint: 'hexz mount without --nbd shows the disk as a file',
  });
}

/** The one that is wanted, or the only one. */
function choosePartition(
  partitions: readonly Partition[],
  wanted: number | undefined,
): Partition | undefined {
  if (wanted === undefined) return partitions.length === 1 ? partitions[0] : undefined;
  return partitions.find(({ partitionNumber }) => partitionNumber === wanted);
}

async function describePartitions(partitions: readonly Partition[], run: RunTool): Promise<string> {
  const texts: string[] = [];
  for (const { partitionNumber, device, lengthBytes } of partitions.slice(0, MAX_NAMED)) {
    const { type } = await readSignature(device, run);
    texts.push(`${partitionNumber} (${mebibytes(lengthBytes)}, ${type ?? 'unknown'})`);
  }
  const unnamed = partitions.length - texts.length;
  return [...texts, ...(unnamed > 0 ? [`${unnamed} more`] : [])].join(', ');
}

const mebibytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
