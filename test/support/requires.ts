import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { loadNativeLibrary, loadSystemLibrary } from '../../src/engine/codec/nativeLibrary.js';
import { cliPath } from './cli.js';
import { projectDirectory } from './fixtures.js';

/** Any uid without rights will do. */
export const ORDINARY_USER = 65_534;

/** What a test may need of the machine; each answers what is missing, or undefined. */
const needs = {
  FUSE: () => missingForFuse(),
  'FUSE for everybody': () =>
    succeeds('sh', ['-c', 'exec 3<>/dev/fuse'], { uid: ORDINARY_USER })
      ? missing(setuidFusermount(), 'fusermount is not setuid root')
      : 'ordinary users cannot open /dev/fuse: chmod 0666 /dev/fuse',
  root: () => missing(process.getuid?.() === 0, 'only root can do this'),
  'a checkout that everybody can read': () =>
    missing(
      succeeds(process.execPath, [cliPath, '--version'], { uid: ORDINARY_USER }),
      'ordinary users cannot read this checkout',
    ),
  'loop devices': () => missing(succeeds('losetup', ['--find']), 'there is no free loop device'),
  e2fsprogs: () =>
    missing(
      ['mkfs.ext4', 'debugfs', 'e2fsck'].every((program) => succeeds(program, ['-V'])),
      'e2fsprogs is not installed',
    ),
  libzstd: () =>
    missing(loadNativeLibrary('libzstd.so.1') !== undefined, "the system's libzstd is not there"),
  chattr: () =>
    missing(
      succeeds('sh', ['-c', 'd=$(mktemp -d) && chattr +a "$d" && chattr -a "$d" && rmdir "$d"']),
      'the temporary directory knows no attributes',
    ),
  Python: () => missing(succeeds('python3', ['--version']), 'python3 is not installed'),
  openssl: () => missing(succeeds('openssl', ['version']), 'openssl is not installed'),
  libnbd: () =>
    missing(
      succeeds('nbdinfo', ['--version']) && succeeds('nbdcopy', ['--version']),
      'nbdinfo and nbdcopy are not installed',
    ),
  'qemu-utils': () =>
    missing(
      succeeds('qemu-img', ['--version']) && succeeds('qemu-io', ['--version']),
      'qemu-img and qemu-io are not installed',
    ),
  'nbdkit with its nbd plugin': () =>
    missing(
      succeeds('nbdkit', ['nbd', '--dump-plugin']),
      'nbdkit has no nbd plugin, or is not installed',
    ),
  fio: () => missing(succeeds('fio', ['--version']), 'fio is not installed'),
  git: () => missing(succeeds('git', ['--version']), 'git is not installed'),
  'fio for NBD': () =>
    missing(
      succeeds('sh', ['-c', 'fio --enghelp | grep -qw nbd']),
      'fio knows no NBD, or is not installed',
    ),
  xz: () =>
    missing(
      succeeds('xz', ['--version']) && succeeds('tar', ['--version']),
      'xz or tar is not installed',
    ),
  tmpfs: () =>
    missing(
      succeeds('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']),
      'a tmpfs cannot be mounted here',
    ),
} satisfies Record<string, () => string | undefined>;

const known = new Map<string, string | undefined>();

/**
 * Whether this machine has all of it, for `describe.runIf` and `test.runIf`. What is not there is said: a
 * test that is skipped shall not pass for one that was run.
 */
export function requires(...names: readonly (keyof typeof needs)[]): boolean {
  for (const name of names) {
    if (!known.has(name)) {
      const reason = needs[name]();
      known.set(name, reason);
      if (reason !== undefined) console.warn(`skipped what needs ${name}: ${reason}`);
    }
  }
  return names.every((name) => known.get(name) === undefined);
}

function missingForFuse(): string | undefined {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/fuse is missing or cannot be opened';
  }
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !setuidFusermount()) return 'fusermount is missing or not setuid root';
  if (process.env.HEXZ_BACKEND !== 'fuse-native') {
    return missing(loadSystemLibrary('libc.so.6') !== undefined, 'koffi cannot be loaded');
  }
  // In a process of its own: libfuse is a guest that does not leave.
  const load = ['--eval', "require('fuse-native')"];
  return missing(
    succeeds(process.execPath, load),
    'fuse-native cannot be loaded; is libfuse2 installed?',
  );
}

const setuidFusermount = (): boolean =>
  succeeds('sh', ['-c', 'test -u "$(command -v fusermount3 || command -v fusermount)"']);

const missing = (isThere: boolean, reason: string): string | undefined =>
  isThere ? undefined : reason;

const succeeds = (
  program: string,
  parameters: readonly string[],
  options: { uid?: number } = {},
): boolean =>
  spawnSync(program, parameters, { cwd: projectDirectory, stdio: 'ignore', ...options }).status ===
  0;
