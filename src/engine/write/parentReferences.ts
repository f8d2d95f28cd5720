import { LONG_ENTRY_BYTES, makeReferences } from '../format/indexPage.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { CommitSource } from './commitSource.js';

const MAX_ENTRIES = 4096;

/**
 * Parent references to runs of blocks that did not change, made of the index of the base itself, without a look at
 * each block: most of what there is to do for a thin snapshot of a large disk.
 *
 * State: memory for one answer.
 */
export class ParentReferences {
  readonly #base: Snapshot;
  readonly #source: CommitSource;
  readonly #blockBytes: number;
  readonly #memory = Buffer.allocUnsafeSlow(MAX_ENTRIES * LONG_ENTRY_BYTES);

  constructor(base: Snapshot, source: CommitSource, blockBytes: number) {
    this.#base = base;
    this.#source = source;
    this.#blockBytes = blockBytes;
  }

  /**
   * Encoded references from an offset on, to whole blocks that did not change and have their like in one index page of the
   * base; none where the next block has to be looked at. A view that is valid until the next call.
   */
  from(offset: number): Buffer {
    const { stream, baseEnd } = this.#source;
    const lookEnd = Math.min(baseEnd, offset + MAX_ENTRIES * this.#blockBytes);
    const end = this.#source.firstChange(offset, lookEnd) ?? lookEnd;
    const wanted = Math.max(0, Math.floor((end - offset) / this.#blockBytes));
    const entries = this.#base.encodedEntriesAt(stream, offset, this.#blockBytes, wanted);
    const references = this.#memory.subarray(0, entries.length);
    entries.copy(references);
    makeReferences(references);
    return references;
  }
}
