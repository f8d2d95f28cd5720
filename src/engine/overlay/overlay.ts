import { machineBootId } from './bootId.js';
import { DirtyPages, type Extent } from './dirtyPages.js';
import { damaged, onFile, tooLarge, wrongBase } from './failures.js';
import { type OverlayFile, type OverlayFiles, systemFiles } from './files.js';
import {
  listFindings,
  type OverlayFinding,
  sideFileFinding,
  wrongBaseFinding,
} from './findings.js';
import type { FrozenInstant } from './frozenInstant.js';
import { type BaseDisk, MergedDisk } from './mergedDisk.js';
import {
  type AccessOptions,
  type OpenedFiles,
  openOverlayFiles,
  removeOverlayFiles,
} from './open.js';
import { ENTRY_BYTES } from './pageList.js';
import { PageStore } from './pageStore.js';
import { MAX_DISK_BYTES, MAX_PAGES, PAGE_BYTES } from './pages.js';
import type { ReadBase } from './pageWriter.js';
import { type OverlayPaths, overlayPaths } from './paths.js';
import { createPreservedFile } from './preservedFile.js';
import { recoverState } from './recovery.js';
import type { SharedOverlay } from './sharedOverlay.js';

export interface OverlayOptions extends AccessOptions {
  /** The data file. */
  readonly path: string;
  readonly base: BaseDisk;
  /** Take the overlay although it was made on another base, or lost a part of its list. */
  readonly force?: boolean;
  /** Told to whoever finds the overlay locked. */
  readonly mountpoint?: string | undefined;
}

/** What the machine gives; tests give something else. */
export interface OverlayEnvironment {
  readonly files?: OverlayFiles;
  readonly bootId?: string;
  readonly createPreservedFile?: typeof createPreservedFile;
}

/**
 * A disk that can be written, made of a base that cannot: pages that were written lie in a store, all other
 * bytes come from the base.
 *
 *   page    lies where          bytes of it behind the end of
 *   clean   base                the base, or its lowest truncation: zero
 *   dirty   store               its data file: zero
 *
 * How it is written: `PageWriter`, `PageStore`.
 */
export class Overlay extends MergedDisk {
  readonly path: string;
  /** Whether there was none before it was opened. */
  readonly wasCreated: boolean;
  /** Whether another process has it open for writing: this is what it was at the last flush then. */
  readonly isLive: boolean;
  /** What opening met. */
  readonly findings: readonly OverlayFinding[];
  /** Of the base; empty where it was not needed: for reading, without a side file. */
  readonly baseIdentity: string;
  #base: BaseDisk;
  readonly #store: PageStore;
  readonly #createPreservedFile: typeof createPreservedFile;
  readonly #readBase: ReadBase = (offset, target) => this.readBase(offset, target);

  /**
   * Opens an overlay, after a kill or a power cut too.
   *
   * @throws HexzError OVERLAY_LOCKED, WRONG_BASE, OVERLAY_DAMAGED, OVERLAY_UNUSABLE, NO_SPACE, UNREADABLE
   */
  static open(options: OverlayOptions, environment: OverlayEnvironment = {}): Overlay {
    const { files = systemFiles, bootId = machineBootId() } = environment;
    const createPreserved = environment.createPreservedFile ?? createPreservedFile;
    const { base } = options;
    if (base.length > MAX_DISK_BYTES) throw tooLarge(base.path);
    const paths = overlayPaths(options.path);
    const opened = openOverlayFiles(paths, options, files);
    try {
      return new Overlay(options, paths, files, opened, bootId, createPreserved);
    } catch (error) {
      opened.data.close();
      opened.list.close();
      if (opened.wasCreated) removeOverlayFiles(paths, files);
      throw error;
    }
  }

  private constructor(
    { path, base, access, force = false, mountpoint }: OverlayOptions,
    paths: OverlayPaths,
    files: OverlayFiles,
    { data, list, sideFile, setAside, wasCreated, isLive }: OpenedFiles,
    bootId: string,
    createPreserved: typeof createPreservedFile,
  ) {
    super();
    this.#createPreservedFile = createPreserved;
    this.path = path;
    this.wasCreated = wasCreated;
    this.isLive = isLive;
    this.#base = base;
    const isNeeded = access !== 'read' || sideFile !== undefined;
    const identity = isNeeded ? base.identity() : '';
    this.baseIdentity = identity;
    const isWrongBase = sideFile !== undefined && sideFile.base.identity !== identity;
    if (isWrongBase && !force) throw wrongBase(paths.data, base.path, sideFile.base.path);
    const state = onFile(paths.data, 'read the overlay', () =>
      recoverState({
        sideFile,
        dataLength: data.length(),
        listLength: list.length(),
        baseLength: base.length,
        bootId,
        isLive,
        isZero: (startOffset, endOffset) => isZero(data, startOffset, endOffset),
      }),
    );
    const loss = state.findings.find(({ kind }) => kind === 'short-list' || kind === 'short-data');
    if (loss !== undefined && !force) {
      const path = loss.kind === 'short-list' ? paths.list : paths.data;
      throw damaged(path, loss.message, '--force goes on without what is lost');
    }
    if (state.listLength > MAX_PAGES * ENTRY_BYTES) {
      throw damaged(paths.list, 'the list of pages is longer than any can be');
    }
    if (state.diskLength > MAX_DISK_BYTES) throw tooLarge(paths.data);
    this.#store = new PageStore({
      access,
      paths,
      files,
      data,
      list,
      state,
      baseLength: base.length,
      record: {
        base: { path: base.path, identity },
        bootId,
        openedBy: { pid: process.pid, mountpoint: mountpoint ?? null },
      },
    });
    this.findings = [
      ...(setAside === undefined ? [] : [sideFileFinding(setAside)]),
      ...(isWrongBase ? [wrongBaseFinding(sideFile)] : []),
      ...state.findings,
      ...listFindings(this.#store.list),
    ];
  }

  /** The findings, one sentence each. */
  get warnings(): readonly string[] {
    return this.findings.map(({ message }) => message);
  }

  get isWritable(): boolean {
    return this.#store.isWritable;
  }

  /** Exact size of the disk in bytes. */
  get length(): number {
    return this.#store.length;
  }

  protected get base(): BaseDisk {
    return this.#base;
  }

  protected get lowestTruncation(): number {
    return this.#store.lowestTruncation;
  }

  protected get pages(): DirtyPages {
    return this.#store.pages;
  }

  protected readDirty(offset: number, target: Buffer): void {
    this.#store.read(offset, target);
  }

  /** Pages of the list that lie behind the end of the disk. */
  get pagesBehindEnd(): number {
    return this.listedPageCount - this.dirtyPageCount;
  }

  /**
   * Makes dirty pages clean: they show the base, and zeros behind the lowest truncation. Done when it resolves, at
   * once and safely: after a kill or a power cut before that, all of them are dropped, or none.
   *
   * @throws HexzError as `PageStore.keepOnly`
   */
  async drop(ranges: Iterable<Extent>): Promise<void> {
    const dropped = new DirtyPages();
    for (const { pageIndex, pageCount } of ranges) {
      const end = pageIndex + pageCount;
      let page = this.firstDirtyPage(pageIndex, end);
      for (; page !== undefined; page = this.firstDirtyPage(page + 1, end)) dropped.add(page);
    }
    this.#store.checkWritable();
    if (dropped.size > 0) await this.#store.drop(dropped);
  }

  /** For other threads: to read it (`OverlayView`, `SharedDirtySet`), and to write it as well (`AttachedOverlay`). */
  share(): SharedOverlay {
    return this.#store.share();
  }

  /** Keeps other threads from writing, as `PageStore.reserve`; this one may. */
  reserve(): () => void {
    return this.#store.reserve();
  }

  /**
   * Writes all bytes; the disk grows to just behind the last one where it was shorter.
   *
   * @returns how many pages turned dirty
   * @throws HexzError READ_ONLY, DISK_TOO_LARGE, NO_SPACE, OVERLAY_UNUSABLE, and what reading the base
   *   throws where a page is written in part; the disk is then as before, but for bytes of dirty pages
   */
  write(offset: number, bytes: Buffer): number {
    return this.#store.write(offset, bytes, this.#readBase);
  }

  /**
   * Sets the size of the disk: what is cut off is gone, what is gained is zero. When it returns, the new
   * size and everything written before are on the disk.
   *
   * @throws HexzError as `PageStore.truncate`
   */
  truncate(length: number): void {
    this.#store.checkWritable();
    if (length > MAX_DISK_BYTES) throw tooLarge(this.path);
    this.#store.truncate(length);
  }

  /**
   * When it resolves, everything written before the call is on the disk and found there after a power cut.
   *
   * @throws HexzError OVERLAY_UNUSABLE, NO_SPACE
   */
  sync(): Promise<void> {
    return this.#store.sync();
  }

  /**
   * Flushes, and keeps the disk of the instant after that for `FrozenOverlay`s in other threads, until it is
   * released. Requests are answered on: what they are about to overwrite is copied first. Several instants may be kept
   * at the same time; closing the overlay ends them.
   *
   * @throws HexzError OVERLAY_UNUSABLE, NO_SPACE
   */
  async freeze(): Promise<FrozenInstant> {
    const preserved = this.#createPreservedFile(this.path);
    try {
      return await this.#store.freeze(preserved);
    } catch (error) {
      preserved.close();
      throw error;
    }
  }

  /**
   * Flushes and closes.
   *
   * @throws HexzError as `sync`; the files are closed all the same
   */
  close(): Promise<void> {
    return this.#store.close();
  }

  /** Closes and deletes the files, in the place of `close`. */
  remove(): Promise<void> {
    return this.#store.remove();
  }

  /**
   * Whether a page holds what the base has in its place, also behind the lowest truncation: the Rust hexz would
   * show it there. False where the base cannot be read.
   */
  equalsBase(pageIndex: number): boolean {
    const start = pageIndex * PAGE_BYTES;
    const page = Buffer.alloc(Math.max(0, Math.min(PAGE_BYTES, this.length - start)));
    const shown = Buffer.alloc(page.length);
    const held = Buffer.alloc(page.length);
    this.readInto(start, page);
    try {
      this.readBase(start, shown);
      if (start < this.#base.length) this.#base.readInto(start, held);
    } catch {
      return false;
    }
    return page.equals(shown) && page.equals(held);
  }

  /**
   * Puts another base below, of the size that the disk has, and drops all dirty pages but these. What the dropped
   * ones hold, the new base must hold too: whatever stops this half-way, the disk reads the same.
   *
   * @throws HexzError as `PageStore.rebind` and `PageStore.keepOnly`
   */
  rebind(base: BaseDisk, kept: DirtyPages): void {
    if (base.length !== this.length) throw wrongBase(this.path, base.path, this.#base.path);
    this.#store.beginWriting();
    this.#store.rebind({ path: base.path, identity: base.identity() });
    this.#base = base;
    this.#store.keepOnly(kept);
  }

  /**
   * Drops all dirty pages but these.
   *
   * @throws HexzError as `PageStore.keepOnly`
   */
  keepOnly(kept: DirtyPages): void {
    this.#store.keepOnly(kept);
  }
}

/** Of a range that is padding, so not longer than a page; a longer one was written by somebody else. */
function isZero(file: OverlayFile, start: number, end: number): boolean {
  if (end - start >= PAGE_BYTES) return false;
  const bytes = Buffer.alloc(Math.max(0, end - start));
  file.read(bytes, start);
  return bytes.every((byte) => byte === 0);
}
