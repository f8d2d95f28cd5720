import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HexzError } from '../errors.js';
import { findProgram } from '../programs.js';
import { describeSystemError } from '../systemErrors.js';
import type { FuseOptions } from './backend.js';
import { type BackendName, backendNames } from './backendNames.js';
import { loadFuseNative } from './fuseNativeLibrary.js';
import { fusermountPath } from './kernel/mountDevice.js';
import { loadSystemCalls } from './kernel/systemCalls.js';

/** What one look at the machine found. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'warning' | 'missing';
  /** With the name before it a sentence. */
  readonly detail: string;
  /** What mends it. */
  readonly remedy?: string;
}

type Needs = Pick<FuseOptions, 'allowOther'>;

const DEVICE = '/dev/fuse';
const CONFIGURATION = '/etc/fuse.conf';
const SETUID = 0o4000;
/** Number of the capability that mounting takes. */
const CAP_SYS_ADMIN = 21n;
const CONTAINER_REMEDY = `in a container: --cap-add SYS_ADMIN --device ${DEVICE}`;

/** All that a mount needs of this machine, for the user that asks, with this backend. */
export const requirements = (backend: BackendName, needs: Needs): readonly Check[] => [
  checkDevice(),
  checkPermission(),
  ...ownRequirements[backend](),
  checkAllowOther(needs),
];

const ownRequirements: Readonly<Record<BackendName, () => readonly Check[]>> = {
  kernel: () => [checkMountProgram(), checkKoffi()],
  'fuse-native': () => [checkFusermount(), checkFuseNative()],
};

/** Whether a backend can mount on this machine. */
export const canMountWith = (backend: BackendName): boolean =>
  !requirements(backend, { allowOther: false }).some(isMissing);

/** What all backends need of this machine. What only one needs that others can stand in for is not missing. */
export function checkFuse(): { readonly canMount: boolean; readonly checks: readonly Check[] } {
  const usable = backendNames.filter(canMountWith);
  const canMount = usable.length > 0;
  const own = backendNames.flatMap((backend) =>
    ownRequirements[backend]().map((check): Check => {
      if (!canMount || !isMissing(check)) return check;
      const detail = `${check.detail}; only --backend ${backend} needs it`;
      return { ...check, state: 'warning', detail };
    }),
  );
  const checks = [checkDevice(), checkPermission(), ...own, checkAllowOther({ allowOther: false })];
  return { canMount, checks };
}

export const isMissing = ({ state }: Check): boolean => state === 'missing';

/**
 * Checks that nothing is missing.
 *
 * @throws HexzError FUSE_UNAVAILABLE for the first thing that is, with what mends it
 */
export function checkRequirements(checks: readonly Check[]): void {
  const missing = checks.find(isMissing);
  if (missing === undefined) return;
  const { name, detail, remedy } = missing;
  throw new HexzError('FUSE_UNAVAILABLE', `${name} ${detail}`, { hint: remedy });
}

function checkDevice(): Check {
  const name = DEVICE;
  try {
    // Opened without a mount to follow, the device does nothing.
    closeSync(openSync(DEVICE, constants.O_RDWR));
    return { name, state: 'ok', detail: 'can be opened' };
  } catch (error) {
    const detail = `cannot be opened: ${describeSystemError(error)}`;
    switch ((error as NodeJS.ErrnoException).code) {
      case 'EACCES':
        return {
          name,
          state: 'missing',
          detail,
          remedy: `chmod 666 ${DEVICE} (as root; with a udev rule, to stay)`,
        };
      case 'EPERM':
        // File permissions are not what stands against it.
        return { name, state: 'missing', detail, remedy: CONTAINER_REMEDY };
      default:
        return {
          name,
          state: 'missing',
          detail,
          remedy: `modprobe fuse (as root); ${CONTAINER_REMEDY}`,
        };
    }
  }
}

/** Root mounts with rights of its own; fusermount of others has them only if its process may ever have them. */
function checkPermission(): Check {
  const name = 'mounting';
  const set = isRoot() ? 'CapEff' : 'CapBnd';
  const digits = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(
    readIfPresent('/proc/self/status'),
  )?.[1];
  if (digits === undefined || ((BigInt(`0x${digits}`) >> CAP_SYS_ADMIN) & 1n) === 1n) {
    return { name, state: 'ok', detail: isRoot() ? 'is permitted' : 'is permitted to fusermount' };
  }
  return { name, state: 'missing', detail: 'is not permitted here', remedy: CONTAINER_REMEDY };
}

/** Who is not root mounts through this program. libfuse 2 runs it by this name only. */
function checkFusermount(): Check {
  const name = 'fusermount';
  const path = findProgram(name);
  if (path === undefined) return withoutFusermount(name);
  return checkSetuid(name, path);
}

/** Who is not root mounts through this program, or through that of libfuse 2, which does the same. */
function checkMountProgram(): Check {
  const name = 'fusermount3';
  const path = fusermountPath();
  if (path !== undefined) return checkSetuid(name, path);
  return {
    name,
    state: isRoot() ? 'ok' : 'missing',
    detail: 'is not installed, or not in PATH; only root can mount without it',
    remedy: 'apt install fuse3',
  };
}

function checkSetuid(name: string, path: string): Check {
  const { mode, uid } = statSync(path);
  if (isRoot() || (uid === 0 && (mode & SETUID) !== 0)) {
    return { name, state: 'ok', detail: `is ${path}` };
  }
  return {
    name,
    state: 'missing',
    detail: `is not setuid root, so only root can mount: ${path}`,
    remedy: `chown root ${path} && chmod u+s ${path} (as root)`,
  };
}

function checkKoffi(): Check {
  const name = 'koffi';
  if (loadSystemCalls() !== undefined) return { name, state: 'ok', detail: 'can be loaded' };
  return {
    name,
    state: 'missing',
    detail: 'cannot be loaded, or is not installed',
    remedy: 'npm install koffi',
  };
}

function withoutFusermount(name: string): Check {
  const state = isRoot() ? 'warning' : 'missing';
  const newer = findProgram('fusermount3');
  if (newer === undefined) {
    const detail = 'is not installed, or not in PATH; only root can mount without it';
    return { name, state, detail, remedy: 'apt install fuse3' };
  }
  return {
    name,
    state,
    detail: 'is not installed; fusermount3 is, but libfuse 2 does not look for that name',
    remedy: `ln -s fusermount3 ${join(dirname(newer), name)} (as root)`,
  };
}

function checkFuseNative(): Check {
  const name = 'fuse-native';
  try {
    loadFuseNative();
    return { name, state: 'ok', detail: 'can be loaded' };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (message.includes('libfuse.so.2')) {
      const detail = 'needs libfuse 2, which is missing';
      return { name, state: 'missing', detail, remedy: 'apt install libfuse2' };
    }
    const isInstalled = code !== 'MODULE_NOT_FOUND';
    const [reason] = message.split('\n');
    return {
      name,
      state: 'missing',
      detail: isInstalled ? `cannot be loaded: ${reason}` : 'is not installed',
      remedy: isInstalled ? 'npm rebuild fuse-native' : 'npm install fuse-native',
    };
  }
}

function checkAllowOther({ allowOther }: Needs): Check {
  const name = 'user_allow_other';
  if (/^\s*user_allow_other\s*$/m.test(readIfPresent(CONFIGURATION))) {
    return { name, state: 'ok', detail: `is set in ${CONFIGURATION}` };
  }
  return {
    name,
    state: allowOther && !isRoot() ? 'missing' : 'ok',
    detail: `is not set in ${CONFIGURATION}; only --allow-other needs it, and not for root`,
    remedy: `echo user_allow_other >> ${CONFIGURATION} (as root)`,
  };
}

const isRoot = (): boolean => process.geteuid?.() === 0;

/** The text of a file of the system; empty if it cannot be read. */
export function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
