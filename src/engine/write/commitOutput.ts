import { realpathSync } from 'node:fs';
import { HexzError } from '../errors.js';
import type { Compression } from '../format/types.js';
import { baseIdentity } from '../overlay/baseIdentity.js';
import type { DirtyPages } from '../overlay/dirtyPages.js';
import type { ReadableOverlay } from '../overlay/mergedDisk.js';
import { namesOfOverlay, overlayPaths } from '../overlay/paths.js';
import type { Selection } from '../overlay/selection.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { type CommitSource, changedDisk, divide, unchangedStream } from './commitSource.js';
import { type CommitRules, commitStream } from './commitStream.js';
import { modifiedWhileRead, openInput, type StreamInput } from './input.js';
import {
  checkBlockBytes,
  DEFAULT_BLOCK_BYTES,
  NewSnapshot,
  type NewSnapshotReport,
  type OutputOptions,
} from './newSnapshot.js';
import { originWarnings } from './originWarnings.js';
import { packStream } from './packStream.js';
import { type ReadBack, readBack } from './readBack.js';
import { StoredSource } from './storedSource.js';

/** What is read back between two looks at signals. */
const TELL_BYTES = 8 * 1024 * 1024;
const TELL_BLOCKS = 256;

/** What a commit makes of base and overlay. */
export interface CommitOutputOptions extends OutputOptions {
  /** Borrow what did not change from the base. Default: the new snapshot needs no other. */
  readonly thin?: boolean;
  /** Commit only these parts of the overlay. */
  readonly selection?: Selection | undefined;
  /** A file in the place of the base's memory; - is standard input. */
  readonly memory?: string | undefined;
  /** Leave the memory out. */
  readonly dropsMemory?: boolean;
  /** That opened the base, for opening what borrows from it. */
  readonly passwords?: readonly string[];
  readonly parentDirectories?: readonly string[];
}

/** A new snapshot, and what it holds of the overlay. */
export interface CommitOutput extends NewSnapshotReport {
  readonly base: string;
  readonly baseBytes: number;
  /** Dirty pages that were committed, some of them perhaps in part. */
  readonly committedPages: number;
  /** What was read back and compared with base and overlay before the file got its name. */
  readonly verified: Verified;
}

interface Verified extends ReadBack {
  /** Whether every byte was, not only those of blocks that the file holds itself. */
  readonly isWhole: boolean;
}

export interface CommitReport extends CommitOutput {
  /** Pages that stay in the overlay, also those that were committed in part. */
  readonly remainingPages: number;
  readonly overlay: 'deleted' | 'kept' | 'rebound';
}

/**
 * Makes a snapshot of a base and an overlay, reads it back against both, and gives it its name. The overlay is only
 * read.
 *
 * @param options checked (`checkCommitOptions`)
 * @returns also the dirty pages that the new snapshot does not hold whole
 * @throws HexzError USAGE, READ_BACK; of base and overlay; as `pack`
 */
export async function makeCommit(
  base: Snapshot,
  overlay: ReadableOverlay,
  options: CommitOutputOptions,
  overlayWarnings: readonly string[] = [],
): Promise<{ output: CommitOutput; remaining: DirtyPages }> {
  const { selection } = options;
  const disk = committedDisk(base, overlay, selection);
  const { remaining, committedPages } = divide(overlay, selection);
  const warnings = [...overlayWarnings, ...warningsOf(base, disk, options)];
  const written = await write(base, overlay, disk, options, warnings);
  const baseBytes = base.index.source.length;
  return { output: { ...written, base: base.path, baseBytes, committedPages }, remaining };
}

/** @throws HexzError USAGE */
export function checkCommitOptions(options: CommitOutputOptions): void {
  checkBlockBytes(options.blockBytes ?? DEFAULT_BLOCK_BYTES);
  if (options.memory !== undefined && options.dropsMemory === true) {
    throw new HexzError('USAGE', 'the memory cannot be both replaced and left out');
  }
}

/**
 * The disk that is committed.
 *
 * @throws HexzError USAGE where a selection leaves nothing of the overlay
 */
export function committedDisk(
  base: Snapshot,
  overlay: ReadableOverlay,
  selection: Selection | undefined,
): CommitSource {
  const disk = changedDisk(base, overlay, selection);
  if (selection === undefined || changesSomething(base, disk)) return disk;
  throw new HexzError('USAGE', 'the selection holds no dirty page of the overlay', {
    location: { file: overlay.path },
    hint: 'hexz diff --pages lists them',
  });
}

/** The streams of the new snapshot that come of base and overlay. */
export const committedStreams = (
  base: Snapshot,
  disk: CommitSource,
  { memory, dropsMemory = false }: CommitOutputOptions,
): CommitSource[] => {
  const keepsMemory = memory === undefined && !dropsMemory && base.hasStream('memory');
  return keepsMemory ? [disk, unchangedStream(base, 'memory')] : [disk];
};

/** How the blocks of the new snapshot are made. */
export function commitRules(base: Snapshot, options: CommitOutputOptions): CommitRules {
  const { blockBytes = DEFAULT_BLOCK_BYTES, compression = 'lz4', thin: isThin = false } = options;
  const storedSource =
    options.encryption === undefined ? new StoredSource(base, compression) : undefined;
  return { base, blockBytes, isThin, storedSource };
}

async function write(
  base: Snapshot,
  overlay: ReadableOverlay,
  disk: CommitSource,
  options: CommitOutputOptions,
  warnings: string[],
): Promise<NewSnapshotReport & Pick<CommitOutput, 'verified'>> {
  const { compression = 'lz4' } = options;
  const identityBefore = baseIdentity(base);
  const memoryInput = options.memory === undefined ? undefined : openInput(options.memory);
  let made: NewSnapshot | undefined;
  try {
    const sources = committedStreams(base, disk, options);
    const rules = commitRules(base, options);
    const { blockBytes, isThin } = rules;
    const streamBytes = sources.reduce((sum, { length }) => sum + length, 0);
    const total = memoryInput === undefined ? streamBytes : sumOf(streamBytes, memoryInput.length);
    made = await NewSnapshot.create(options, {
      variableBlocks: false,
      maximumBlockBytes: blockBytes,
      parentPath: isThin ? realpathSync(base.path) : undefined,
      expectedBytes: expectedBytes(base, overlay, rules, compression, total, memoryInput),
      inputs: [
        ...base.chain().map(({ path }) => path),
        ...namesOfOverlay(overlayPaths(overlay.path)),
        ...(options.memory === undefined ? [] : [options.memory]),
      ],
      isPrivate: base.isChainEncrypted,
    });
    let done = 0;
    for (const source of sources) {
      for await (const bytes of commitStream(made.pipeline, source, rules)) {
        await made.progress('write', done + bytes, total);
      }
      done += source.length;
    }
    if (memoryInput !== undefined) {
      const parent = isThin ? base : undefined;
      for await (const bytes of packStream(
        made.pipeline,
        'memory',
        memoryInput,
        blockBytes,
        parent,
      )) {
        await made.progress('write', done + bytes, total);
      }
      if (memoryInput.wasModified()) warnings.push(modifiedWhileRead(memoryInput));
    }
    await made.complete();
    const verified = await check(made, sources, rules, options, memoryInput !== undefined);
    if (baseIdentity(base) !== identityBefore) {
      throw new HexzError('UNREADABLE', 'the base was changed meanwhile', {
        location: { file: base.path },
      });
    }
    return { ...(await made.publish(warnings)), verified };
  } catch (error) {
    await made?.discard();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    memoryInput?.close();
  }
}

async function check(
  made: NewSnapshot,
  sources: readonly CommitSource[],
  rules: CommitRules,
  options: CommitOutputOptions,
  hasNewMemory: boolean,
): Promise<Verified> {
  const access = accessOf(options);
  const total = sources.reduce((sum, { length }) => sum + length, 0);
  const snapshot = made.open(access);
  const verified = { blocks: 0, bytes: 0, isWhole: options.verifiesAll === true };
  try {
    let done = 0;
    let step = 0;
    for (const source of sources) {
      let told = 0;
      const comparing = readBack(snapshot, source, rules, verified.isWhole);
      let compared = comparing.next();
      for (; compared.done !== true; compared = comparing.next()) {
        const bytes = compared.value;
        if (bytes - told < TELL_BYTES && ++step % TELL_BLOCKS !== 0) continue;
        told = bytes;
        await made.progress('check', done + bytes, total);
      }
      verified.blocks += compared.value.blocks;
      verified.bytes += compared.value.bytes;
      done += source.length;
    }
  } finally {
    snapshot.close();
  }
  if (hasNewMemory) {
    await made.checkBlocks(['memory'], access, true);
    const { encodedBlocks, copiedBlocks } = made.pipeline.counts.memory;
    verified.blocks += encodedBlocks + copiedBlocks;
    verified.bytes += snapshot.streamLength('memory');
  }
  return verified;
}

/** What opens the new snapshot. */
export const accessOf = ({
  passwords = [],
  parentDirectories = [],
  encryption,
}: CommitOutputOptions) => ({
  passwords: encryption === undefined ? passwords : [encryption.password, ...passwords],
  parentDirectories,
});

/** Whether the output of a selection differs from the base at all. */
const changesSomething = (base: Snapshot, disk: CommitSource): boolean =>
  disk.firstChange(0, disk.length) !== undefined ||
  disk.length !== base.streamLength('disk') ||
  disk.baseEnd !== disk.length;

const sumOf = (bytes: number, more: number | undefined): number | undefined =>
  more === undefined ? undefined : bytes + more;

/** About how much will have to be encoded; decides about threads only. */
function expectedBytes(
  base: Snapshot,
  overlay: ReadableOverlay,
  { isThin, blockBytes, storedSource }: CommitRules,
  compression: Compression,
  total: number | undefined,
  memoryInput: StreamInput | undefined,
): number | undefined {
  if (total === undefined) return undefined;
  const { header } = base;
  const isCopied =
    storedSource !== undefined &&
    header.compression === compression &&
    header.blockSize === blockBytes &&
    !header.variableBlocks;
  if (!isThin && !isCopied) return total;
  const changed = Math.min(overlay.dirtyPageCount * blockBytes, overlay.length);
  return changed + (memoryInput?.length ?? 0);
}

function warningsOf(base: Snapshot, disk: CommitSource, options: CommitOutputOptions): string[] {
  const { thin: isThin = false, encryption } = options;
  const warnings = originWarnings(base, 'base', { isThin, encrypts: encryption !== undefined });
  if (disk.length === 0) warnings.push('the disk was cut to nothing; the new snapshot has none');
  return warnings;
}
