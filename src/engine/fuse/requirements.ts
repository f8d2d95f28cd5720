import { constants } from 'node:fs';
import { access, open, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';

const DEVICE = '/dev/fuse';
const CONFIGURATION = '/etc/fuse.conf';

/**
 * Checks what every mount needs of this machine, whoever speaks to the kernel.
 *
 * @throws HexzError FUSE_UNAVAILABLE naming what is missing and what mends it
 */
export async function checkRequirements({ allowOther }: { allowOther: boolean }): Promise<void> {
  await checkDevice();
  if (process.geteuid?.() === 0) return;
  await checkFusermount();
  if (allowOther) await checkAllowOther();
}

async function checkDevice(): Promise<void> {
  try {
    // Opened without a mount to follow, the device does nothing.
    await (await open(DEVICE, constants.O_RDWR)).close();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EACCES') {
      throw unavailable(
        `${DEVICE} cannot be opened: permission denied`,
        `as root run: chmod 0666 ${DEVICE} (or run hexz as root)`,
        cause,
      );
    }
    if (code === 'EPERM') {
      throw unavailable(
        `${DEVICE} cannot be opened: not permitted here`,
        `in a container give it the device: --device ${DEVICE} --cap-add SYS_ADMIN`,
        cause,
      );
    }
    const isAbsent = code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO';
    throw unavailable(
      isAbsent
        ? `${DEVICE} is missing`
        : `${DEVICE} cannot be opened: ${describeSystemError(cause)}`,
      isAbsent
        ? `as root run: modprobe fuse (in a container, give it --device ${DEVICE})`
        : undefined,
      cause,
    );
  }
}

/** Who is not root mounts through this program, which has the right to. */
async function checkFusermount(): Promise<void> {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    try {
      await access(join(directory, 'fusermount'), constants.X_OK);
      return;
    } catch {
      // Not in this directory.
    }
  }
  throw unavailable(
    'the program fusermount is missing or not in PATH',
    'as root run: apt install fuse3',
  );
}

async function checkAllowOther(): Promise<void> {
  const configuration = await readFile(CONFIGURATION, 'utf8').catch(() => '');
  if (/^\s*user_allow_other\s*$/m.test(configuration)) return;
  throw unavailable(
    `${CONFIGURATION} does not let this user mount for others`,
    `as root add the line user_allow_other to ${CONFIGURATION}, or leave out --allow-other`,
  );
}

const unavailable = (message: string, hint: string | undefined, cause?: unknown): HexzError =>
  new HexzError('FUSE_UNAVAILABLE', message, { hint, cause });
