import { type StreamName, streamNames } from '../format/types.js';
import type { BlockCounts } from './blockCounts.js';
import { hasStream } from './fileIndex.js';
import type { ParentInformation, SnapshotInformation } from './information.js';

/** What `hexz info --json` prints: the reference's keys in its order, then ours. */
export function informationDocument(
  information: SnapshotInformation,
  counts: Readonly<Record<StreamName, BlockCounts>> | undefined,
): Record<string, unknown> {
  const { path, header, masterIndex, fileLength } = information;
  const { encryption, chunking, metadata } = header;
  const originalBytes = masterIndex.disk.streamLength + masterIndex.memory.streamLength;
  return {
    path,
    version: 1,
    compression: header.compression === 'lz4' ? 'Lz4' : 'Zstd',
    block_size: header.blockSize,
    encrypted: encryption !== undefined,
    has_disk: hasStream(information, 'disk'),
    has_memory: hasStream(information, 'memory'),
    variable_blocks: header.variableBlocks,
    original_size: originalBytes,
    compressed_size: fileLength,
    compression_ratio: Number((originalBytes / fileLength).toFixed(2)),
    index_offset: header.indexOffset,
    primary_pages: masterIndex.disk.pageCount,
    secondary_pages: masterIndex.memory.pageCount,
    generation: information.generation ?? null,
    streams: Object.fromEntries(
      streamNames
        .filter((stream) => hasStream(information, stream))
        .map((stream) => [
          stream,
          {
            size: masterIndex[stream].streamLength,
            index_pages: masterIndex[stream].pageCount,
            ...(counts === undefined ? {} : { blocks: countsToJson(counts[stream]) }),
          },
        ]),
    ),
    dictionary: header.dictionary ?? null,
    encryption:
      encryption === undefined
        ? null
        : {
            cipher: 'AES-256-GCM',
            key_derivation: 'PBKDF2-HMAC-SHA256',
            iterations: encryption.iterations,
            salt: encryption.salt.toString('hex'),
          },
    chunking:
      chunking === undefined
        ? null
        : {
            average_bytes: 2 ** chunking.averageBits,
            minimum_bytes: chunking.minimumBytes,
            maximum_bytes: chunking.maximumBytes,
          },
    metadata:
      metadata === undefined ? null : { ...metadata, text: information.metadataText ?? null },
    signature: header.signature ?? null,
    parents: information.parents.map(parentToJson),
    problems: information.problems,
    further_problems: information.furtherProblems,
  };
}

function countsToJson(counts: BlockCounts): unknown {
  return {
    data: counts.dataBlocks,
    zero: counts.zeroBlocks,
    parent: counts.parentBlocks,
    shared: counts.sharedBlocks,
    data_bytes: counts.dataBytes,
    zero_bytes: counts.zeroBytes,
    parent_bytes: counts.parentBytes,
    stored_bytes: counts.storedBytes,
  };
}

function parentToJson(parent: ParentInformation): unknown {
  return {
    stored_path: parent.storedPath,
    found: parent.foundPath !== undefined,
    path: parent.foundPath ?? null,
    generation: parent.generation ?? null,
    encrypted: parent.encrypted ?? null,
    compressed_size: parent.fileLength ?? null,
    ...(parent.error === undefined ? {} : { error: parent.error }),
    parents: parent.parents.map(parentToJson),
  };
}
