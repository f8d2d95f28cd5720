import type { Duplex } from 'node:stream';
import { INPUT_BYTES, OUTPUT_BUFFERS, PIECE_BYTES } from './limits.js';

/** What a task waits for. It is asked again whenever something has happened on the wire. */
export type Condition = () => boolean;

/** Work on a connection that stops where it has to wait, and goes on when that is over. */
export type Task<Result> = Generator<Condition, Result, void>;

/** Gives everybody else who is ready a turn. */
export const ALWAYS: Condition = () => true;

/** Room for a piece with what stands around it. */
const BUFFER_BYTES = PIECE_BYTES + 4096;

/**
 * Both directions of a connection, with a bound on what is held in each.
 *
 *   input   chunks as they came, the first from `#inputStart` on. While there are more than INPUT_BYTES, or
 *           `detach` was called, nothing is taken from the socket: the peer waits
 *   output  one buffer that is being filled up to `#used`, buffers that the socket has not taken yet, and free ones;
 *           never more than OUTPUT_BUFFERS together. Without room, a task waits
 *
 * Replies are filled in where they are sent from, and many small ones go with one write.
 */
export class Wire {
  readonly #socket: Duplex;
  readonly #wake: () => void;
  readonly #chunks: Buffer[] = [];
  #inputStart = 0;
  #buffered = 0;
  #isEnded = false;
  #isPaused = false;
  #needed = 0;
  /** Where input is put together that did not come together. */
  #scattered: Buffer | undefined;
  readonly #free: Buffer[] = [];
  #bufferCount = 0;
  #filling: Buffer | undefined;
  #used = 0;
  #unsent = 0;

  /** When the one who works on it is to let others have their turn, by `performance.now`. */
  turnEnd = 0;

  /** @param wake called when something has happened that somebody may wait for */
  constructor(socket: Duplex, wake: () => void) {
    this.#socket = socket;
    this.#wake = wake;
    socket.on('data', this.#onData).on('end', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered > INPUT_BYTES) {
      this.#isPaused = true;
      this.#socket.pause();
    }
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#isEnded = true;
    this.#wake();
  };

  get isTurnOver(): boolean {
    return performance.now() >= this.turnEnd;
  }

  /** Bytes of input that can be taken. */
  get buffered(): number {
    return this.#buffered;
  }

  readonly #hasNeeded: Condition = () => this.#buffered >= this.#needed || this.#isEnded;

  /** Waits for so many bytes of input; false when it ends before. What was said until now is sent. */
  *waitFor(length: number): Task<boolean> {
    if (this.#buffered < length) {
      this.flush();
      this.#needed = length;
      yield this.#hasNeeded;
      this.#needed = 0;
    }
    return this.#buffered >= length;
  }

  /** Whether the peer will send nothing more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Takes no more from the peer than what is there. */
  endInput(): void {
    this.#socket.pause();
    this.#isEnded = true;
  }

  /** Takes bytes that are there, at most PIECE_BYTES. They are valid until the next call. */
  take(length: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length - this.#inputStart >= length) {
      const start = this.#inputStart;
      this.#drop(first, length);
      return first.subarray(start, start + length);
    }
    this.#scattered ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
    const bytes = this.#scattered.subarray(0, length);
    for (let done = 0; done < length; ) done += this.takeSome(length - done).copy(bytes, done);
    return bytes;
  }

  /** Takes as many bytes as lie together, at most so many; at least one if any is there. */
  takeSome(maximum: number): Buffer {
    const [first] = this.#chunks;
    if (first === undefined) return NOTHING;
    const start = this.#inputStart;
    const length = Math.min(first.length - start, maximum);
    this.#drop(first, length);
    return first.subarray(start, start + length);
  }

  #drop(first: Buffer, length: number): void {
    this.#inputStart += length;
    this.#buffered -= length;
    if (this.#inputStart === first.length) {
      this.#chunks.shift();
      this.#inputStart = 0;
    }
    if (this.#isPaused && this.#buffered <= INPUT_BYTES / 2) {
      this.#isPaused = false;
      this.#socket.resume();
    }
  }

  /** Throws away input; false when it ends before. */
  *skip(length: number): Task<boolean> {
    let left = length;
    while (left > 0) {
      if (!(yield* this.waitFor(1))) return false;
      left -= this.takeSome(left).length;
    }
    return true;
  }

  /** Room in the output for so many bytes, if there is: to be filled, and then told of with `commit`. */
  tryReserve(length: number): Buffer | undefined {
    if (this.#filling !== undefined) {
      if (this.#used + length <= BUFFER_BYTES) {
        return this.#filling.subarray(this.#used, this.#used + length);
      }
      this.flush();
    }
    this.#filling = this.#free.pop();
    if (this.#filling === undefined) {
      if (this.#bufferCount === OUTPUT_BUFFERS) return undefined;
      this.#bufferCount++;
      this.#filling = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    }
    return this.#filling.subarray(0, length);
  }

  readonly #hasFree: Condition = () => this.#free.length > 0;

  /** Waits for room in the output. */
  *reserve(length: number): Task<Buffer> {
    for (;;) {
      const room = this.tryReserve(length);
      if (room !== undefined) return room;
      yield this.#hasFree;
    }
  }

  /** So many of the reserved bytes are to be sent. */
  commit(length: number): void {
    this.#used += length;
  }

  /** Sends what is there. */
  flush(): void {
    const buffer = this.#filling;
    if (buffer === undefined || this.#used === 0) return;
    const bytes = buffer.subarray(0, this.#used);
    this.#filling = undefined;
    this.#used = 0;
    this.#unsent++;
    this.#socket.write(bytes, () => {
      this.#unsent--;
      this.#free.push(buffer);
      this.#wake();
    });
  }

  readonly #isSent: Condition = () => this.#unsent === 0;

  /** Sends everything, and waits until the socket has taken it. */
  *drain(): Task<void> {
    this.flush();
    if (this.#unsent > 0) yield this.#isSent;
  }

  /** Waits for a promise. */
  *wait<Value>(promise: Promise<Value>): Task<Value> {
    let outcome: { readonly value: Value } | { readonly error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
        this.#wake();
      },
      (error: unknown) => {
        outcome = { error };
        this.#wake();
      },
    );
    this.flush();
    yield () => outcome !== undefined;
    const settled = outcome as unknown as { readonly value: Value } | { readonly error: unknown };
    if ('error' in settled) throw settled.error;
    return settled.value;
  }

  /** Lets go of the socket; nothing more is taken from it. */
  detach(): void {
    this.#socket.pause();
    this.#socket.removeListener('data', this.#onData).removeListener('end', this.#onEnd);
  }
}

const NOTHING = Buffer.alloc(0);
