import { AddressRows } from './addressRows.js';

/**
 * Where the cursor is, and which rows are shown around it.
 *
 * Invariant, from `place` on: the cursor lies in one of the rows shown, and both within the stream. Between two calls of
 * `place` the cursor may be anywhere: it is brought in then, at a third of the height if it was far away.
 */
export class Viewport {
  cursorOffset = 0;
  #topOffset = 0;
  #rows = new AddressRows(16, Number.MAX_SAFE_INTEGER, []);
  #height = 1;

  /** Rows to be drawn, with these bytes in each. */
  place(rows: AddressRows, height: number): readonly number[] {
    this.#rows = rows;
    this.#height = Math.max(1, height);
    this.cursorOffset = Math.max(0, Math.min(this.cursorOffset, rows.endOffset - 1));
    this.#topOffset = rows.startOf(Math.min(this.#topOffset, this.cursorOffset));
    const cursorRow = rows.startOf(this.cursorOffset);
    const shown = rows.from(this.#topOffset, this.#height);
    if (!shown.includes(cursorRow)) {
      const last = shown.at(-1);
      const isNext = last !== undefined && rows.next(last) === cursorRow;
      this.#topOffset = rows.step(
        cursorRow,
        isNext ? 1 - this.#height : -Math.floor(this.#height / 3),
      );
    }
    this.#fill();
    return rows.from(this.#topOffset, this.#height);
  }

  /** To another byte of the same stream. */
  moveTo(offset: number): void {
    this.cursorOffset = offset;
    // Upwards by a row scrolls by a row; `place` does the rest.
    const row = this.#rows.startOf(offset);
    if (this.#rows.next(row) === this.#topOffset) this.#topOffset = row;
    else if (row < this.#topOffset)
      this.#topOffset = this.#rows.step(row, -Math.floor(this.#height / 3));
  }

  moveBytes(bytes: number): void {
    const gap = this.#rows.gapAt(this.cursorOffset + bytes);
    const target =
      gap === undefined || this.#rows.gapAt(this.cursorOffset) === undefined
        ? (gap?.startOffset ?? this.cursorOffset + bytes)
        : bytes < 0
          ? gap.startOffset - 1
          : gap.endOffset;
    this.moveTo(this.#within(target));
  }

  moveRows(count: number): void {
    this.moveTo(this.#rowsFrom(this.cursorOffset, count));
  }

  movePages(count: number): void {
    const rows = count * Math.max(1, this.#height - 1);
    this.#topOffset = this.#rows.step(this.#topOffset, rows);
    this.cursorOffset = this.#rowsFrom(this.cursorOffset, rows);
  }

  /** Moves what is shown; the cursor stays in it. */
  scroll(count: number): void {
    const before = this.#topOffset;
    this.#topOffset = this.#rows.step(before, count);
    const shown = this.#rows.from(this.#topOffset, this.#height);
    if (shown.includes(this.#rows.startOf(this.cursorOffset))) return;
    const column = this.cursorOffset % this.#rows.rowBytes;
    const edge = (count < 0 ? shown.at(-1) : shown[0]) ?? this.#topOffset;
    this.cursorOffset = this.#within(edge + column);
  }

  toRowStart(): void {
    this.cursorOffset = this.#rows.startOf(this.cursorOffset);
  }

  toRowEnd(): void {
    const start = this.#rows.startOf(this.cursorOffset);
    this.cursorOffset = this.#within(start + this.#rows.rowBytes - 1);
  }

  /** As far as there are bytes; where the cursor has gone farther, nobody knows yet how many there are. */
  #within(offset: number): number {
    const last = Math.max(this.#rows.endOffset - 1, this.cursorOffset);
    return Math.max(0, Math.min(offset, last));
  }

  /** The same column, so many rows further; in a gap, its beginning. */
  #rowsFrom(offset: number, count: number): number {
    const row = this.#rows.step(this.#rows.startOf(offset), count);
    if (this.#rows.gapAt(row) !== undefined) return row;
    return this.#within(row + (offset % this.#rows.rowBytes));
  }

  /** No empty rows behind the end while there are rows before. */
  #fill(): void {
    const missing = this.#height - this.#rows.from(this.#topOffset, this.#height).length;
    this.#topOffset = this.#rows.step(this.#topOffset, -missing);
  }
}
