import { realpathSync } from 'node:fs';
import { asHexzError, HexzError } from '../errors.js';
import type { Compression } from '../format/types.js';
import { baseIdentity } from '../overlay/baseIdentity.js';
import type { DirtyPages } from '../overlay/dirtyPages.js';
import type { Overlay } from '../overlay/overlay.js';
import { MAX_PAGES } from '../overlay/pages.js';
import { namesOfOverlay, overlayPaths } from '../overlay/paths.js';
import type { Selection } from '../overlay/selection.js';
import { openSnapshot } from '../snapshot/open.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { openOverlay } from '../volume/openOverlay.js';
import { baseDiskOf } from '../volume/volume.js';
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
import { readBack } from './readBack.js';
import { StoredSource } from './storedSource.js';
import { isTaken } from './temporaryFile.js';

/** What is read back between two looks at signals. */
const TELL_BYTES = 8 * 1024 * 1024;
const TELL_BLOCKS = 256;

export interface CommitOptions extends OutputOptions {
  /** Data file of the overlay. */
  readonly overlay: string;
  /** Borrow what did not change from the base. Default: the new snapshot needs no other. */
  readonly thin?: boolean;
  /** Leave the overlay as it is, on its base. Default: delete what was committed. */
  readonly keepsOverlay?: boolean;
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

export interface CommitReport extends NewSnapshotReport {
  readonly base: string;
  readonly baseBytes: number;
  /** Dirty pages that were committed, some of them perhaps in part. */
  readonly committedPages: number;
  /** Pages that stay in the overlay, also those that were committed in part. */
  readonly remainingPages: number;
  readonly overlay: 'deleted' | 'kept' | 'rebound';
}

/**
 * Makes a snapshot of a base and an overlay. It is written beside its name, read back against both, and then takes its
 * name; only then is the overlay touched. Whatever goes wrong before that changes nothing.
 *
 * With a selection, the pages that were not committed stay in the overlay, which then lies on the new snapshot.
 *
 * @param base open; the caller closes it
 * @throws HexzError USAGE, OVERLAY_LOCKED, WRONG_BASE, OVERLAY_DAMAGED, READ_BACK; of base and overlay; as `pack`
 */
export async function commit(base: Snapshot, options: CommitOptions): Promise<CommitReport> {
  const { overlay: path, keepsOverlay = false, selection } = options;
  checkBlockBytes(options.blockBytes ?? DEFAULT_BLOCK_BYTES);
  if (options.memory !== undefined && options.dropsMemory === true) {
    throw new HexzError('USAGE', 'the memory cannot be both replaced and left out');
  }
  const overlay = openCommitted(base, path, keepsOverlay);
  let isLeftAlone = true;
  try {
    const disk = changedDisk(base, overlay, selection);
    if (selection !== undefined && !changesSomething(base, disk)) {
      throw new HexzError('USAGE', 'the selection holds no dirty page of the overlay', {
        location: { file: path },
        hint: 'hexz diff --pages lists them',
      });
    }
    const { remaining, committedPages } = divide(overlay, selection);
    const warnings = [...overlay.warnings, ...warningsOf(base, disk, options)];
    const written = await write(base, overlay, disk, options, warnings);
    const report = {
      ...written,
      base: base.path,
      baseBytes: base.index.source.length,
      committedPages,
    };
    if (keepsOverlay) {
      return { ...report, remainingPages: overlay.dirtyPageCount, overlay: 'kept' };
    }
    isLeftAlone = false;
    const remainingPages = remaining.countBefore(MAX_PAGES);
    if (remainingPages > 0) {
      await putOnto(overlay, remaining, options);
      return { ...report, remainingPages, overlay: 'rebound' };
    }
    const dirtyPages = overlay.dirtyPageCount;
    await overlay.remove();
    if (!isTaken(overlay.path)) return { ...report, remainingPages, overlay: 'deleted' };
    return {
      ...report,
      warnings: [
        ...report.warnings,
        'the overlay could not be deleted; the new snapshot holds all of it',
      ],
      remainingPages: dirtyPages,
      overlay: 'kept',
    };
  } finally {
    if (isLeftAlone) await overlay.close();
  }
}

/** Lets the rest of an overlay lie on the new snapshot, which is complete by now, and closes it. */
async function putOnto(
  overlay: Overlay,
  remaining: DirtyPages,
  options: CommitOptions,
): Promise<void> {
  try {
    const made = openSnapshot(options.output, accessOf(options));
    try {
      overlay.rebind(baseDiskOf(made), remaining);
      await overlay.close();
    } finally {
      made.close();
    }
  } catch (cause) {
    // That one failure has closed it already is no other one.
    await overlay.close().catch(() => {});
    const { code, message, location } = asHexzError(cause);
    throw new HexzError(
      code,
      `${options.output} is complete, but the overlay could not be put on it: ${message}`,
      {
        location,
        hint: 'nothing is lost: on its base, or on the new snapshot, the overlay shows the disk that it showed',
        cause,
      },
    );
  }
}

async function write(
  base: Snapshot,
  overlay: Overlay,
  disk: CommitSource,
  options: CommitOptions,
  warnings: string[],
): Promise<NewSnapshotReport> {
  const { blockBytes = DEFAULT_BLOCK_BYTES, compression = 'lz4', thin: isThin = false } = options;
  const identityBefore = baseIdentity(base);
  const memoryInput = options.memory === undefined ? undefined : openInput(options.memory);
  let made: NewSnapshot | undefined;
  try {
    const keepsMemory =
      memoryInput === undefined && options.dropsMemory !== true && base.hasStream('memory');
    const sources = keepsMemory ? [disk, unchangedStream(base, 'memory')] : [disk];
    const rules: CommitRules = {
      base,
      blockBytes,
      isThin,
      storedSource:
        options.encryption === undefined ? new StoredSource(base, compression) : undefined,
    };
    const streamBytes = sources.reduce((sum, { length }) => sum + length, 0);
    const total = memoryInput === undefined ? streamBytes : sumOf(streamBytes, memoryInput.length);
    made = await NewSnapshot.create(options, {
      variableBlocks: false,
      maximumBlockBytes: blockBytes,
      parentPath: isThin ? realpathSync(base.path) : undefined,
      expectedBytes: expectedBytes(base, overlay, rules, compression, total, memoryInput),
      inputs: [
        ...base.chain().map(({ path }) => path),
        ...namesOfOverlay(overlayPaths(options.overlay)),
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
    await check(made, sources, rules, options, memoryInput !== undefined);
    if (baseIdentity(base) !== identityBefore) {
      throw new HexzError('UNREADABLE', 'the base was changed meanwhile', {
        location: { file: base.path },
      });
    }
    return await made.publish(warnings);
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
  options: CommitOptions,
  hasNewMemory: boolean,
): Promise<void> {
  const access = accessOf(options);
  const total = sources.reduce((sum, { length }) => sum + length, 0);
  const snapshot = made.open(access);
  try {
    let done = 0;
    let step = 0;
    for (const source of sources) {
      let told = 0;
      for (const bytes of readBack(snapshot, source, rules, options.verifiesAll === true)) {
        if (bytes - told < TELL_BYTES && ++step % TELL_BLOCKS !== 0) continue;
        told = bytes;
        await made.progress('check', done + bytes, total);
      }
      done += source.length;
    }
  } finally {
    snapshot.close();
  }
  if (hasNewMemory) await made.checkBlocks(['memory'], access, true);
}

const accessOf = ({ passwords = [], parentDirectories = [], encryption }: CommitOptions) => ({
  passwords: encryption === undefined ? passwords : [encryption.password, ...passwords],
  parentDirectories,
});

/**
 * The overlay, locked until the commit is over. Only one that nobody else uses can be deleted, and only of one that is
 * sound can be said what it holds.
 */
function openCommitted(base: Snapshot, path: string, keepsOverlay: boolean): Overlay {
  const overlay = openLocked(base, path, keepsOverlay);
  const damage = overlay.findings.find(({ isDamage }) => isDamage);
  if (damage === undefined) return overlay;
  void overlay.close();
  throw new HexzError('OVERLAY_DAMAGED', damage.message, {
    location: { file: path },
    hint: `hexz overlay repair ${path} goes on without what is lost; then it can be committed`,
  });
}

function openLocked(base: Snapshot, path: string, keepsOverlay: boolean): Overlay {
  try {
    return openOverlay(base, { path, access: keepsOverlay ? 'read' : 'alone' });
  } catch (error) {
    if (!(error instanceof HexzError)) throw error;
    const hint = hintFor(error, base, path);
    if (hint === undefined) throw error;
    throw new HexzError(error.code, error.message, { location: error.location, hint });
  }
}

/** What the hints of the overlay say of --force would be of a mount. */
function hintFor({ code, hint }: HexzError, base: Snapshot, path: string): string | undefined {
  if (code === 'WRONG_BASE') {
    return `commit it onto that snapshot; if this one is right, hexz overlay repair ${path} --base ${base.path} --force binds it to it`;
  }
  if (code === 'OVERLAY_DAMAGED' && hint?.includes('--force') === true) {
    return `hexz overlay repair ${path} --force goes on without what is lost; then it can be committed`;
  }
  return undefined;
}

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
  overlay: Overlay,
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

function warningsOf(base: Snapshot, disk: CommitSource, options: CommitOptions): string[] {
  const { thin: isThin = false, encryption } = options;
  const warnings = originWarnings(base, 'base', { isThin, encrypts: encryption !== undefined });
  if (disk.length === 0) warnings.push('the disk was cut to nothing; the new snapshot has none');
  return warnings;
}
