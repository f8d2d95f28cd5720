import { GUEST_PAGE_BYTES } from './guestPage.js';
import type { MigrationRecords } from './migrationRecords.js';

/** How far apart in the stream the marks are: this much has to be walked through for an answer. */
const MARK_BYTES = 1024 * 1024;

/**
 * Which page of which block is stored at an offset of a migration stream. Marks along the stream are kept, 10 bytes for
 * each MiB; between two of them the records are walked through again.
 *
 * State: `#offsets` and `#blockIndexes` describe records of pages in the order of the stream.
 */
export class MigrationPlaces {
  readonly #records: MigrationRecords;
  readonly #offsets: number[] = [];
  readonly #blockIndexes: number[] = [];
  #endOffset = 0;

  /** @param records the walk, which belongs to this object once all is marked */
  constructor(records: MigrationRecords) {
    this.#records = records;
  }

  /** Takes note of the page that the walk is at. */
  mark(): void {
    const { recordOffset, blockIndex, offset } = this.#records;
    this.#endOffset = offset;
    if (recordOffset - (this.#offsets.at(-1) ?? Number.NEGATIVE_INFINITY) < MARK_BYTES) return;
    this.#offsets.push(recordOffset);
    this.#blockIndexes.push(blockIndex);
  }

  /** The block and the offset in it whose byte is stored there, this time or another. */
  find(streamOffset: number): { readonly blockName: string; readonly offset: number } | undefined {
    if (streamOffset >= this.#endOffset) return undefined;
    const mark = this.#markBefore(streamOffset);
    const offset = this.#offsets[mark];
    const blockIndex = this.#blockIndexes[mark];
    if (offset === undefined || blockIndex === undefined) return undefined;
    const records = this.#records;
    records.resume({ offset, blockIndex });
    while (records.offset <= streamOffset && records.next()) {
      const { dataOffset } = records;
      if (dataOffset > streamOffset) return undefined;
      if (dataOffset >= 0 && streamOffset < dataOffset + GUEST_PAGE_BYTES) {
        const blockName = records.blocks[records.blockIndex]?.name ?? '';
        return { blockName, offset: records.pageOffset + streamOffset - dataOffset };
      }
    }
    return undefined;
  }

  #markBefore(streamOffset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] as number) <= streamOffset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
