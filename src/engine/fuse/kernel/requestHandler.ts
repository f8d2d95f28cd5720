import { constants } from 'node:fs';
import { errorNumber } from '../errorNumber.js';
import { type Attributes, type FileSystem, streamInodes } from '../fileSystem.js';
import { RequestError } from '../requestError.js';
import {
  attributesOut,
  directoryEntry,
  entryOut,
  FOPEN_KEEP_CACHE,
  inHeader,
  linkIn,
  mkdirIn,
  mknodIn,
  openIn,
  openOut,
  operations,
  rename2In,
  renameIn,
  setAttributeFlags,
  setAttributesIn,
  statisticsOut,
  transferIn,
  writeOut,
} from './protocol.js';

/** Nothing changes but through the mount itself, so the kernel may remember what it was told. */
const CACHE_SECONDS = 86_400;
const cacheTimes = { entryValidSeconds: CACHE_SECONDS, attributesValidSeconds: CACHE_SECONDS };
const NO_BODY = Buffer.alloc(0);

/** Answers a request: with an errno, or 0 and what follows the header. */
export type Reply = (unique: bigint, errno: number, body: Buffer) => void;

interface Request {
  readonly inode: number;
  /** What follows the header. */
  readonly body: Buffer;
}

interface Operation {
  readonly name: string;
  /** Whether it waits as long as changes are held. */
  readonly isChange?: (request: Request) => boolean;
  readonly answer: (fileSystem: FileSystem, request: Request) => Buffer | Promise<Buffer>;
}

/**
 * Answers requests of the kernel by the file system: all of them but INIT. Those that nobody has use for answer ENOSYS,
 * whereupon the kernel helps itself and does not ask again.
 *
 * INTERRUPT comes with every signal that a waiting program gets. It is not heeded: no file system lets a signal cut a write
 * of a file off, and nothing waits for long here.
 */
export class RequestHandler {
  readonly #fileSystem: FileSystem;
  readonly #reply: Reply;

  constructor(fileSystem: FileSystem, reply: Reply) {
    this.#fileSystem = fileSystem;
    this.#reply = reply;
  }

  /** Answers one request, mostly at once. The buffer is its own from now on. */
  handle(bytes: Buffer): void {
    const { operation: number, inode } = inHeader.decode(bytes);
    if (unanswered.has(number)) return;
    const unique = bytes.readBigUInt64LE(inHeader.offsets.unique);
    const operation = handlers.get(number);
    if (operation === undefined) {
      this.#reply(unique, errorNumber('ENOSYS'), NO_BODY);
      return;
    }
    this.#perform(unique, operation, { inode, body: bytes.subarray(inHeader.bytes) });
  }

  #perform(unique: bigint, operation: Operation, request: Request): void {
    const { held } = this.#fileSystem;
    if (held !== undefined && operation.isChange?.(request) === true) {
      void held.then(() => this.#perform(unique, operation, request));
      return;
    }
    const fail = (error: unknown): void =>
      this.#reply(
        unique,
        errorNumber(this.#fileSystem.reportFailure(operation.name, error)),
        NO_BODY,
      );
    let body: Buffer | Promise<Buffer>;
    try {
      body = operation.answer(this.#fileSystem, request);
    } catch (error) {
      fail(error);
      return;
    }
    if (body instanceof Promise) body.then((awaited) => this.#reply(unique, 0, awaited), fail);
    else this.#reply(unique, 0, body);
  }
}

/** Operations to which the kernel expects no answer. */
const unanswered: ReadonlySet<number> = new Set([
  operations.FORGET,
  operations.BATCH_FORGET,
  operations.INTERRUPT,
  operations.NOTIFY_REPLY,
]);

const always = () => true;

const add = (name: string, before: number): Operation => ({
  name,
  answer: (fileSystem, { inode, body }) => fileSystem.add(inode, nameAt(body, before)),
});
const remove = (name: string, before: number): Operation => ({
  name,
  answer: (fileSystem, { inode, body }) => fileSystem.remove(inode, nameAt(body, before)),
});

const handlers: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [operations.LOOKUP, { name: 'lookup', answer: lookup }],
  [operations.GETATTR, { name: 'getattr', answer: (files, { inode }) => attributes(files, inode) }],
  [
    operations.SETATTR,
    {
      name: 'setattr',
      isChange: ({ body }) => (setAttributesIn.decode(body).valid & setAttributeFlags.SIZE) !== 0,
      answer: setAttributes,
    },
  ],
  [operations.OPEN, { name: 'open', answer: open }],
  [operations.READ, { name: 'read', answer: read }],
  [operations.WRITE, { name: 'write', isChange: always, answer: write }],
  [operations.FSYNC, { name: 'fsync', answer: (files, { inode }) => sync(files, inode) }],
  [operations.SYNCFS, { name: 'syncfs', answer: (files) => sync(files, streamInodes.disk) }],
  [operations.STATFS, { name: 'statfs', answer: statistics }],
  [operations.READDIR, { name: 'readdir', answer: readDirectory }],
  [operations.RELEASE, { name: 'release', answer: () => NO_BODY }],
  [operations.DESTROY, { name: 'destroy', answer: () => NO_BODY }],
  [operations.MKNOD, add('mknod', mknodIn.bytes)],
  [operations.MKDIR, add('mkdir', mkdirIn.bytes)],
  [operations.SYMLINK, add('symlink', 0)],
  [operations.LINK, add('link', linkIn.bytes)],
  [operations.UNLINK, remove('unlink', 0)],
  [operations.RMDIR, remove('rmdir', 0)],
  [operations.RENAME, remove('rename', renameIn.bytes)],
  [operations.RENAME2, remove('rename', rename2In.bytes)],
]);

/** A name behind a structure, up to the zero byte. */
function nameAt(body: Buffer, offset: number): string {
  const end = body.indexOf(0, offset);
  return body.toString('utf8', offset, end < 0 ? body.length : end);
}

/** That there is no such name the kernel may remember as well: then it is an entry without a node. */
function lookup(fileSystem: FileSystem, { inode: directory, body }: Request): Buffer {
  const reply = Buffer.alloc(entryOut.bytes);
  try {
    const inode = fileSystem.lookup(directory, nameAt(body, 0));
    const values = attributeValues(fileSystem.attributes(inode));
    entryOut.encode({ node: inode, ...cacheTimes, ...values }, reply);
  } catch (error) {
    if (!(error instanceof RequestError) || error.errno !== 'ENOENT') throw error;
    entryOut.encode(cacheTimes, reply);
  }
  return reply;
}

function attributes(fileSystem: FileSystem, inode: number): Buffer {
  const reply = Buffer.alloc(attributesOut.bytes);
  const values = attributeValues(fileSystem.attributes(inode));
  attributesOut.encode({ attributesValidSeconds: CACHE_SECONDS, ...values }, reply);
  return reply;
}

function attributeValues(attributes: Attributes) {
  const access = timeOf(attributes.accessedAt);
  const modification = timeOf(attributes.modifiedAt);
  const change = timeOf(attributes.changedAt);
  const { inode, length, sectorCount, mode, linkCount, uid, gid, unitBytes } = attributes;
  return {
    inode,
    length,
    sectorCount,
    mode,
    linkCount,
    uid,
    gid,
    unitBytes,
    accessSeconds: access.seconds,
    accessNanoseconds: access.nanoseconds,
    modificationSeconds: modification.seconds,
    modificationNanoseconds: modification.nanoseconds,
    changeSeconds: change.seconds,
    changeNanoseconds: change.nanoseconds,
  };
}

/** Nanoseconds count forward, also before 1970. */
function timeOf(date: Date): { seconds: number; nanoseconds: number } {
  const milliseconds = date.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanoseconds: Math.round((milliseconds - seconds * 1000) * 1e6) };
}

function dateOf(seconds: number, nanoseconds: number): Date {
  const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
  if (Number.isNaN(date.getTime())) throw new RequestError('EINVAL');
  return date;
}

/** All that is asked for is checked before the first of it is done, but for the length. */
function setAttributes(fileSystem: FileSystem, { inode, body }: Request): Buffer {
  const { MODE, UID, GID, SIZE, ATIME, MTIME, ATIME_NOW, MTIME_NOW } = setAttributeFlags;
  const given = setAttributesIn.decode(body);
  const has = (flags: number): boolean => (given.valid & flags) !== 0;
  if (has(MODE)) fileSystem.changeMode(inode, given.mode);
  if (has(UID | GID)) {
    const { uid, gid } = given;
    fileSystem.changeOwner(inode, has(UID) ? uid : undefined, has(GID) ? gid : undefined);
  }
  if (has(SIZE)) fileSystem.truncate(inode, given.length);
  if (has(MTIME_NOW)) {
    fileSystem.setModificationTime(inode, new Date());
  } else if (has(MTIME)) {
    const { modificationSeconds, modificationNanoseconds } = given;
    fileSystem.setModificationTime(inode, dateOf(modificationSeconds, modificationNanoseconds));
  } else if (has(ATIME | ATIME_NOW)) {
    // Access times are not kept; whether one may be set is answered like everything else.
    fileSystem.setModificationTime(inode, fileSystem.attributes(inode).modifiedAt);
  }
  return attributes(fileSystem, inode);
}

function open(fileSystem: FileSystem, { inode, body }: Request): Buffer {
  fileSystem.open(inode, openIn.decode(body).flags);
  const reply = Buffer.alloc(openOut.bytes);
  openOut.encode({ openFlags: FOPEN_KEEP_CACHE }, reply);
  return reply;
}

function read(fileSystem: FileSystem, { inode, body }: Request): Buffer {
  const { offset, length } = transferIn.decode(body);
  const target = Buffer.allocUnsafe(length);
  return target.subarray(0, fileSystem.read(inode, offset, target));
}

function write(fileSystem: FileSystem, { inode, body }: Request): Buffer {
  const { offset, length } = transferIn.decode(body);
  const bytes = body.subarray(transferIn.bytes, transferIn.bytes + length);
  const reply = Buffer.alloc(writeOut.bytes);
  writeOut.encode({ length: fileSystem.write(inode, offset, bytes) }, reply);
  return reply;
}

async function sync(fileSystem: FileSystem, inode: number): Promise<Buffer> {
  await fileSystem.sync(inode);
  return NO_BODY;
}

function statistics(fileSystem: FileSystem): Buffer {
  const { unitBytes, unitCount, freeUnitCount, nameLengthLimit } = fileSystem.statistics();
  const reply = Buffer.alloc(statisticsOut.bytes);
  // Nobody can make files here: with none counted, df -i shows no shortage of them.
  statisticsOut.encode(
    {
      unitCount,
      freeUnitCount,
      availableUnitCount: freeUnitCount,
      unitBytes,
      fragmentBytes: unitBytes,
      nameLengthLimit,
    },
    reply,
  );
  return reply;
}

/** The entries from an index on, which is what offsets are here, as far as they fit. */
function readDirectory(fileSystem: FileSystem, { inode, body }: Request): Buffer {
  const { offset, length } = transferIn.decode(body);
  const parts: Buffer[] = [];
  let remaining = length;
  for (const [index, entry] of fileSystem.entries(inode).entries()) {
    if (index < offset) continue;
    const name = Buffer.from(entry.name);
    const part = Buffer.alloc(Math.ceil((directoryEntry.bytes + name.length) / 8) * 8);
    if (part.length > remaining) break;
    const type = fileSystem.attributes(entry.inode).mode & constants.S_IFMT;
    directoryEntry.encode(
      {
        inode: entry.inode,
        nextOffset: index + 1,
        nameLength: name.length,
        // As dirent.h has types.
        type: type >> 12,
      },
      part,
    );
    name.copy(part, directoryEntry.bytes);
    parts.push(part);
    remaining -= part.length;
  }
  return Buffer.concat(parts);
}
