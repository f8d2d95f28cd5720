import { accessSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HexzError } from '../errors.js';
import { clientPidOf, isDevicePath, lengthOf } from './kernelDevices.js';

/*
 * The NBD client of the kernel, which makes a block device of an export. `nbd-client` does the handshake and gives the
 * connection to the kernel (netlink), then it ends.
 *
 * Which device is free is the kernel's choice: it looks for one and takes it in one step, so whoever else attaches one at the
 * same time gets another, and where all are taken it makes a new one. Whoever looks at sysfs first, and then names a device, may
 * find it taken.
 *
 *   state     begins with                     /sys/block/nbdN/pid
 *   free      -                               is not there
 *   attached  `attachKernelClient`            the number of the process that attached it, which is gone
 *   severed   the end of its server           the same; what is read or written fails
 *   given up  `detachKernelClient`            the same, as long as somebody has it open; then it is free
 *
 * That number tells a device from the next one of the same name.
 */

/** A device that the kernel has made of an export. */
export interface AttachedDevice {
  /** Such as /dev/nbd0. */
  readonly path: string;
  /** The process that attached it. */
  readonly clientPid: number;
}

/** How a program of the system has ended. */
export interface ToolResult {
  /** Null if it did not come to an end. */
  readonly status: number | null;
  readonly output: string;
  /** What it said on standard error, in one line. */
  readonly complaint: string;
}

/** Runs a program of the system as root, in another process: the thread that calls it may be the one that serves the device. */
export type RunTool = (program: string, parameters: readonly string[]) => Promise<ToolResult>;

const READY_LIMIT_MILLISECONDS = 10_000;
const POLL_MILLISECONDS = 10;

/**
 * Attaches a device to the default export of the server that listens at a socket; resolves when it can be used.
 *
 * @throws HexzError MOUNT_FAILED, and as `run`; nothing is attached then
 */
export async function attachKernelClient(
  socketPath: string,
  run: RunTool,
): Promise<AttachedDevice> {
  const { status, output, complaint } = await run('nbd-client', ['-unix', socketPath]);
  const device = /^Connected (\S+)$/m.exec(output)?.[1];
  if (status !== 0 || device === undefined || !isDevicePath(device)) {
    throw failed(`nbd-client attached no device: ${reasonIn(complaint, output)}`, {
      hint: 'nbd-client 3.17 or newer is needed, and the kernel says more: dmesg',
    });
  }
  const attached = await awaitReady(device);
  if (attached !== undefined) return attached;
  await run('nbd-client', ['-d', device]);
  throw failed(`${device} is attached, but cannot be used: ${whatIsMissing(device)}`, {
    hint: 'in a container, its /dev has to show the devices of the machine',
  });
}

/**
 * Gives a device up; nothing happens to one that is attached to another server by now. Whoever has it open gets errors.
 *
 * @throws HexzError UNMOUNT_FAILED, and as `run`
 */
export async function detachKernelClient(attached: AttachedDevice, run: RunTool): Promise<void> {
  const { path: device } = attached;
  if (!isAttached(attached)) return;
  const { status, complaint, output } = await run('nbd-client', ['-d', device]);
  if (status === 0 || !isAttached(attached)) return;
  throw new HexzError('UNMOUNT_FAILED', `cannot detach ${device}: ${reasonIn(complaint, output)}`, {
    hint: `nbd-client -d ${device} (as root)`,
  });
}

/** Whether a device is as it was attached, be there a server or not. */
export const isAttached = ({ path, clientPid }: AttachedDevice): boolean =>
  isDevicePath(path) && clientPidOf(path) === clientPid;

async function awaitReady(device: string): Promise<AttachedDevice | undefined> {
  const deadline = performance.now() + READY_LIMIT_MILLISECONDS;
  while (performance.now() < deadline) {
    const clientPid = clientPidOf(device);
    if (clientPid !== undefined && whatIsMissing(device) === undefined) {
      return { path: device, clientPid };
    }
    await sleep(POLL_MILLISECONDS);
  }
  return undefined;
}

function whatIsMissing(device: string): string | undefined {
  if (lengthOf(device) === 0) return 'the kernel gives it no size';
  try {
    accessSync(device);
    return undefined;
  } catch {
    return 'it is not in /dev';
  }
}

/** nbd-client begins with remarks on how it was called, and ends with how it ends. */
function reasonIn(complaint: string, output: string): string {
  const said = complaint
    .replace(/Warning: the oldstyle protocol.*?default export/, '')
    .replace(/Exiting\.$/, '')
    .replace(/^\s*Error: /, '')
    .trim();
  return said || output.trim() || 'it does not say why';
}

const failed = (message: string, options: { readonly hint: string }): HexzError =>
  new HexzError('MOUNT_FAILED', message, options);
