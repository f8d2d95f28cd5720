import { BATCHES_AHEAD } from './protocol/messages.js';

const SENT = 0;
const TAKEN = 1;
const IS_CLOSED = 2;
/** Another number after each change that a sleeper waits for. */
const CHANGES = 3;
const BYTES = 16;

/**
 * How many batches of items of one request are under way: what every sender of items asks before he sends, so
 * that who is slow holds up nothing but his own request.
 *
 *   window   batches that were sent and not taken   the sender
 *   open     fewer than `BATCHES_AHEAD`             may send
 *   full     as many                                waits until one is taken
 *   closed   any                                    sends nothing more: nobody wants it
 *
 * It lies in shared memory: a job sends from a thread of its own, and sleeps while the window is full. One thread
 * sends, one tells what was taken.
 */
export class BatchWindow {
  /** For the other thread, which makes a window of it, too. */
  readonly shared: Int32Array<SharedArrayBuffer>;

  constructor(shared = new Int32Array(new SharedArrayBuffer(BYTES))) {
    this.shared = shared;
  }

  get isFull(): boolean {
    return this.#ahead >= BATCHES_AHEAD;
  }

  get isClosed(): boolean {
    return Atomics.load(this.shared, IS_CLOSED) !== 0;
  }

  /** A batch is about to be sent. */
  sent(): void {
    Atomics.add(this.shared, SENT, 1);
  }

  /** A batch was used up. Who takes what was never sent would have the sender run ahead of him. */
  taken(): void {
    if (this.#ahead === 0) return;
    Atomics.add(this.shared, TAKEN, 1);
    this.#wake();
  }

  close(): void {
    Atomics.store(this.shared, IS_CLOSED, 1);
    this.#wake();
  }

  /** Sleeps while it is full, in a thread that has nothing else to do; false when it is closed. */
  awaitRoom(): boolean {
    for (;;) {
      // In this order: what changes after that ends the wait at once.
      const changes = Atomics.load(this.shared, CHANGES);
      if (this.isClosed) return false;
      if (!this.isFull) return true;
      Atomics.wait(this.shared, CHANGES, changes);
    }
  }

  get #ahead(): number {
    return (Atomics.load(this.shared, SENT) - Atomics.load(this.shared, TAKEN)) | 0;
  }

  #wake(): void {
    Atomics.add(this.shared, CHANGES, 1);
    Atomics.notify(this.shared, CHANGES);
  }
}
