/**
 * Collects ranges of bytes, in any order.
 *
 * State: the first `#count` elements of `#starts` and `#ends` are the ranges so far, in the order in which they came; one
 * that touches the last one is put to it.
 */
export class RangeList {
  #starts = new Float64Array(64);
  #ends = new Float64Array(64);
  #count = 0;
  #isSorted = true;

  add(startOffset: number, endOffset: number): void {
    const lastEnd = this.#ends[this.#count - 1] ?? -1;
    if (startOffset === lastEnd) {
      this.#ends[this.#count - 1] = endOffset;
      return;
    }
    if (startOffset < lastEnd) this.#isSorted = false;
    if (this.#count === this.#starts.length) {
      this.#starts = twiceAsLong(this.#starts);
      this.#ends = twiceAsLong(this.#ends);
    }
    this.#starts[this.#count] = startOffset;
    this.#ends[this.#count] = endOffset;
    this.#count++;
  }

  /** Where the ranges start and end, sorted; those that touched or overlapped are one. */
  sorted(): [starts: Float64Array, ends: Float64Array] {
    if (!this.#isSorted) this.#sort();
    return [this.#starts.slice(0, this.#count), this.#ends.slice(0, this.#count)];
  }

  #sort(): void {
    const starts = this.#starts.slice(0, this.#count);
    const ends = this.#ends.slice(0, this.#count);
    const order = new Uint32Array(this.#count).map((_, range) => range);
    order.sort((a, b) => (starts[a] as number) - (starts[b] as number));
    let count = 0;
    for (const range of order) {
      const start = starts[range] as number;
      const end = ends[range] as number;
      const lastEnd = count === 0 ? -1 : (this.#ends[count - 1] as number);
      if (start <= lastEnd) {
        this.#ends[count - 1] = Math.max(lastEnd, end);
      } else {
        this.#starts[count] = start;
        this.#ends[count] = end;
        count++;
      }
    }
    this.#count = count;
    this.#isSorted = true;
  }
}

const twiceAsLong = (values: Float64Array): Float64Array<ArrayBuffer> => {
  const longer = new Float64Array(values.length * 2);
  longer.set(values);
  return longer;
};
