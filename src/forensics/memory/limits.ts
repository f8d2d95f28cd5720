/** Bounds of what a memory container may claim (docs/memory.md, Limits). */

/** Guest-physical addresses of x86-64 have at most 52 bits. */
export const MAX_PHYSICAL_ADDRESS = 2 ** 52;

/** Ranges of one memory. */
export const MAX_RANGES = 65_536;

/** All notes of an ELF core or a kdump together. */
export const MAX_NOTES_BYTES = 16 * 1024 ** 2;

/** One bitmap of a kdump: 4 TiB of guest-physical addresses in pages of 4 KiB. */
export const MAX_BITMAP_BYTES = 128 * 1024 ** 2;

/** Records of a flattened kdump; each costs 24 bytes. */
export const MAX_FLATTENED_RECORDS = 2 ** 24;

/** RAM blocks of a migration stream. */
export const MAX_RAM_BLOCKS = 1024;

/** All RAM blocks of a migration stream together. */
export const MAX_MIGRATED_BYTES = 1024 ** 4;

/** A migration stream; offsets in it are kept in 40 bits. */
export const MAX_MIGRATION_STREAM_BYTES = 2 ** 40 - 1024;

/** The description at the end of a migration stream. */
export const MAX_DESCRIPTION_BYTES = 8 * 1024 ** 2;
