/** The library: open snapshots, read them, look inside, check them, compare them, mount them, make new ones. */
export { type ErrorLocation, errorTable, type HexzCode, HexzError } from './engine/errors.js';
export type { SnapshotHeader } from './engine/format/header.js';
export type { BlockKind } from './engine/format/indexPage.js';
export type { MasterIndex, StreamTable } from './engine/format/masterIndex.js';
export type {
  ChunkingParameters,
  Compression,
  EncryptionParameters,
  FileRange,
  StreamName,
} from './engine/format/types.js';
export type { Extent } from './engine/overlay/dirtyPages.js';
export type { BaseDisk } from './engine/overlay/mergedDisk.js';
export type { Overlay, OverlayOptions } from './engine/overlay/overlay.js';
export { type SelectedRange, Selection } from './engine/overlay/selection.js';
export { type Mounted, type MountOptions, mount } from './engine/process/mount.js';
export { type BlockCounts, countBlocks } from './engine/snapshot/blockCounts.js';
export type { Block, FileIndex, Generation } from './engine/snapshot/fileIndex.js';
export { type OpenOptions, openSnapshot } from './engine/snapshot/open.js';
export type { Run, Snapshot } from './engine/snapshot/snapshot.js';
export type { Source } from './engine/snapshot/source.js';
export {
  type FileTally,
  type Finding,
  type VerifyStep,
  verifyChain,
} from './engine/snapshot/verify.js';
export { openOverlay } from './engine/volume/openOverlay.js';
export type { StreamCounts } from './engine/write/blockPipeline.js';
export type { ChunkSizes } from './engine/write/chunking.js';
export { type CommitOptions, commit } from './engine/write/commit.js';
export type { CommitReport } from './engine/write/commitOutput.js';
export type {
  NewEncryption,
  NewSnapshotReport,
  OutputOptions,
  WriteProgress,
} from './engine/write/newSnapshot.js';
export { type PackOptions, type PackParent, pack } from './engine/write/pack.js';
export type { ByteRange } from './forensics/byteRanges.js';
export type { ByteSource } from './forensics/byteSource.js';
export {
  diffOverlay,
  type OverlayDiffOptions,
  overlayDiffBytes,
} from './forensics/diff/overlayDiff.js';
export {
  type Difference,
  type DifferenceKind,
  type DiffStep,
  type DiffTally,
  type Granularity,
  isSameContent,
} from './forensics/diff/result.js';
export {
  type BetweenRows,
  type DiffRow,
  type DiffSide,
  diffRows,
  type RowOptions,
  type ShownStep,
} from './forensics/diff/rows.js';
export {
  diffSnapshots,
  type SnapshotDiffOptions,
  snapshotDiffBytes,
} from './forensics/diff/snapshotDiff.js';
export {
  type HexRow,
  type HexRowOptions,
  type HexStep,
  hexRows,
} from './forensics/hexRows.js';
export { INSPECTED_BYTES, type InspectedValue, inspectBytes } from './forensics/inspector.js';
export {
  type ClassifyOptions,
  classifyPages,
  type PageClass,
  type PageRun,
  type PageStep,
} from './forensics/pages/classify.js';
export { sameRunAtOf } from './forensics/pages/sameRun.js';
export {
  type BytesPattern,
  type ExpressionPattern,
  type Pattern,
  parsePattern,
} from './forensics/search/pattern.js';
export { type SearchOptions, type SearchStep, search } from './forensics/search/search.js';
export {
  type StreamOwner,
  type StreamSource,
  streamSource,
  type ZeroRunAt,
} from './forensics/streamSource.js';
export type { StringEncoding } from './forensics/stringReadings.js';
export {
  type FoundString,
  findStrings,
  type StringOptions,
  type StringStep,
} from './forensics/strings.js';
