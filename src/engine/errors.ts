import type { StreamName } from './format/types.js';

interface ErrorKind {
  /** Exit status of a command that ends with this error. */
  readonly exitStatus: number;
  /** What a file system request answers that meets this error. */
  readonly errno: string;
  /** One sentence for docs/errors.md, which a test holds against this table. */
  readonly meaning: string;
}

const kind = (exitStatus: number, errno: string, meaning: string): ErrorKind => ({
  exitStatus,
  errno,
  meaning,
});

/** Every error code of hexz. Codes are an interface: none is renamed or used again for something else. */
export const errorTable = {
  NOT_SIGNED: kind(1, 'EIO', 'A key was given, but the snapshot carries no signature.'),
  BAD_SIGNATURE: kind(1, 'EIO', 'The signature does not fit the snapshot and the key.'),
  FIXTURE_MISMATCH: kind(1, 'EIO', 'A recipe makes other bytes than its lock file says.'),
  FIXTURE_TOOL_DIFFERS: kind(
    1,
    'EIO',
    'A recipe makes other bytes than its lock file says, with other versions of the tools.',
  ),
  ASSERTION_FAILED: kind(1, 'EIO', 'What a script asserted is not so.'),
  PROGRAM_FAILED: kind(1, 'EIO', 'A program that a script ran ended with a status other than 0.'),
  CANCELLED: kind(1, 'ECANCELED', 'What was asked for was cancelled before it was done.'),
  USAGE: kind(2, 'EINVAL', 'The command line or an argument of a library call is wrong.'),
  UNREADABLE: kind(3, 'EIO', 'A file cannot be opened or read.'),
  BAD_MAGIC: kind(3, 'EIO', 'The file is not a snapshot, or its writer was interrupted.'),
  BAD_VERSION: kind(3, 'EIO', 'The format version is not one that hexz knows.'),
  BAD_KEY: kind(3, 'EINVAL', 'A key file does not hold a key.'),
  NO_STREAM: kind(3, 'ENOENT', 'The snapshot does not have the stream that was asked for.'),
  NO_OVERLAY: kind(3, 'ENOENT', 'There is no overlay, and it was asked for what one holds.'),
  PARENT_MISSING: kind(3, 'EIO', 'A parent snapshot was not found.'),
  NOT_PRESENT: kind(
    3,
    'EIO',
    'What was asked for is not there: the stream ends before it, or the memory does not hold the address.',
  ),
  MEMORY_UNSUPPORTED: kind(
    3,
    'EIO',
    'A memory stream is in a form, or compressed by a method, that hexz does not read.',
  ),
  RECIPE_INVALID: kind(3, 'EINVAL', 'A recipe says something that recipes cannot say.'),
  TRUNCATED: kind(4, 'EIO', 'The file ends before its structures do.'),
  BAD_HEADER: kind(4, 'EIO', 'The header fits neither layout.'),
  BAD_OFFSET: kind(4, 'EIO', 'A reference points outside the file or into the header.'),
  BAD_INDEX: kind(4, 'EIO', 'The index contradicts itself.'),
  BAD_BLOCK: kind(4, 'EIO', 'A stored block does not decode to what the index says.'),
  CRC: kind(4, 'EIO', 'The CRC-32 of a stored block is wrong.'),
  HASH: kind(4, 'EIO', 'A block decodes, but its BLAKE3 hash is not the recorded one.'),
  MEMORY_DAMAGED: kind(4, 'EIO', 'The container of a memory stream contradicts itself or is cut.'),
  LIMIT: kind(4, 'EIO', 'A value is beyond a documented limit.'),
  PARENT_CYCLE: kind(4, 'EIO', 'A snapshot is its own ancestor.'),
  PARENT_MISMATCH: kind(4, 'EIO', 'A parent is not the file that the thin snapshot was made on.'),
  PARENT_BLOCK_MISSING: kind(4, 'EIO', 'No parent holds a block that is referenced by its hash.'),
  AUTH: kind(5, 'EACCES', 'Wrong password, or an encrypted block was altered.'),
  PASSWORD_REQUIRED: kind(5, 'EACCES', 'The snapshot is encrypted and no password was given.'),
  MOUNT_FAILED: kind(6, 'EIO', 'The mount could not be made.'),
  MOUNTPOINT_UNUSABLE: kind(
    6,
    'EIO',
    'The mountpoint is missing, no empty directory, in use, or not permitted.',
  ),
  REGISTRY_UNUSABLE: kind(6, 'EIO', 'The directory that lists running mounts cannot be used.'),
  FUSE_UNAVAILABLE: kind(6, 'EIO', 'This machine or this user cannot mount with FUSE.'),
  LISTEN_FAILED: kind(
    6,
    'EIO',
    'A server cannot listen at the address or socket that it was given.',
  ),
  NBD_UNAVAILABLE: kind(6, 'EIO', 'This machine or this user cannot attach NBD devices.'),
  FILE_SYSTEM_UNKNOWN: kind(
    6,
    'EIO',
    'The disk, or a partition of it, holds no file system that this machine can mount.',
  ),
  NOT_MOUNTED: kind(6, 'EIO', 'Nothing of hexz is mounted there.'),
  ENGINE_GONE: kind(6, 'EIO', 'The engine that serves a mount has ended, or cannot be reached.'),
  PROTOCOL: kind(6, 'EPROTO', 'What was said over a control socket is not the protocol.'),
  ENGINE_LEASED: kind(6, 'EBUSY', 'Another watcher is the one that ends the engine.'),
  MOUNT_BUSY: kind(6, 'EBUSY', 'Programs still use the mount.'),
  UNMOUNT_FAILED: kind(6, 'EIO', 'The mount could not be ended.'),
  EVICTION_FAILED: kind(
    6,
    'EIO',
    'The kernel may still show old bytes of a disk that was changed.',
  ),
  OVERLAY_LOCKED: kind(7, 'EBUSY', 'Another process has the overlay open.'),
  WRONG_BASE: kind(7, 'EIO', 'The overlay was made on another snapshot.'),
  OVERLAY_DAMAGED: kind(
    7,
    'EIO',
    'The files of the overlay contradict each other or are incomplete.',
  ),
  REVIEW_CHANGED: kind(7, 'EBUSY', 'Somebody else has changed the review since it was looked at.'),
  DISK_IN_USE: kind(7, 'EBUSY', 'Something above the mount keeps bytes of the disk of its own.'),
  CODEC_MISSING: kind(8, 'EIO', 'A library that is needed for writing is not installed.'),
  READ_BACK: kind(8, 'EIO', 'What was written reads back as something else.'),
  OUTPUT_EXISTS: kind(8, 'EEXIST', 'The output exists and --force was not given.'),
  OUTPUT_FAILED: kind(8, 'EIO', 'The output could not be written.'),
  OVERLAY_UNUSABLE: kind(8, 'EIO', 'The overlay cannot be created, opened or written.'),
  NO_SPACE: kind(8, 'ENOSPC', 'The file system of the overlay is full.'),
  DISK_TOO_LARGE: kind(8, 'EFBIG', 'The disk would be larger than hexz or the overlay can hold.'),
  READ_ONLY: kind(8, 'EROFS', 'A write to something that is mounted or opened read-only.'),
  TOOL_MISSING: kind(8, 'EIO', 'A program that is needed for writing is not installed.'),
  INTERNAL: kind(70, 'EIO', 'A bug in hexz.'),
} as const satisfies Record<string, ErrorKind>;

export type HexzCode = keyof typeof errorTable;

/** Where an error was met. Offsets are logical offsets in the stream, in bytes. */
export interface ErrorLocation {
  readonly file?: string | undefined;
  /** In a text file, both from 1. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly stream?: StreamName | undefined;
  readonly blockIndex?: number | undefined;
  readonly offset?: number | undefined;
}

/** The one error type that hexz throws for everything a user or a file can cause. */
export class HexzError extends Error {
  override readonly name = 'HexzError';
  readonly code: HexzCode;
  readonly location: ErrorLocation;
  readonly hint: string | undefined;

  constructor(
    code: HexzCode,
    message: string,
    options: { location?: ErrorLocation; hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.location = options.location ?? {};
    this.hint = options.hint;
  }

  get exitStatus(): number {
    return errorTable[this.code].exitStatus;
  }

  get errno(): string {
    return errorTable[this.code].errno;
  }

  /** The same error, with what is known about the place filled in where it was still open. */
  at(location: ErrorLocation): HexzError {
    return new HexzError(this.code, this.message, {
      location: { ...location, ...definedOnly(this.location) },
      hint: this.hint,
      cause: this.cause,
    });
  }

  /** The error in one line: place, what is wrong, what to do. */
  toLine(): string {
    const { file, line, column, stream, blockIndex, offset } = this.location;
    const place: string[] = [];
    if (stream !== undefined) place.push(`${stream} stream`);
    if (blockIndex !== undefined) place.push(`block ${blockIndex}`);
    if (offset !== undefined) place.push(`offset ${offset}`);
    const spot = [file, line, column].filter((part) => part !== undefined).join(':');
    const where = [spot, place.join(', ')].filter((part) => part !== undefined && part !== '');
    return [...where, this.message].join(': ') + (this.hint === undefined ? '' : `; ${this.hint}`);
  }

  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      exitStatus: this.exitStatus,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...definedOnly(this.location),
    };
  }
}

function definedOnly(location: ErrorLocation): ErrorLocation {
  return Object.fromEntries(Object.entries(location).filter(([, value]) => value !== undefined));
}

/** Everything that is thrown, as a HexzError: what we did not foresee is a bug, and says so. */
export function asHexzError(error: unknown): HexzError {
  if (error instanceof HexzError) return error;
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new HexzError('INTERNAL', `a bug in hexz: ${detail.replace(/\s*\n\s*/g, ' ')}`, {
    cause: error,
  });
}

/** A HexzError on its way between processes or threads. */
export interface PortableError {
  readonly code: HexzCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly location: ErrorLocation;
}

export const toPortable = ({ code, message, hint, location }: HexzError): PortableError => ({
  code,
  message,
  hint,
  location,
});

export const fromPortable = ({ code, message, hint, location }: PortableError): HexzError =>
  new HexzError(code, message, { hint, location });
