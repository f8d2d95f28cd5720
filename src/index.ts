/** The library: open snapshots, read them, check them, mount them. */
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
