import { constants } from 'node:os';
import { errorNumber } from '../errorNumber.js';
import type { FileSystem } from '../fileSystem.js';
import { MAX_READ_BYTES, MAX_WRITE_BYTES } from './initialisation.js';
import { LeftToOwner } from './leftToOwner.js';
import { inHeader, operations, outHeader, transferIn, writeOut } from './protocol.js';
import type { SystemCalls, Waiter } from './systemCalls.js';

/** The kernel wants room for the longest write, with all that comes before its bytes. */
const REQUEST_BYTES = MAX_WRITE_BYTES + 4096;
/** So long it does not look whether it is to end, should nobody wake it. */
const IDLE_MILLISECONDS = 250;

/** Where numbers of 32 bits lie in a request, in units of their own length. */
const OPERATION_WORD = inHeader.offsets.operation / 4;
const INODE_WORD = inHeader.offsets.inode / 4;
const OFFSET_WORD = (inHeader.bytes + transferIn.offsets.offset) / 4;
const LENGTH_WORD = (inHeader.bytes + transferIn.offsets.length) / 4;
/** The bytes of a write. */
const WRITTEN_OFFSET = inHeader.bytes + transferIn.bytes;
/** In a request and in an answer alike. */
const UNIQUE_WORD = inHeader.offsets.unique / 4;
const ERROR_WORD = outHeader.offsets.error / 4;

const { EAGAIN, ECONNABORTED, EINTR, ENODEV, ENOENT } = constants.errno;

/** Room for the longest answer to a read. */
export const REPLY_BYTES = outHeader.bytes + MAX_READ_BYTES;

/** What reads and writes are answered by. */
export interface Served {
  readonly fileSystem: FileSystem;
  /** Memory for answers, best such that blocks can be decoded into (`Snapshot.allocateTarget`). */
  readonly reply: Buffer;
}

export interface ServeOptions {
  readonly descriptor: number;
  readonly wakeDescriptor: number;
  readonly stop: Int32Array<SharedArrayBuffer>;
  /** Takes a request that is not answered here. */
  readonly pass: (bytes: Uint8Array<ArrayBuffer>) => void;
}

/**
 * Fetches requests from the kernel, one after the other, and answers those that read and write.
 *
 *   fetching  while there are requests
 *   idle      else: it waits for the next one, for the end of the connection, or to be woken
 *   ended     the connection has ended, or `stop` is set
 *
 * It is never blocked in read(2): a thread that is can only be ended by killing the process.
 */
export class RequestReader {
  readonly #calls: SystemCalls;
  readonly #fileSystem: FileSystem | undefined;
  readonly #options: ServeOptions;
  readonly #request = Buffer.allocUnsafeSlow(REQUEST_BYTES);
  readonly #requestWords = new Uint32Array(this.#request.buffer);
  readonly #reply: Buffer;
  readonly #replyWords: Int32Array;

  /** @param served without it, nothing is answered here */
  constructor(calls: SystemCalls, served: Served | undefined, options: ServeOptions) {
    this.#calls = calls;
    this.#fileSystem = served?.fileSystem;
    this.#options = options;
    this.#reply = served?.reply ?? Buffer.allocUnsafeSlow(REPLY_BYTES);
    const { buffer, byteOffset } = this.#reply;
    this.#replyWords = new Int32Array(buffer, byteOffset, outHeader.bytes / 4);
  }

  /** Returns when the connection has ended, or when it was told to. */
  serve(): void {
    const { descriptor, wakeDescriptor } = this.#options;
    const waiter = this.#calls.waiter(descriptor, wakeDescriptor);
    try {
      this.#serveUntilEnd(waiter);
    } finally {
      waiter.close();
    }
  }

  #serveUntilEnd(waiter: Waiter): void {
    const { descriptor, stop } = this.#options;
    const { read } = this.#calls;
    while (Atomics.load(stop, 0) === 0) {
      const result = read(descriptor, this.#request);
      if (result > 0) this.#handle(result);
      else if (result === -EAGAIN) waiter.wait(IDLE_MILLISECONDS);
      else if (result === -ENODEV || result === -ECONNABORTED) return;
      // ENOENT: who had asked has taken it back.
      else if (result !== -EINTR && result !== -ENOENT) {
        throw new Error(`cannot read from /dev/fuse: errno ${-result}`);
      }
    }
  }

  #handle(length: number): void {
    if (!this.#answerHere()) {
      this.#options.pass(new Uint8Array(this.#request.subarray(0, length)));
    }
  }

  /** Answers a read or a write; false where that is left to the main thread. */
  #answerHere(): boolean {
    const fileSystem = this.#fileSystem;
    const operation = this.#requestWords[OPERATION_WORD];
    const isRead = operation === operations.READ;
    if (fileSystem === undefined || !(isRead || operation === operations.WRITE)) return false;
    try {
      this.#answer(isRead ? this.#read(fileSystem) : this.#write(fileSystem), 0);
    } catch (error) {
      if (error instanceof LeftToOwner) return false;
      const name = fileSystem.reportFailure(isRead ? 'read' : 'write', error);
      this.#answer(0, errorNumber(name));
    }
    return true;
  }

  /** Puts what is read into the answer; answers how many bytes that are. */
  #read(fileSystem: FileSystem): number {
    const length = Math.min(this.#uint32(LENGTH_WORD), MAX_READ_BYTES);
    const target = this.#reply.subarray(outHeader.bytes, outHeader.bytes + length);
    return fileSystem.read(this.#uint32(INODE_WORD), this.#uint64(OFFSET_WORD), target);
  }

  #write(fileSystem: FileSystem): number {
    const length = Math.min(this.#uint32(LENGTH_WORD), MAX_WRITE_BYTES);
    const bytes = this.#request.subarray(WRITTEN_OFFSET, WRITTEN_OFFSET + length);
    const count = fileSystem.write(this.#uint32(INODE_WORD), this.#uint64(OFFSET_WORD), bytes);
    writeOut.encode({ length: count }, this.#reply, outHeader.bytes);
    return writeOut.bytes;
  }

  #answer(bodyLength: number, errno: number): void {
    const words = this.#replyWords;
    const length = outHeader.bytes + bodyLength;
    words[0] = length;
    words[ERROR_WORD] = -errno;
    words[UNIQUE_WORD] = this.#uint32(UNIQUE_WORD);
    words[UNIQUE_WORD + 1] = this.#uint32(UNIQUE_WORD + 1);
    checkAnswered(this.#calls.write(this.#options.descriptor, this.#reply, length));
  }

  #uint32(word: number): number {
    return this.#requestWords[word] as number;
  }

  #uint64(word: number): number {
    return this.#uint32(word) + this.#uint32(word + 1) * 2 ** 32;
  }
}

/**
 * @param result of the write(2) that answered a request
 * @throws Error if the answer was wrong, which is a bug of ours
 */
export function checkAnswered(result: number): void {
  // ENOENT: nobody waits for it any more. The others: the connection has ended.
  if (result >= 0 || result === -ENOENT || result === -ENODEV || result === -ECONNABORTED) return;
  throw new Error(`the kernel refused an answer: errno ${-result}`);
}
