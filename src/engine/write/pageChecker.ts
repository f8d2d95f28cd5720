import type { StreamName } from '../format/types.js';
import { openSnapshot } from '../snapshot/open.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { emptyTally, type FileTally, verifyPage } from '../snapshot/verify.js';

/** An index page of a snapshot, and how the snapshot is opened. */
export interface PageToCheck {
  readonly path: string;
  readonly passwords: readonly string[];
  readonly parentDirectories: readonly string[];
  readonly stream: StreamName;
  readonly pageNumber: number;
}

/**
 * Checks index pages of new snapshots and all blocks in them, as `hexz verify` does.
 *
 * State: the snapshot of the last page stays open for the next one.
 */
export class PageChecker {
  #snapshot: Snapshot | undefined;

  /** @throws HexzError what is wrong with the first bad block */
  check({ path, passwords, parentDirectories, stream, pageNumber }: PageToCheck): FileTally {
    if (this.#snapshot?.path !== path) {
      this.close();
      this.#snapshot = openSnapshot(path, { passwords, parentDirectories, cacheBytes: 0 });
    }
    const tally = emptyTally(path);
    for (const { finding } of verifyPage(this.#snapshot, stream, pageNumber, tally)) {
      if (finding !== undefined) throw finding.error;
    }
    return tally;
  }

  close(): void {
    this.#snapshot?.close();
    this.#snapshot = undefined;
  }
}
