import type { SnapshotHeader } from '../engine/format/header.js';
import { type StreamName, streamNames } from '../engine/format/types.js';
import { type BlockCounts, countBlocksOfFile } from '../engine/snapshot/blockCounts.js';
import { hasStream } from '../engine/snapshot/fileIndex.js';
import {
  describeSnapshot,
  type ParentInformation,
  type SnapshotInformation,
} from '../engine/snapshot/information.js';
import { informationDocument } from '../engine/snapshot/informationDocument.js';
import type { ReadOptions } from './arguments.js';
import { formatBytes, formatCount, printJson, section } from './output.js';

type Counts = Record<StreamName, BlockCounts>;
type Rows = (readonly [string, string])[];

/** `hexz info SNAP [--blocks] [--json]` */
export function info(path: string, options: ReadOptions & { readonly blocks?: boolean }): void {
  const information = describeSnapshot(path, options.parentDir);
  // A file whose references are damaged is described all the same; its blocks cannot be counted.
  const isSound = information.problems.length === 0;
  const counts = options.blocks === true && isSound ? countBlocksOfFile(path) : undefined;
  if (options.json === true) printJson(informationDocument(information, counts));
  else process.stdout.write(`${toText(information, counts)}\n`);
}

const logicalBytes = ({ masterIndex }: SnapshotInformation): number =>
  masterIndex.disk.streamLength + masterIndex.memory.streamLength;

const yesOrNo = (value: boolean): string => (value ? 'Yes' : 'No');

function toText(information: SnapshotInformation, counts: Counts | undefined): string {
  const { path, header, masterIndex, fileLength, problems } = information;
  const ratio = logicalBytes(information) / fileLength;
  const sections = [
    section('Snapshot', [
      ['Path', path],
      ['Format Version', '1'],
      ['Generation', generationText(information)],
      ['Compression', header.compression === 'lz4' ? 'Lz4' : 'Zstd'],
      ['Block Size', `${header.blockSize} (${formatBytes(header.blockSize)})`],
    ]),
    section('Features', [
      ['Encrypted', encryptionText(header)],
      ['Has Disk', yesOrNo(hasStream(information, 'disk'))],
      ['Has Memory', yesOrNo(hasStream(information, 'memory'))],
      ['Variable Blks', chunkingText(header)],
      ['Dictionary', dictionaryText(header)],
      ['Signature', signatureText(header)],
    ]),
    section('Storage Statistics', [
      ...streamNames
        .filter((stream) => hasStream(information, stream))
        .map((stream): [string, string] => [
          stream === 'disk' ? 'Disk' : 'Memory',
          `${formatBytes(masterIndex[stream].streamLength)} (${formatCount(masterIndex[stream].streamLength)} bytes)`,
        ]),
      ['Original Size', formatBytes(logicalBytes(information))],
      ['Compressed', formatBytes(fileLength)],
      ['Ratio', `${ratio.toFixed(2)}x`],
    ]),
    section('Index Details', [
      ['Index Offset', String(header.indexOffset)],
      ['Disk Pages', String(masterIndex.disk.pageCount)],
      ['Memory Pages', String(masterIndex.memory.pageCount)],
    ]),
  ];
  if (counts !== undefined) sections.push(...countSections(information, counts));
  if (header.metadata !== undefined) {
    const text = information.metadataText ?? `${header.metadata.length} bytes that are not shown`;
    sections.push(section('Metadata', [['Message', shorten(text)]]));
  }
  if (information.parents.length > 0) {
    sections.push(section('Parents', parentRows(information, information.parents, 0)));
  }
  if (problems.length > 0) {
    const rows = problems.map((problem): [string, string] => [problem.code, problem.message]);
    const { furtherProblems } = information;
    if (furtherProblems > 0) rows.push(['And', `${formatCount(furtherProblems)} more`]);
    sections.push(section('Problems (this file cannot be mounted or extracted)', rows));
  }
  return sections.join('\n\n');
}

function generationText({ generation }: SnapshotInformation): string {
  switch (generation) {
    case 'A4':
      return 'A4 (of hexz 0.4)';
    case 'A':
      return 'A (of hexz 0.5)';
    case 'B':
      return 'B (of hexz 0.8)';
    default:
      return 'A4 or A (the first index page is damaged)';
  }
}

function encryptionText({ encryption }: SnapshotHeader): string {
  if (encryption === undefined) return 'No';
  return `Yes (AES-256-GCM, PBKDF2 with ${formatCount(encryption.iterations)} iterations)`;
}

function chunkingText({ variableBlocks, chunking }: SnapshotHeader): string {
  if (!variableBlocks) return 'No';
  if (chunking === undefined) return 'Yes (CDC)';
  const { minimumBytes, averageBits, maximumBytes } = chunking;
  const sizes = [minimumBytes, 2 ** averageBits, maximumBytes].map(formatBytes).join(' / ');
  return `Yes (CDC, ${sizes})`;
}

function dictionaryText({ dictionary }: SnapshotHeader): string {
  if (dictionary === undefined) return 'No';
  return dictionary.length === 0 ? 'Empty' : `Yes (${formatBytes(dictionary.length)})`;
}

const signatureText = ({ signature }: SnapshotHeader): string =>
  signature === undefined ? 'No' : 'Yes (check it with hexz verify --key)';

function countSections(information: SnapshotInformation, counts: Counts): string[] {
  return streamNames
    .filter((stream) => hasStream(information, stream))
    .map((stream) => {
      const count = counts[stream];
      return section(`Blocks of ${stream}`, [
        ['Data', `${formatCount(count.dataBlocks)} (${formatBytes(count.dataBytes)})`],
        ['Zero', `${formatCount(count.zeroBlocks)} (${formatBytes(count.zeroBytes)})`],
        ['From Parent', `${formatCount(count.parentBlocks)} (${formatBytes(count.parentBytes)})`],
        ['Shared', `${formatCount(count.sharedBlocks)} of the data blocks repeat a stored one`],
        ['Stored', formatBytes(count.storedBytes)],
      ]);
    });
}

function parentRows(
  { generation }: Pick<SnapshotInformation, 'generation'>,
  parents: readonly ParentInformation[],
  depth: number,
): Rows {
  return parents.flatMap((parent): Rows => {
    const found = parent.foundPath ?? 'not found; name its directory with --parent-dir';
    const details =
      parent.error === undefined
        ? ` (generation ${parent.generation}${parent.encrypted === true ? ', encrypted' : ''})`
        : parent.foundPath === undefined
          ? ''
          : ` (${parent.error.code}: ${parent.error.message})`;
    const indent = '  '.repeat(depth);
    return [
      [`${indent}Stored Path`, parent.storedPath],
      [`${indent}Found`, found + details],
      [
        `${indent}Identity`,
        generation === 'B'
          ? 'each block is found by its BLAKE3 hash'
          : 'not recorded; blocks with a recorded hash are compared when they are read',
      ],
      ...parentRows(parent, parent.parents, depth + 1),
    ];
  });
}

function shorten(text: string): string {
  const [line = '', ...more] = text.split('\n');
  const start = [...line].slice(0, 200).join('');
  return start.length < line.length || more.length > 0 ? `${start} …` : start;
}
