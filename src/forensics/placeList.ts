/**
 * Places in a window, in the order of their beginning, in memory that is used again.
 *
 * State: `startIndex` and the others tell of the place that is next, until it is passed; behind the last one, `startIndex` is
 * Infinity.
 */
export class PlaceList {
  /** Pairs: start, and twice the end, plus one where the rest follows. */
  #numbers = new Int32Array(2048);
  #length = 0;
  #next = 0;

  clear(): void {
    this.#length = 0;
    this.#next = 0;
  }

  add(startIndex: number, endIndex: number, continues: boolean): void {
    if (this.#length === this.#numbers.length) {
      const larger = new Int32Array(this.#length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length++] = startIndex;
    this.#numbers[this.#length++] = endIndex * 2 + Number(continues);
  }

  get startIndex(): number {
    if (this.#next === this.#length) return Number.POSITIVE_INFINITY;
    return this.#numbers[this.#next] as number;
  }

  get endIndex(): number {
    return (this.#numbers[this.#next + 1] as number) >> 1;
  }

  get continues(): boolean {
    return ((this.#numbers[this.#next + 1] as number) & 1) === 1;
  }

  pass(): void {
    this.#next += 2;
  }
}
