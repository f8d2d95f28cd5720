/*
 * The FUSE protocol as the kernel's header linux/fuse.h has it, version 7.31 to 7.45: what we use of it. A request is an
 * `inHeader`, the structure of its operation, then names (each ended by a zero byte) or the bytes of a write. An answer is
 * an `outHeader`, and behind it, unless it is an error, the structure of the operation.
 */

import { Structure } from './structure.js';

export const MAJOR_VERSION = 7;
/** The newest that we know; of a kernel that is newer, it is what both speak. */
export const MINOR_VERSION = 45;
/** Linux 5.4. */
export const OLDEST_MINOR_VERSION = 31;

/** Numbers of the operations. */
export const operations = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  INIT: 26,
  READDIR: 28,
  INTERRUPT: 36,
  DESTROY: 38,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  RENAME2: 45,
  SYNCFS: 50,
} as const;

/** What kernel and server tell each other in INIT that they can. */
export const initFlags = {
  ASYNC_READ: 1 << 0,
  BIG_WRITES: 1 << 5,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
  NO_OPENDIR_SUPPORT: 1 << 24,
  EXPLICIT_INVAL_DATA: 1 << 25,
} as const;

/** Which members of SETATTR are meant. */
export const setAttributeFlags = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
} as const;

/** Opened, a file keeps what the kernel has cached of it. */
export const FOPEN_KEEP_CACHE = 1 << 1;

export const inHeader = new Structure({
  length: 'u32',
  operation: 'u32',
  unique: 'u64',
  inode: 'u64',
  uid: 'u32',
  gid: 'u32',
  pid: 'u32',
  extensionLength: 'u16',
  padding: 'u16',
});

export const outHeader = new Structure({ length: 'u32', error: 'i32', unique: 'u64' });

export const initIn = new Structure({
  major: 'u32',
  minor: 'u32',
  maxReadahead: 'u32',
  flags: 'u32',
});

export const initOut = new Structure({
  major: 'u32',
  minor: 'u32',
  maxReadahead: 'u32',
  flags: 'u32',
  maxBackground: 'u16',
  congestionThreshold: 'u16',
  maxWrite: 'u32',
  timeGranularity: 'u32',
  maxPages: 'u16',
  mapAlignment: 'u16',
  flags2: 'u32',
  unused1: 'u32',
  unused2: 'u64',
  unused3: 'u64',
  unused4: 'u64',
});

const attributes = {
  inode: 'u64',
  length: 'u64',
  sectorCount: 'u64',
  accessSeconds: 'i64',
  modificationSeconds: 'i64',
  changeSeconds: 'i64',
  accessNanoseconds: 'u32',
  modificationNanoseconds: 'u32',
  changeNanoseconds: 'u32',
  mode: 'u32',
  linkCount: 'u32',
  uid: 'u32',
  gid: 'u32',
  device: 'u32',
  unitBytes: 'u32',
  attributeFlags: 'u32',
} as const;

export const entryOut = new Structure({
  node: 'u64',
  generation: 'u64',
  entryValidSeconds: 'u64',
  attributesValidSeconds: 'u64',
  entryValidNanoseconds: 'u32',
  attributesValidNanoseconds: 'u32',
  ...attributes,
});

export const attributesOut = new Structure({
  attributesValidSeconds: 'u64',
  attributesValidNanoseconds: 'u32',
  padding: 'u32',
  ...attributes,
});

export const setAttributesIn = new Structure({
  valid: 'u32',
  padding: 'u32',
  handle: 'u64',
  length: 'u64',
  lockOwner: 'u64',
  accessSeconds: 'i64',
  modificationSeconds: 'i64',
  changeSeconds: 'i64',
  accessNanoseconds: 'u32',
  modificationNanoseconds: 'u32',
  changeNanoseconds: 'u32',
  mode: 'u32',
  unused4: 'u32',
  uid: 'u32',
  gid: 'u32',
  unused5: 'u32',
});

export const openIn = new Structure({ flags: 'u32', openFlags: 'u32' });
export const openOut = new Structure({ handle: 'u64', openFlags: 'u32', padding: 'u32' });

/** Of READ, READDIR and WRITE; the bytes of a write follow it. */
export const transferIn = new Structure({
  handle: 'u64',
  offset: 'u64',
  length: 'u32',
  transferFlags: 'u32',
  lockOwner: 'u64',
  openFlags: 'u32',
  padding: 'u32',
});

export const writeOut = new Structure({ length: 'u32', padding: 'u32' });

export const statisticsOut = new Structure({
  unitCount: 'u64',
  freeUnitCount: 'u64',
  availableUnitCount: 'u64',
  fileCount: 'u64',
  freeFileCount: 'u64',
  unitBytes: 'u32',
  nameLengthLimit: 'u32',
  fragmentBytes: 'u32',
  padding: 'u32',
  spare1: 'u64',
  spare2: 'u64',
  spare3: 'u64',
});

/** The name follows it, then zeros up to a multiple of 8. */
export const directoryEntry = new Structure({
  inode: 'u64',
  nextOffset: 'u64',
  nameLength: 'u32',
  type: 'u32',
});

/** What comes before the names of these operations. */
export const mknodIn = new Structure({ mode: 'u32', device: 'u32', umask: 'u32', padding: 'u32' });
export const mkdirIn = new Structure({ mode: 'u32', umask: 'u32' });
export const linkIn = new Structure({ inode: 'u64' });
export const renameIn = new Structure({ directory: 'u64' });
export const rename2In = new Structure({ directory: 'u64', flags: 'u32', padding: 'u32' });
