const LOCK = 0;
const RESERVATIONS = 1;
const BROKEN = 2;
const WORDS = 3;

const FREE = 0;
const HELD = 1;
const AWAITED = 2;

/** One write is in progress then, and a disk that has not taken it by now takes nothing. */
const WAIT_LIMIT_MS = 30_000;

/**
 * Lets one thread of a process write to an overlay at a time: the thread that owns it, and those that are attached.
 *
 *   word          value                    means
 *   lock          free, held               nobody writes; a thread does
 *                 awaited                  a thread does, and others may be waiting
 *   reservations  0                        every thread may write
 *                 more                     only the owner may: an instant is frozen, changes are held, the whole disk
 *                                          is changed, or it was closed
 *   broken        1                        an attached thread left files that nobody knows; then reserved for ever
 *
 * Invariant: when `reserve` returns, no attached thread is writing, and none begins before it was released. So the
 * owner may take as long as it likes then, without the lock. The lock is held for one write.
 *
 * A holder that throws gives the lock back. A thread that ends while it holds it never does: whoever waits gives up in
 * the end, an attached thread by leaving its write to the owner, and the owner by refusing every further change.
 */
export class WriteLock {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(shared = new SharedArrayBuffer(WORDS * 4)) {
    this.#words = new Int32Array(shared);
  }

  share(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  /** For the owner: waits for its turn; false when that does not come. `give` follows where it did. */
  take(): boolean {
    if (Atomics.compareExchange(this.#words, LOCK, FREE, HELD) === FREE) return true;
    const end = performance.now() + WAIT_LIMIT_MS;
    while (Atomics.exchange(this.#words, LOCK, AWAITED) !== FREE) {
      const left = end - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#words, LOCK, AWAITED, left);
    }
    return true;
  }

  /** For attached threads: the same, and false where only the owner may write. */
  takeUnlessReserved(): boolean {
    if (this.#isReserved() || !this.take()) return false;
    if (!this.#isReserved()) return true;
    this.give();
    return false;
  }

  give(): void {
    if (Atomics.exchange(this.#words, LOCK, FREE) === AWAITED) Atomics.notify(this.#words, LOCK, 1);
  }

  /** For the owner: false when a thread that is writing does not come to an end; it is reserved all the same. */
  reserve(): boolean {
    Atomics.add(this.#words, RESERVATIONS, 1);
    if (!this.take()) return false;
    this.give();
    return true;
  }

  /** Takes back one `reserve`. */
  release(): void {
    Atomics.sub(this.#words, RESERVATIONS, 1);
  }

  /** Reserved for ever, once whoever writes at the moment is done. */
  refuse(): void {
    Atomics.add(this.#words, RESERVATIONS, 1);
  }

  /** For an attached thread that holds it: nobody knows what the files hold. */
  break(): void {
    Atomics.store(this.#words, BROKEN, 1);
    this.refuse();
  }

  get isBroken(): boolean {
    return Atomics.load(this.#words, BROKEN) !== 0;
  }

  #isReserved(): boolean {
    return Atomics.load(this.#words, RESERVATIONS) !== 0;
  }
}
