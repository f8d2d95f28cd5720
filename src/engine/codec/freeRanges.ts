/**
 * Which ranges of a memory are free.
 *
 * State: starts and ends of them, in order. Between two of them something is taken: neighbours that become free are one range.
 * The lowest range that is large enough is taken from, at its beginning, so that the far end of the memory is touched last.
 */
export class FreeRanges {
  readonly #starts: number[];
  readonly #ends: number[];

  constructor(start: number, end: number) {
    this.#starts = [start];
    this.#ends = [end];
  }

  /** Takes a range of that length and answers where it begins; undefined where none is free. */
  take(length: number): number | undefined {
    for (let index = 0; index < this.#starts.length; index++) {
      const start = this.#starts[index] as number;
      const rest = (this.#ends[index] as number) - start - length;
      if (rest < 0) continue;
      if (rest > 0) {
        this.#starts[index] = start + length;
      } else {
        this.#starts.splice(index, 1);
        this.#ends.splice(index, 1);
      }
      return start;
    }
    return undefined;
  }

  /** Gives back a range that was taken. */
  give(start: number, length: number): void {
    const end = start + length;
    const next = this.#firstBehind(start);
    const joinsLast = next > 0 && this.#ends[next - 1] === start;
    const joinsNext = this.#starts[next] === end;
    if (joinsLast && joinsNext) {
      this.#ends.splice(next - 1, 1);
      this.#starts.splice(next, 1);
    } else if (joinsLast) {
      this.#ends[next - 1] = end;
    } else if (joinsNext) {
      this.#starts[next] = start;
    } else {
      this.#starts.splice(next, 0, start);
      this.#ends.splice(next, 0, end);
    }
  }

  #firstBehind(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
