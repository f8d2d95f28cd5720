import { spawn } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { HexzError } from '../../errors.js';
import { findProgram } from '../../programs.js';
import { describeSystemError } from '../../systemErrors.js';
import type { FuseOptions } from '../backend.js';
import { MAX_READ_BYTES } from './initialisation.js';
import { closeDescriptors, type SystemCalls } from './systemCalls.js';

const DEVICE = '/dev/fuse';
const SOURCE = 'hexz';
const TYPE = 'fuse.hexz';
/** Of mount(2). */
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOATIME = 1024;
/** Where the program that mounts for others finds the socket, among the descriptors that it inherits. */
const SOCKET_DESCRIPTOR = 3;

/**
 * Mounts: root does it himself, others by fusermount3, which is setuid root.
 *
 * @returns the descriptor of /dev/fuse that the mount is served by; reads of it do not block
 * @throws HexzError MOUNT_FAILED, MOUNTPOINT_UNUSABLE
 */
export async function mountDevice(calls: SystemCalls, options: FuseOptions): Promise<number> {
  if (process.geteuid?.() === 0) return mountAsRoot(calls, options);
  const descriptor = await mountByProgram(calls, options);
  calls.setNonblocking(descriptor);
  return descriptor;
}

function mountAsRoot(calls: SystemCalls, options: FuseOptions): number {
  const { mountpoint, allowOther, isReadOnly } = options;
  let descriptor: number;
  try {
    descriptor = openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    const problem = `cannot open ${DEVICE}: ${describeSystemError(cause)}`;
    throw new HexzError('MOUNT_FAILED', problem, { cause });
  }
  const settings = [
    `fd=${descriptor}`,
    `rootmode=${constants.S_IFDIR.toString(8)}`,
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
    'default_permissions',
    `max_read=${MAX_READ_BYTES}`,
    ...(allowOther ? ['allow_other'] : []),
  ].join(',');
  const flags = MS_NOSUID | MS_NODEV | MS_NOATIME | (isReadOnly ? MS_RDONLY : 0);
  const result = calls.mount(SOURCE, mountpoint, TYPE, flags, settings);
  if (result >= 0) return descriptor;
  closeDescriptors(descriptor);
  throw refused(mountpoint, result);
}

function refused(mountpoint: string, result: number): HexzError {
  const options = { location: { file: mountpoint } };
  const name = getSystemErrorName(result);
  switch (name) {
    case 'ENOENT':
      return new HexzError('MOUNTPOINT_UNUSABLE', 'the mountpoint does not exist', options);
    case 'ENOTDIR':
      return new HexzError('MOUNTPOINT_UNUSABLE', 'the mountpoint is not a directory', options);
    case 'ENAMETOOLONG':
      return new HexzError('MOUNTPOINT_UNUSABLE', "the mountpoint's path is too long", options);
    default:
      return new HexzError('MOUNT_FAILED', `the mount was refused: ${name}`, {
        ...options,
        hint: 'in a container, its security profile may forbid mounts',
      });
  }
}

async function mountByProgram(calls: SystemCalls, options: FuseOptions): Promise<number> {
  const { mountpoint, allowOther, isReadOnly } = options;
  const failed = (problem: string, cause?: unknown): HexzError =>
    new HexzError('MOUNT_FAILED', problem, { location: { file: mountpoint }, cause });
  const program = fusermountPath();
  if (program === undefined) throw failed('fusermount3 is not installed');
  const pair = calls.socketPair();
  if (typeof pair === 'number') throw failed(`no socket: ${getSystemErrorName(pair)}`);
  const [ours, theirs] = pair;
  try {
    const settings = [
      isReadOnly ? 'ro' : 'rw',
      'nosuid',
      'nodev',
      'noatime',
      `fsname=${SOURCE}`,
      'subtype=hexz',
      'default_permissions',
      `max_read=${MAX_READ_BYTES}`,
      ...(allowOther ? ['allow_other'] : []),
    ].join(',');
    const complaint = await run(program, ['-o', settings, '--', mountpoint], theirs);
    const descriptor = calls.receiveDescriptor(ours);
    if (descriptor !== undefined) return descriptor;
    throw failed(`cannot mount: ${complaint || `${program} did not say why`}`);
  } catch (cause) {
    if (cause instanceof HexzError) throw cause;
    throw failed(`cannot run ${program}: ${describeSystemError(cause)}`, cause);
  } finally {
    closeDescriptors(ours, theirs);
  }
}

/** The program by which users mount: that of libfuse 3, or else that of libfuse 2, which speaks alike. */
export const fusermountPath = (): string | undefined =>
  findProgram('fusermount3') ?? findProgram('fusermount');

/** Resolves with what it complained of, when it has ended. */
function run(program: string, parameters: readonly string[], socket: number): Promise<string> {
  const child = spawn(program, parameters, {
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C', _FUSE_COMMFD: String(SOCKET_DESCRIPTOR) },
    stdio: ['ignore', 'ignore', 'pipe', socket],
  });
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(complaint.trim().replace(/\s+/g, ' ')));
  });
}
