import { SHORT_ENTRY_BYTES } from '../../src/engine/format/indexPage.js';
import { streamNames } from '../../src/engine/format/types.js';
import { FileIndex, readEntryBytes } from '../../src/engine/snapshot/fileIndex.js';
import { openFileSource } from '../../src/engine/snapshot/source.js';
import { PageCache } from '../../src/engine/snapshot/streamIndex.js';
import type { FileMap } from './mutate.js';

const HEADER_FIELDS_BYTES = 120;
/** Fields of an index entry: offset (two halves), length, logical length, checksum, hash. */
const ENTRY_FIELDS = [0, 4, 8, 12, 16, 20];

/** Finds the structures of a sound snapshot file. */
export function mapFile(path: string): FileMap {
  const source = openFileSource(path);
  const index = new FileIndex(source, new PageCache());
  const entryBytes = readEntryBytes(source, index);
  const pageFields: number[] = [];
  const storedFields: number[] = [];
  const blocks: FileMap['blocks'][number][] = [];
  for (const stream of streamNames) {
    const { pageCount, pageOffsets } = index.masterIndex[stream];
    for (let page = 0; page < pageCount; page++) {
      const pageOffset = pageOffsets[page] as number;
      pageFields.push(pageOffset, pageOffset + 4);
      let entryOffset = pageOffset + 8;
      for (const block of index.blocksOfPage(stream, page)) {
        const fields = entryBytes === SHORT_ENTRY_BYTES ? ENTRY_FIELDS.slice(0, -1) : ENTRY_FIELDS;
        pageFields.push(...fields.map((field) => entryOffset + field));
        if (block.kind === 'data') {
          const { storedOffset, storedLength } = block;
          storedFields.push(storedOffset, storedOffset + 4, storedOffset + (storedLength >>> 1));
          blocks.push({ storedOffset, storedLength, checksumOffset: entryOffset + 16 });
        }
        entryOffset += entryBytes;
      }
    }
  }
  const { indexOffset } = index.header;
  const masterFields = Math.ceil(index.masterIndex.encodedLength / 4);
  source.close();
  return {
    fields: {
      header: Array.from({ length: HEADER_FIELDS_BYTES }, (_, offset) => offset),
      'master index': Array.from({ length: masterFields }, (_, field) => indexOffset + field * 4),
      'index page': pageFields,
      'stored block': storedFields,
    },
    blocks,
  };
}
