/**
 * Limits that are checked before anything is allocated (docs/format.md, "Limits"). They lie far beyond
 * what real writers produce and well below what would hurt the machine.
 */

export const HEADER_BYTES = 4096;
export const FORMAT_VERSION = 1;

export const MAX_BLOCK_BYTES = 128 * 1024 * 1024;
export const MAX_MASTER_INDEX_BYTES = 64 * 1024 * 1024;
export const MAX_PAGE_ENTRIES = 1 << 20;
export const MAX_DICTIONARY_BYTES = 16 * 1024 * 1024;
export const MAX_METADATA_BYTES = 64 * 1024 * 1024;
export const MAX_PARENT_PATH_BYTES = 4096;
export const MAX_PARENT_PATHS = 64;
export const MAX_CHAIN_DEPTH = 32;
export const MAX_CHAIN_FILES = 256;
export const MIN_KDF_ITERATIONS = 100_000;
export const MAX_KDF_ITERATIONS = 10_000_000;
export const MAX_ZSTD_WINDOW_BYTES = 128 * 1024 * 1024;

/** Offsets and sizes are JavaScript numbers, exact up to here. */
export const MAX_STREAM_BYTES = Number.MAX_SAFE_INTEGER;

/** The longest stored form that a writer can produce for a block of this logical length. */
export function maximumStoredBytes(logicalLength: number): number {
  return logicalLength + Math.floor(logicalLength / 255) + 64 + 16;
}
