import { existsSync } from 'node:fs';
import { ControlClient } from '../engine/control/client.js';
import type { EngineState } from '../engine/control/protocol/engineState.js';
import { type StreamName, streamNames } from '../engine/format/types.js';
import { verifyOverlay } from '../engine/overlay/maintenance.js';
import { PAGE_BYTES } from '../engine/overlay/pages.js';
import { findEngine } from '../engine/process/start.js';
import { hasStream } from '../engine/snapshot/fileIndex.js';
import { describeSnapshot, type SnapshotInformation } from '../engine/snapshot/information.js';
import { informationDocument } from '../engine/snapshot/informationDocument.js';
import { countOf } from '../repl/rendering/values.js';
import type { ReadOptions } from './arguments.js';
import { formatBytes, printJson, section } from './output.js';

interface SummaryOptions extends ReadOptions {
  readonly attach?: string;
  readonly overlay?: string;
}

/** An overlay, as it is without anybody having opened it, or as its engine knows it. */
interface OverlaySummary {
  readonly path: string;
  readonly exists: boolean;
  readonly dirtyPages: number;
  readonly dirtyBytes: number;
}

/**
 * What `hexz inspect` says where nobody looks and no command comes: what the snapshot and its overlay are, and how more
 * is found out. Nothing is mounted for it, and no password is needed.
 *
 * @param path undefined when an engine is attached to
 * @throws HexzError of the snapshot, the overlay, the engine
 */
export async function summarize(path: string | undefined, options: SummaryOptions): Promise<void> {
  const engine = path === undefined ? await stateOf(options.attach ?? '') : undefined;
  const information = describeSnapshot(path ?? engine?.snapshot.path ?? '', options.parentDir);
  const overlay = engine === undefined ? await overlayOf(options.overlay) : overlayOfEngine(engine);
  const mountpoint = engine?.mount?.mountpoint ?? null;
  if (options.json === true) {
    printJson({ snapshot: informationDocument(information, undefined), overlay, mountpoint });
    return;
  }
  const rows: readonly (readonly [string, string])[] = [
    ...streamNames
      .filter((stream) => hasStream(information, stream))
      .map((stream) => [headingOf(stream), formatBytes(lengthOf(information, stream))] as const),
    ['Stored', storedText(information)],
    ['Encrypted', information.header.encryption === undefined ? 'no' : 'yes'],
    ['Parents', parentsText(information)],
    ['Overlay', overlayText(overlay)],
    ['Mounted', mountpoint ?? 'no'],
    ...problemRows(information),
  ];
  process.stdout.write(
    `${section(information.path, rows)}\n\n${waysOn(path === undefined ? '--attach MOUNTPOINT' : 'SNAPSHOT')}`,
  );
}

async function stateOf(mountpoint: string): Promise<EngineState> {
  const client = await ControlClient.connect(findEngine(mountpoint).socketPath);
  try {
    return await client.request('state', {});
  } finally {
    await client.close();
  }
}

async function overlayOf(path: string | undefined): Promise<OverlaySummary | null> {
  if (path === undefined) return null;
  if (!existsSync(path)) return { path, exists: false, dirtyPages: 0, dirtyBytes: 0 };
  const { dirtyPages } = await verifyOverlay(path);
  return { path, exists: true, dirtyPages, dirtyBytes: dirtyPages * PAGE_BYTES };
}

function overlayOfEngine({ overlay }: EngineState): OverlaySummary | null {
  if (overlay === null) return null;
  const { path, dirtyPages, dirtyBytes } = overlay;
  return { path, exists: true, dirtyPages, dirtyBytes };
}

const headingOf = (stream: StreamName): string => (stream === 'disk' ? 'Disk' : 'Memory');

const lengthOf = ({ masterIndex }: SnapshotInformation, stream: StreamName): number =>
  masterIndex[stream].streamLength;

function storedText(information: SnapshotInformation): string {
  const { fileLength, header } = information;
  const decoded = streamNames.reduce((sum, stream) => sum + lengthOf(information, stream), 0);
  const compression = header.compression === 'lz4' ? 'LZ4' : 'Zstandard';
  const blocks = header.variableBlocks
    ? 'blocks cut by content'
    : `blocks of ${formatBytes(header.blockSize)}`;
  return `${formatBytes(fileLength)} (${(decoded / fileLength).toFixed(2)}x), ${compression}, ${blocks}`;
}

function parentsText({ parents }: SnapshotInformation): string {
  if (parents.length === 0) return 'none';
  return parents
    .map(({ storedPath, foundPath }) => foundPath ?? `${storedPath} (not found)`)
    .join(', ');
}

function overlayText(overlay: OverlaySummary | null): string {
  if (overlay === null) return 'none';
  const { path, exists, dirtyPages, dirtyBytes } = overlay;
  if (!exists) return `${path}, which does not exist yet`;
  return `${path}, ${countOf(dirtyPages, 'dirty page')} (${formatBytes(dirtyBytes)})`;
}

function problemRows({ problems, furtherProblems }: SnapshotInformation): [string, string][] {
  const [first] = problems;
  if (first === undefined) return [];
  const more = problems.length - 1 + furtherProblems;
  const others = more === 0 ? '' : ` (and ${countOf(more, 'more', 'more')})`;
  return [['Damaged', `${first.code}: ${first.message}${others}`]];
}

const waysOn = (
  target: string,
): string => `On a terminal, hexz inspect opens its screen. Elsewhere it takes commands:
  hexz inspect ${target} -c help
  hexz inspect ${target} -c 'strings disk --max 20'
`;
