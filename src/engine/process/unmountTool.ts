import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { runAsRoot } from './rootTool.js';
import { runTool } from './systemTool.js';

interface Tool {
  readonly program: string;
  readonly options: readonly string[];
  readonly lazyOptions: readonly string[];
}

/** Of which kind the mount is: one of a device is ended by root alone. */
export type MountKind = 'fuse' | 'device';

const TIMEOUT_MILLISECONDS = 10_000;
/** The kernel writes back what it keeps of a device before it is unmounted. Where the server is gone, that fails at once. */
const DEVICE_TIMEOUT_MILLISECONDS = 600_000;

/** Both options keep umount from asking the mount for anything, so that it cannot hang. */
const umount: Tool = {
  program: 'umount',
  options: ['--internal-only', '--no-canonicalize'],
  lazyOptions: ['--lazy'],
};
const userTools: readonly Tool[] = ['fusermount3', 'fusermount'].map((program) => ({
  program,
  options: ['-u'],
  lazyOptions: ['-z'],
}));

/**
 * Asks the kernel to unmount what is topmost at a path; answers what the tool complains of, or undefined when
 * it is done.
 *
 * @throws HexzError UNMOUNT_FAILED if there is no tool; for devices NBD_UNAVAILABLE
 */
export async function runUnmountTool(
  mountpoint: string,
  { isLazy, kind }: { readonly isLazy: boolean; readonly kind: MountKind },
): Promise<string | undefined> {
  const parametersOf = ({ options, lazyOptions }: Tool): string[] => [
    ...options,
    ...(isLazy ? lazyOptions : []),
    '--',
    mountpoint,
  ];
  if (kind === 'device') {
    const parameters = parametersOf(umount);
    return complaintOf(
      'umount',
      await runAsRoot('umount', parameters, DEVICE_TIMEOUT_MILLISECONDS),
    );
  }
  // Root needs no helper.
  const isRoot = process.getuid?.() === 0;
  for (const tool of isRoot ? [umount] : userTools) {
    const { program } = tool;
    try {
      return complaintOf(program, await runTool(program, parametersOf(tool), TIMEOUT_MILLISECONDS));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      const problem = describeSystemError(cause);
      throw failed(mountpoint, `cannot start ${program}: ${problem}`, { cause });
    }
  }
  const [name, hint] = isRoot
    ? ['umount', 'apt install mount']
    : ['fusermount', 'apt install fuse3'];
  throw failed(mountpoint, `${name} is not installed`, { hint });
}

function complaintOf(
  program: string,
  { status, complaint }: { readonly status: number | null; readonly complaint: string },
): string | undefined {
  if (status === 0) return undefined;
  if (status === null) return `${program} does not come to an end`;
  return complaint || `${program} ended with status ${status}`;
}

const failed = (
  mountpoint: string,
  message: string,
  options: { hint?: string; cause?: unknown },
): HexzError =>
  new HexzError('UNMOUNT_FAILED', message, { location: { file: mountpoint }, ...options });
