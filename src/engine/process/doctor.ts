import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNativeLibrary } from '../codec/nativeLibrary.js';
import { describeSystemError } from '../systemErrors.js';

/** What one look at the machine found. Without what is missing, nothing can be mounted with FUSE. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'warning' | 'missing';
  readonly detail: string;
  /** What mends it. */
  readonly remedy?: string;
}

const MINIMUM_NODE = [20, 19] as const;
const MINIMUM_FREE_BYTES = 1024 ** 3;
const SETUID = 0o4000;

const LIBFUSE = 'libfuse.so.2';

/** Where the loader looks when its cache has no answer. */
const LIBRARY_DIRECTORIES = [
  '/lib',
  '/usr/lib',
  '/lib64',
  '/usr/lib64',
  '/usr/local/lib',
  ...['x86_64', 'aarch64'].flatMap((machine) => [
    `/lib/${machine}-linux-gnu`,
    `/usr/lib/${machine}-linux-gnu`,
  ]),
];

/** Looks at everything that hexz needs of the machine, for the user that asks. */
export function checkMachine(): readonly Check[] {
  return [
    checkNode(),
    checkFuseDevice(),
    checkFusermount(),
    checkLibfuse(),
    checkFuseNative(),
    checkAllowOther(),
    checkFlock(),
    checkNbdModule(),
    checkNbdClient(),
    checkFreeSpace(),
    checkDecoders(),
  ];
}

/** Whether mounting with FUSE can work. */
export const canMount = (checks: readonly Check[]): boolean =>
  checks.every(({ state }) => state !== 'missing');

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [neededMajor, neededMinor] = MINIMUM_NODE;
  const name = 'Node.js';
  const detail = `version ${process.versions.node}`;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) {
    return { name, state: 'ok', detail };
  }
  const needed = MINIMUM_NODE.join('.');
  return {
    name,
    state: 'missing',
    detail: `${detail} is too old`,
    remedy: `install Node.js ${needed} or newer`,
  };
}

function checkFuseDevice(): Check {
  const name = '/dev/fuse';
  try {
    closeSync(openSync(name, constants.O_RDWR));
    return { name, state: 'ok', detail: 'can be opened for reading and writing' };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const detail = code === 'ENOENT' ? 'the kernel offers no FUSE' : describeSystemError(error);
    const remedy =
      deviceRemedies[code ?? ''] ?? 'chmod 666 /dev/fuse (as root; with a udev rule, to stay)';
    return { name, state: 'missing', detail, remedy };
  }
}

const deviceRemedies: Readonly<Record<string, string>> = {
  ENOENT: 'modprobe fuse (as root)',
  // File permissions are not what stands against it.
  EPERM: 'allow this container the device, as with: docker run --device /dev/fuse',
};

function checkFusermount(): Check {
  const name = 'fusermount';
  const remedy = 'apt install fuse3';
  const path = findProgram('fusermount3') ?? findProgram('fusermount');
  const isRoot = process.getuid?.() === 0;
  if (path === undefined) {
    const detail = isRoot ? 'not installed: only root can mount' : 'not installed';
    return { name, state: isRoot ? 'warning' : 'missing', detail, remedy };
  }
  const { mode, uid } = statSync(path);
  if (isRoot || (uid === 0 && (mode & SETUID) !== 0)) return { name, state: 'ok', detail: path };
  return {
    name,
    state: 'missing',
    detail: `${path} is not setuid root: only root can mount`,
    remedy: `chmod u+s ${path} (as root)`,
  };
}

function checkLibfuse(): Check {
  const name = 'libfuse 2';
  const path = [
    ...pathsInLoaderCache(LIBFUSE),
    ...LIBRARY_DIRECTORIES.map((directory) => join(directory, LIBFUSE)),
  ].find((candidate) => existsSync(candidate));
  if (path !== undefined) return { name, state: 'ok', detail: path };
  return {
    name,
    state: 'missing',
    detail: `${LIBFUSE} was not found`,
    remedy: 'apt install libfuse2',
  };
}

function checkFuseNative(): Check {
  const name = 'fuse-native';
  try {
    createRequire(import.meta.url)('fuse-native');
    return { name, state: 'ok', detail: 'loads' };
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return {
      name,
      state: 'missing',
      detail: `does not load: ${reason}`,
      remedy: 'apt install libfuse2, then npm install fuse-native',
    };
  }
}

function checkAllowOther(): Check {
  const name = 'user_allow_other';
  if (/^\s*user_allow_other\s*$/m.test(readIfPresent('/etc/fuse.conf'))) {
    return { name, state: 'ok', detail: 'set in /etc/fuse.conf' };
  }
  return {
    name,
    state: 'ok',
    detail: 'not set; only --allow-other needs it, and not for root',
    remedy: 'echo user_allow_other >> /etc/fuse.conf (as root)',
  };
}

function checkFlock(): Check {
  return checkProgram('flock', 'overlays cannot be locked', 'apt install util-linux');
}

function checkNbdModule(): Check {
  const name = 'nbd module';
  if (existsSync('/sys/module/nbd')) return { name, state: 'ok', detail: 'in the kernel' };
  const modules = join('/lib/modules', release());
  const known = ['modules.dep', 'modules.builtin'].map((file) =>
    readIfPresent(join(modules, file)),
  );
  const isInstalled = known.some((text) => /\/nbd\.ko\b/.test(text));
  return {
    name,
    state: 'warning',
    detail: isInstalled ? 'not loaded; --nbd needs it' : 'not with this kernel; --nbd needs it',
    remedy: isInstalled
      ? 'modprobe nbd (as root)'
      : 'a kernel with the nbd module, then modprobe nbd',
  };
}

const checkNbdClient = (): Check =>
  checkProgram('nbd-client', '--nbd needs it', 'apt install nbd-client');

function checkFreeSpace(): Check {
  const directory = tmpdir();
  const name = 'free space';
  const remedy = 'make space there, or set TMPDIR to another directory';
  try {
    const { bavail, bsize } = statfsSync(directory);
    const freeBytes = bavail * bsize;
    const detail = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB in ${directory}`;
    if (freeBytes >= MINIMUM_FREE_BYTES) return { name, state: 'ok', detail };
    return { name, state: 'warning', detail: `${detail}, for temporary overlays`, remedy };
  } catch (error) {
    return {
      name,
      state: 'warning',
      detail: `${directory}: ${describeSystemError(error)}`,
      remedy,
    };
  }
}

function checkDecoders(): Check {
  const name = 'fast decoders';
  const absent = ['liblz4.so.1', 'libzstd.so.1'].filter(
    (library) => loadNativeLibrary(library) === undefined,
  );
  if (absent.length === 0) return { name, state: 'ok', detail: 'liblz4 and libzstd of the system' };
  return {
    name,
    state: 'ok',
    detail: `${absent.join(' and ')} not used; the decoders of hexz do, more slowly`,
    remedy: 'apt install liblz4-1 libzstd1',
  };
}

function checkProgram(name: string, without: string, remedy: string): Check {
  const path = findProgram(name);
  if (path !== undefined) return { name, state: 'ok', detail: path };
  return { name, state: 'warning', detail: `not installed; ${without}`, remedy };
}

/** Where a program is. The directories of the administrator are looked in, too: users seldom have them in PATH. */
function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Where the loader would find a library: what `ldconfig -p` prints, strings that end with a zero byte. */
const pathsInLoaderCache = (library: string): readonly string[] =>
  readIfPresent('/etc/ld.so.cache')
    .split('\0')
    .filter((path) => path.startsWith('/') && path.endsWith(`/${library}`));

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
