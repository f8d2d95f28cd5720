import type { StreamName } from '../format/types.js';
import type { Block } from '../snapshot/fileIndex.js';
import { openSnapshot } from '../snapshot/open.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { emptyTally, type FileTally, verifyPage } from '../snapshot/verify.js';

/** One in so many blocks is decoded where not all are: an encoder that fails, fails more than once. */
const DECODED_BLOCKS = 16;

/** An index page of a snapshot, and how the snapshot is opened. */
export interface PageToCheck {
  readonly path: string;
  readonly passwords: readonly string[];
  readonly parentDirectories: readonly string[];
  readonly stream: StreamName;
  readonly pageNumber: number;
  /** Whether all blocks are decoded and compared with their hashes. */
  readonly everything: boolean;
}

/**
 * Checks index pages of new snapshots, and all blocks in them: that they lie in the file as they were written. Some
 * or all of them are decoded, too, as `hexz verify` does.
 *
 * State: the snapshot of the last page stays open for the next one.
 */
export class PageChecker {
  #snapshot: Snapshot | undefined;

  /** @throws HexzError what is wrong with the first bad block */
  check(page: PageToCheck): FileTally {
    const { path, passwords, parentDirectories, stream, pageNumber, everything } = page;
    if (this.#snapshot?.path !== path) {
      this.close();
      this.#snapshot = openSnapshot(path, { passwords, parentDirectories, cacheBytes: 0 });
    }
    const tally = emptyTally(path);
    const isDecoded = ({ blockIndex }: Block) => everything || blockIndex % DECODED_BLOCKS === 0;
    for (const { finding } of verifyPage(this.#snapshot, stream, pageNumber, tally, isDecoded)) {
      if (finding !== undefined) throw finding.error;
    }
    return tally;
  }

  close(): void {
    this.#snapshot?.close();
    this.#snapshot = undefined;
  }
}
