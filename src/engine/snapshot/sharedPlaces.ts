import { type StreamName, streamNames } from '../format/types.js';
import type { FileIndex } from './fileIndex.js';

/** A block of a file. */
interface BlockAt {
  readonly stream: StreamName;
  readonly blockIndex: number;
  readonly offset: number;
}

/** What was found in one index page, and how far the streams are looked at. */
interface SharedStep {
  readonly places: readonly BlockAt[];
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Looks through the index of a file for the blocks that are the same stored bytes, in order.
 *
 * @throws HexzError when an index page cannot be used
 */
export function* placesOfStored(
  index: FileIndex,
  storedOffset: number,
): Generator<SharedStep, void> {
  const { masterIndex } = index;
  const totalBytes = streamNames.reduce((sum, name) => sum + masterIndex[name].streamLength, 0);
  let before = 0;
  for (const stream of streamNames) {
    const { pageCount, streamLength } = masterIndex[stream];
    for (let pageNumber = 0; pageNumber < pageCount; pageNumber++) {
      const page = index.streams[stream].loadPage(pageNumber);
      const places: BlockAt[] = [];
      for (let entry = 0; entry < page.entryCount; entry++) {
        // What other entries have in place of an offset is none.
        if (page.kindOf(entry) !== 'data' || page.storedOffsetOf(entry) !== storedOffset) continue;
        places.push({
          stream,
          blockIndex: page.startBlockIndex + entry,
          offset: page.offsetOf(entry),
        });
      }
      yield { places, doneBytes: before + page.endOffset, totalBytes };
    }
    before += streamLength;
  }
}
