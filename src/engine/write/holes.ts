import { constants } from 'node:os';
import { loadSystemLibrary } from '../codec/nativeLibrary.js';

/** Tells where a sparse file has data. */
export interface HoleFinder {
  /** Where the next data begins, at this offset at the earliest; Infinity where only a hole is left. */
  nextData(descriptor: number, offset: number): number;
  /** Where the next hole begins, at this offset at the earliest; the end of the file counts as one. */
  nextHole(descriptor: number, offset: number): number;
}

/** Where nobody can tell, every byte has to be read. */
export const everythingIsData: HoleFinder = {
  nextData: (_descriptor, offset) => offset,
  nextHole: () => Number.POSITIVE_INFINITY,
};

/** Values of Linux. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * Asks the kernel. That moves the position of the descriptor: read at explicit offsets beside it.
 * Undefined without koffi, and where the C library is not glibc.
 */
export function systemHoleFinder(): HoleFinder | undefined {
  const library = loadSystemLibrary('libc.so.6');
  // lseek itself takes 32 bits on some machines.
  const seek = library?.func('int64_t lseek64(int descriptor, int64_t offset, int whence)');
  if (library === undefined || seek === undefined) return undefined;
  return {
    nextData(descriptor, offset) {
      const found = Number(seek(descriptor, offset, SEEK_DATA));
      if (found >= 0) return found;
      return library.errno() === constants.errno.ENXIO ? Number.POSITIVE_INFINITY : offset;
    },
    nextHole(descriptor, offset) {
      const found = Number(seek(descriptor, offset, SEEK_HOLE));
      return found >= 0 ? found : Number.POSITIVE_INFINITY;
    },
  };
}
