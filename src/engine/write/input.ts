import {
  type BigIntStats,
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
} from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { everythingIsData, type HoleFinder, systemHoleFinder } from './holes.js';

/** The bytes of a stream that is to be packed, in order. */
export interface StreamInput {
  /** What messages call it. */
  readonly path: string;
  /** How many bytes there will be; undefined where only the end shows it. */
  readonly length: number | undefined;
  /** How many bytes from here on are zeros that need not be read; 0 where bytes must be read. */
  holeLength(): number;
  /**
   * How many bytes from here on are worth reading, before a hole comes; Infinity where nobody knows. To be asked
   * where `holeLength` is 0.
   */
  dataLength(): number;
  /** Moves on over a hole, or a part of it. */
  skip(length: number): void;
  /**
   * Fills the target; answers how many bytes there were, fewer only at the end. Answers at once where
   * bytes are always there, so that files cost no promise. One call at a time.
   *
   * @throws HexzError UNREADABLE, also where a file became shorter than it was
   */
  read(target: Buffer): number | Promise<number>;
  /** Reads at any offset, where that is possible; fewer bytes only at the end. */
  readAt?(target: Buffer, offset: number): number;
  /**
   * Whether somebody wrote to the file since it was opened: what was read may be of no single moment. To be
   * asked before `close`.
   */
  wasModified(): boolean;
  /** May be called more than once. */
  close(): void;
}

/** The warning that belongs to `wasModified`. */
export const modifiedWhileRead = ({ path }: StreamInput): string =>
  `${path} was written to while it was read; what was taken may be of no single moment`;

/** The name for standard input on the command line. */
const STANDARD_INPUT = '-';

/**
 * Opens what is to be packed: a regular file, a block device, a pipe, a socket, or a character device that
 * has an end.
 *
 * @param path `-` is standard input
 * @throws HexzError UNREADABLE
 */
export function openInput(path: string, holes: HoleFinder = systemHoles()): StreamInput {
  const isStandard = path === STANDARD_INPUT;
  const name = isStandard ? 'standard input' : path;
  // A pipe without a writer would hold up the whole process, signals included.
  const opened = isStandard ? 0 : open(name, constants.O_NONBLOCK);
  const close = () => {
    if (!isStandard) closeSync(opened);
  };
  try {
    const stats = fstatSync(opened, { bigint: true });
    if (stats.isFile() || stats.isBlockDevice()) {
      const startOffset = isStandard ? positionOf(opened) : 0;
      return new FileInput(name, opened, stats, startOffset, holes, close);
    }
    if (stats.isDirectory()) throw refused(name, 'is a directory');
    if (stats.isCharacterDevice()) {
      if (ENDLESS_DEVICES.has(stats.rdev)) throw refused(name, 'has no end');
      if (isatty(opened)) throw refused(name, 'is a terminal');
    }
    if (isStandard) return new PipeInput(name, process.stdin);
    if (!stats.isCharacterDevice()) {
      return new PipeInput(name, new Socket({ fd: opened, readable: true, writable: false }));
    }
    // Here bytes are waited for in another thread.
    const descriptor = open(name, 0);
    close();
    return new PipeInput(name, createReadStream('', { fd: descriptor, highWaterMark: 2 ** 20 }));
  } catch (error) {
    close();
    throw error instanceof HexzError ? error : unreadable(name, 'open', error);
  }
}

let knownHoles: HoleFinder | undefined;

function systemHoles(): HoleFinder {
  knownHoles ??= systemHoleFinder() ?? everythingIsData;
  return knownHoles;
}

const deviceNumber = (major: number, minor: number): bigint => BigInt(major * 256 + minor);

/** zero, full, random, urandom */
const ENDLESS_DEVICES = new Set([5, 7, 8, 9].map((minor) => deviceNumber(1, minor)));

function open(path: string, flags: number): number {
  try {
    return openSync(path, constants.O_RDONLY | flags);
  } catch (cause) {
    throw unreadable(path, 'open', cause);
  }
}

/** Where an inherited descriptor stands: somebody may have read a part already. */
function positionOf(descriptor: number): number {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1');
    return Number(/^pos:\s*(\d+)/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * A regular file or block device, read synchronously at explicit offsets.
 *
 * Invariant: of a file that grows, only the bytes count that it had when it was opened; one that shrinks is
 * an error. Before `#dataEnd` there is no hole to ask for.
 */
class FileInput implements StreamInput {
  readonly path: string;
  readonly length: number | undefined;
  readonly #descriptor: number;
  readonly #startOffset: number;
  readonly #holes: HoleFinder;
  readonly #opened: BigIntStats;
  readonly #release: () => void;
  /** Relative to the start, as everything here. */
  #position = 0;
  #dataEnd = 0;
  #isClosed = false;

  constructor(
    path: string,
    descriptor: number,
    stats: BigIntStats,
    startOffset: number,
    holes: HoleFinder,
    release: () => void,
  ) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#startOffset = startOffset;
    this.#holes = stats.isFile() ? holes : everythingIsData;
    this.#opened = stats;
    this.#release = release;
    const end = stats.isFile() ? this.#fileLength(stats) : deviceLength(stats.rdev);
    this.length = end === undefined ? undefined : Math.max(0, end - startOffset);
  }

  holeLength(): number {
    if (this.length === undefined || this.#position >= this.length) return 0;
    if (this.#position < this.#dataEnd) return 0;
    const from = this.#startOffset + this.#position;
    const data = this.#holes.nextData(this.#descriptor, from);
    if (data > from) {
      // A file that was cut here looks as if it went on as a hole.
      if (data === Number.POSITIVE_INFINITY) this.#checkLength(this.length);
      return Math.min(data - this.#startOffset, this.length) - this.#position;
    }
    this.#dataEnd = this.#holes.nextHole(this.#descriptor, from) - this.#startOffset;
    return 0;
  }

  dataLength(): number {
    const left = this.#dataEnd - this.#position;
    return left > 0 ? left : Number.POSITIVE_INFINITY;
  }

  skip(length: number): void {
    this.#position += length;
  }

  read(target: Buffer): number {
    const count = this.readAt(target, this.#position);
    this.#position += count;
    return count;
  }

  readAt(target: Buffer, offset: number): number {
    const wanted = Math.min(target.length, (this.length ?? Number.MAX_SAFE_INTEGER) - offset);
    let done = 0;
    while (done < wanted) {
      const at = this.#startOffset + offset + done;
      const count = this.#readOnce(target, done, wanted - done, at);
      if (count === 0) {
        if (this.length !== undefined) throw this.#shortened();
        break;
      }
      done += count;
    }
    return done;
  }

  wasModified(): boolean {
    if (!this.#opened.isFile()) return false;
    const { mtimeNs, size } = fstatSync(this.#descriptor, { bigint: true });
    return mtimeNs !== this.#opened.mtimeNs || size !== this.#opened.size;
  }

  close(): void {
    if (!this.#isClosed) this.#release();
    this.#isClosed = true;
  }

  /** Files of /proc and /sys say that they are empty, and are not. */
  #fileLength(stats: BigIntStats): number | undefined {
    if (stats.size > 0n) return Number(stats.size);
    return this.#readOnce(Buffer.alloc(1), 0, 1, 0) === 0 ? 0 : undefined;
  }

  #readOnce(target: Buffer, targetOffset: number, length: number, offset: number): number {
    if (this.#isClosed) throw refused(this.path, 'was closed');
    try {
      return readSync(this.#descriptor, target, targetOffset, length, offset);
    } catch (cause) {
      throw unreadable(this.path, 'read', cause).at({ offset: offset - this.#startOffset });
    }
  }

  #checkLength(length: number): void {
    const { size } = fstatSync(this.#descriptor, { bigint: true });
    if (Number(size) < this.#startOffset + length) throw this.#shortened();
  }

  #shortened(): HexzError {
    return refused(this.path, 'became shorter while it was read');
  }
}

/** What the kernel says of a block device; undefined where it says nothing. */
function deviceLength(device: bigint): number | undefined {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  try {
    const sectors = readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'latin1');
    return Number(sectors) * 512;
  } catch {
    return undefined;
  }
}

/** What comes when it comes: a pipe, a socket, a character device. */
class PipeInput implements StreamInput {
  readonly path: string;
  readonly length = undefined;
  readonly #stream: Readable;
  readonly #chunks: AsyncIterator<Buffer>;
  /** What came and was not asked for yet. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string, stream: Readable) {
    this.path = path;
    this.#stream = stream;
    this.#chunks = stream.iterator();
    // An error that nobody waits for comes with the next read.
    stream.on('error', () => {});
  }

  holeLength(): number {
    return 0;
  }

  dataLength(): number {
    return Number.POSITIVE_INFINITY;
  }

  skip(): void {}

  async read(target: Buffer): Promise<number> {
    let done = 0;
    while (done < target.length) {
      if (this.#rest.length === 0 && !(await this.#fetch())) break;
      const count = this.#rest.copy(target, done);
      this.#rest = this.#rest.subarray(count);
      done += count;
    }
    return done;
  }

  wasModified(): boolean {
    return false;
  }

  close(): void {
    this.#stream.destroy();
  }

  async #fetch(): Promise<boolean> {
    try {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = next.value;
      return true;
    } catch (cause) {
      throw unreadable(this.path, 'read', cause);
    }
  }
}

const refused = (path: string, what: string): HexzError =>
  new HexzError('UNREADABLE', `cannot read it: it ${what}`, { location: { file: path } });

const unreadable = (path: string, action: string, cause: unknown): HexzError =>
  new HexzError('UNREADABLE', `cannot ${action} it: ${describeSystemError(cause)}`, {
    location: { file: path },
    cause,
  });
