import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { loadNativeLibrary } from '../codec/nativeLibrary.js';
import { type Check, checkFuse } from '../fuse/requirements.js';
import { findProgram } from '../programs.js';
import { describeSystemError } from '../systemErrors.js';
import { nbdRequirements } from './nbdRequirements.js';

const MINIMUM_NODE = [20, 19] as const;
const MINIMUM_FREE_BYTES = 1024 ** 3;

/** What the machine has and lacks of all that hexz can use. */
export interface Diagnosis {
  /** Whether mounting with FUSE can work. */
  readonly canMount: boolean;
  readonly checks: readonly Check[];
}

/** Looks at everything that hexz needs of the machine, for the user that asks. */
export function checkMachine(): Diagnosis {
  const { canMount, checks: fuse } = checkFuse();
  return {
    canMount,
    checks: [
      checkNode(),
      ...fuse,
      checkFlock(),
      ...nbdRequirements(),
      checkFreeSpace(),
      checkLibraries(),
    ],
  };
}

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [neededMajor, neededMinor] = MINIMUM_NODE;
  const name = 'Node.js';
  const detail = `is version ${process.versions.node}`;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) {
    return { name, state: 'ok', detail };
  }
  const needed = MINIMUM_NODE.join('.');
  return {
    name,
    state: 'missing',
    detail: `${detail}, which is too old`,
    remedy: `install Node.js ${needed} or newer`,
  };
}

function checkFlock(): Check {
  const name = 'flock';
  const path = findProgram(name);
  if (path !== undefined) return { name, state: 'ok', detail: `is ${path}` };
  return {
    name,
    state: 'missing',
    detail: 'is not installed; overlays cannot be used without it',
    remedy: 'apt install util-linux',
  };
}

function checkFreeSpace(): Check {
  const directory = tmpdir();
  const name = 'free space';
  const remedy = 'make space there, or set TMPDIR to another directory';
  try {
    const { bavail, bsize } = statfsSync(directory);
    const freeBytes = bavail * bsize;
    const detail = `is ${(freeBytes / 1024 ** 3).toFixed(1)} GiB in ${directory}`;
    if (freeBytes >= MINIMUM_FREE_BYTES) return { name, state: 'ok', detail };
    return { name, state: 'warning', detail: `${detail}, for temporary overlays`, remedy };
  } catch (error) {
    return {
      name,
      state: 'warning',
      detail: `is unknown: ${directory}: ${describeSystemError(error)}`,
      remedy,
    };
  }
}

function checkLibraries(): Check {
  const name = 'compression libraries';
  const absent = ['liblz4.so.1', 'libzstd.so.1'].filter(
    (library) => loadNativeLibrary(library) === undefined,
  );
  if (absent.length === 0)
    return { name, state: 'ok', detail: 'are liblz4 and libzstd of the system' };
  return {
    name,
    state: 'ok',
    detail: `are those of hexz for want of ${absent.join(' and ')}: packing, and reading zstd, take longer`,
    remedy: 'apt install liblz4-1 libzstd1',
  };
}
