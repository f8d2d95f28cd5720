import { readFileSync } from 'node:fs';
import { HexzError } from '../errors.js';
import type { DirtyPages, Extent } from './dirtyPages.js';
import { asOverlayError, damaged, onFile } from './failures.js';
import { type OverlayFile, type OverlayFiles, systemFiles } from './files.js';
import { type OpenedFiles, openOverlayFiles } from './open.js';
import { PageList } from './pageList.js';
import { MAX_DISK_BYTES, MAX_PAGES, PAGE_BYTES, pageOf, pagesIn } from './pages.js';
import { type OverlayPaths, overlayPaths } from './paths.js';
import { type Finding, recoverState } from './recovery.js';
import { type SideFile, writeSideFile } from './sideFile.js';

/** The disk that an overlay lies on. */
export interface BaseDisk {
  readonly path: string;
  readonly length: number;
  /** Fills the target, less only at the end of the disk; throws HexzError. */
  readInto(offset: number, target: Buffer): number;
  /** The same for the same disk, wherever its file lies (`baseIdentity`). */
  identity(): string;
}

export interface OverlayOptions {
  /** The data file. */
  readonly path: string;
  readonly base: BaseDisk;
  /** For writing, an overlay that does not exist is made; for reading, nothing is created or changed. */
  readonly access: 'read' | 'write';
  /** Take the overlay although it was made on another base. */
  readonly force?: boolean;
  /** Told to whoever finds the overlay locked. */
  readonly mountpoint?: string | undefined;
}

/** What the machine gives; tests give something else. */
export interface OverlayEnvironment {
  readonly files?: OverlayFiles;
  readonly bootId?: string;
}

/**
 * A disk that can be written, made of a base that cannot: pages that were written lie in a data file, at
 * their own offsets, and a list names them. All other bytes come from the base.
 *
 *   page    lies where          bytes of it behind the end of
 *   clean   base                the base, or its lowest truncation: zero
 *   dirty   data file           the data file: zero
 *
 * Invariants while it is open for writing:
 * - The data file is not longer than the disk. So what the disk gains when it grows is zero, and after a
 *   kill the length of the data file tells how far a write had made it grow (`recoverState`).
 * - A page is in the data file, as far as the disk goes, before the list names it; and the list holds
 *   whole entries. So a kill loses no write that was answered, and shows none half seeded.
 * - The side file names lengths of data and list only after both were synced. What lies beyond them after
 *   a power cut was confirmed to nobody and is dropped.
 * - While the data file is being cut or padded, the side file says how long it was or will be.
 *
 * Pages of the list that lie behind the end of the disk stay dirty: they read as zeros when it grows again,
 * which is what they are.
 *
 * Everything but `sync` and `close` is synchronous, so that requests never meet each other half done. A
 * sync or a cut that fails leaves nobody knowing what is on the disk: from then on the overlay refuses to
 * change (`#failure`), reads go on, and the next open finds out what counts.
 */
export class Overlay {
  readonly path: string;
  /** What opening met. */
  readonly findings: readonly Finding[];
  readonly #access: 'read' | 'write';
  readonly #base: BaseDisk;
  readonly #paths: OverlayPaths;
  readonly #files: OverlayFiles;
  readonly #data: OverlayFile;
  readonly #list: PageList;
  readonly #baseIdentity: string;
  readonly #bootId: string;
  readonly #openedBy: SideFile['openedBy'];
  #length: number;
  #lowestTruncation: number;
  #dataLength: number;
  /** What the side file says. */
  #recorded: Lengths = { diskLength: -1, dataLength: -1, listLength: -1 };
  /** Counts truncations: a sync that began before one is outdated by it. */
  #truncations = 0;
  #syncing: Promise<void> = Promise.resolve();
  #failure: HexzError | undefined;
  readonly #seed = Buffer.alloc(PAGE_BYTES);

  /**
   * Opens an overlay, after a kill or a power cut too.
   *
   * @throws HexzError OVERLAY_LOCKED, WRONG_BASE, OVERLAY_DAMAGED, OVERLAY_UNUSABLE, NO_SPACE, UNREADABLE
   */
  static open(options: OverlayOptions, environment: OverlayEnvironment = {}): Overlay {
    const { files = systemFiles, bootId = machineBootId() } = environment;
    const { base, access } = options;
    if (base.length > MAX_DISK_BYTES) throw tooLarge(base.path);
    const paths = overlayPaths(options.path);
    const opened = openOverlayFiles(paths, access, files);
    try {
      return new Overlay(options, paths, files, opened, bootId);
    } catch (error) {
      opened.data.close();
      opened.list.close();
      throw error;
    }
  }

  private constructor(
    options: OverlayOptions,
    paths: OverlayPaths,
    files: OverlayFiles,
    opened: OpenedFiles,
    bootId: string,
  ) {
    const { base, access, force = false, mountpoint = null } = options;
    const { data, list, sideFile } = opened;
    this.path = options.path;
    this.#access = access;
    this.#base = base;
    this.#paths = paths;
    this.#files = files;
    this.#data = data;
    this.#bootId = bootId;
    this.#openedBy = { pid: process.pid, mountpoint };
    const isNeeded = access === 'write' || sideFile !== undefined;
    this.#baseIdentity = isNeeded ? base.identity() : '';
    if (sideFile !== undefined && sideFile.base.identity !== this.#baseIdentity && !force) {
      throw wrongBase(paths.data, base, sideFile);
    }
    const state = this.#onData('read the overlay', () =>
      recoverState({
        sideFile,
        dataLength: data.length(),
        listLength: list.length(),
        baseLength: base.length,
        bootId,
        isZero: (start, end) => isZero(data, start, end),
      }),
    );
    this.#list = new PageList(list, state.listLength);
    this.#length = state.diskLength;
    this.#lowestTruncation = state.lowestTruncation;
    this.#dataLength = this.#onData('read the overlay', () =>
      Math.min(this.#length, data.length()),
    );
    this.findings = [...state.findings, ...listFindings(this.#list)];
    if (this.#length > MAX_DISK_BYTES) throw tooLarge(paths.data);
    if (access === 'write') this.#takeOver();
  }

  /** The findings, one sentence each. */
  get warnings(): readonly string[] {
    return this.findings.map(({ message }) => message);
  }

  get isWritable(): boolean {
    return this.#access === 'write';
  }

  /** Exact size of the disk in bytes. */
  get length(): number {
    return this.#length;
  }

  get dirtyPageCount(): number {
    return this.#list.pages.countBefore(pagesIn(this.#length));
  }

  /** Pages of the list that lie behind the end of the disk. */
  get pagesBehindEnd(): number {
    return this.#list.pages.countBefore(MAX_PAGES) - this.dirtyPageCount;
  }

  isDirty(pageIndex: number): boolean {
    return pageIndex < pagesIn(this.#length) && this.#list.pages.has(pageIndex);
  }

  /** The runs of dirty pages, in order. */
  extents(): Generator<Extent, void> {
    return this.#list.pages.extents(pagesIn(this.#length));
  }

  /**
   * Reads the merged disk into the target: as many bytes as fit, fewer only at its end.
   *
   * @throws HexzError of the base; OVERLAY_DAMAGED when the data file became shorter; OVERLAY_UNUSABLE
   */
  readInto(offset: number, target: Buffer): number {
    const length = Math.max(0, Math.min(target.length, this.#length - offset));
    const end = offset + length;
    const endPage = pagesIn(end);
    let done = 0;
    while (done < length) {
      const start = offset + done;
      const page = pageOf(start);
      const runEnd = Math.min(end, this.#list.pages.runEnd(page, endPage) * PAGE_BYTES);
      const piece = target.subarray(done, done + runEnd - start);
      if (this.#list.pages.has(page)) this.#readData(start, piece);
      else this.#readBase(start, piece);
      done += piece.length;
    }
    return length;
  }

  /**
   * Writes all bytes; the disk grows to just behind the last one where it was shorter.
   *
   * @throws HexzError READ_ONLY, DISK_TOO_LARGE, NO_SPACE, OVERLAY_UNUSABLE, and what reading the base
   *   throws where a page is written in part; the disk is then as before, but for bytes of dirty pages
   */
  write(offset: number, bytes: Buffer): void {
    this.#checkWritable();
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    if (end > MAX_DISK_BYTES) throw tooLarge(this.#paths.data);
    const firstPage = pageOf(offset);
    const lastPage = pageOf(end - 1);
    const head = this.#seedBefore(firstPage, offset);
    const tail = this.#seedBehind(lastPage, end);
    try {
      this.#onData('write to the overlay', () => {
        if (head !== undefined) this.#data.write(head, firstPage * PAGE_BYTES);
        this.#data.write(bytes, offset);
        if (tail !== undefined) this.#data.write(tail, end);
      });
      this.#list.append(firstPage, lastPage);
    } catch (error) {
      this.#cutWhatFailed();
      throw error;
    }
    this.#dataLength = Math.max(this.#dataLength, end + (tail?.length ?? 0));
    this.#length = Math.max(this.#length, end);
  }

  /**
   * Sets the size of the disk: what is cut off is gone, what is gained is zero. When it returns, the new
   * size and everything written before are on the disk.
   *
   * @throws HexzError READ_ONLY, DISK_TOO_LARGE, NO_SPACE, OVERLAY_UNUSABLE; the size is then as before,
   *   unless the overlay refuses every further change
   */
  truncate(length: number): void {
    this.#checkWritable();
    if (length > MAX_DISK_BYTES) throw tooLarge(this.#paths.data);
    this.#truncations++;
    this.#syncFiles();
    if (length > this.#length) this.#grow(length);
    else this.#shrink(length);
  }

  /**
   * When it resolves, everything written before the call is on the disk and found there after a power cut.
   *
   * @throws HexzError OVERLAY_UNUSABLE, NO_SPACE
   */
  sync(): Promise<void> {
    if (this.#access === 'read') return Promise.resolve();
    const turn = this.#syncing.then(() => this.#syncNow());
    this.#syncing = turn.catch(() => {});
    return turn;
  }

  /**
   * Flushes and closes. The data file is padded to whole pages, because the Rust hexz reads a page that the
   * file holds in part as zeros.
   *
   * @throws HexzError as `sync`; the files are closed all the same
   */
  async close(): Promise<void> {
    await this.#syncing;
    try {
      if (this.#access === 'write' && this.#failure === undefined) this.#finish();
    } finally {
      this.#data.close();
      this.#list.close();
    }
  }

  /** Closes and deletes the files, in the place of `close`. */
  async remove(): Promise<void> {
    await this.#syncing;
    this.#data.close();
    this.#list.close();
    const { data, list, side } = this.#paths;
    for (const path of [side, list, data]) {
      try {
        this.#files.remove(path);
      } catch {
        // Gone already, or in a directory that is.
      }
    }
  }

  /** Whether a page holds what the base would show in its place; false where the base cannot be read. */
  equalsBase(pageIndex: number): boolean {
    const start = pageIndex * PAGE_BYTES;
    const page = Buffer.alloc(Math.max(0, Math.min(PAGE_BYTES, this.#length - start)));
    const base = Buffer.alloc(page.length);
    this.readInto(start, page);
    try {
      this.#readBase(start, base);
    } catch {
      return false;
    }
    return page.equals(base);
  }

  /**
   * Puts a list in place of the old one that names each of these dirty pages once, and no other. What the
   * others hold is overwritten with zeros, which a file system can give back.
   *
   * @throws HexzError READ_ONLY, NO_SPACE, OVERLAY_UNUSABLE; the old list or the new one is then in place
   */
  keepOnly(kept: DirtyPages): void {
    this.#checkWritable();
    this.#syncFiles();
    const { pages: old } = this.#list;
    // The list that comes in its place is shorter, so what this vouches for of it is all of it.
    this.#record(this.#lengths());
    const prepared = this.#list.prepare(this.#files, kept, pagesIn(this.#length));
    try {
      this.#list.replaceBy(this.#files, prepared, kept);
      this.#record(this.#lengths());
    } catch (error) {
      // Nobody knows which list a power cut would leave.
      this.#fail(error);
      throw error;
    }
    const zeros = Buffer.alloc(PAGE_BYTES);
    this.#onData('clear what was dropped', () => {
      for (const { pageIndex, pageCount } of old.extents(pagesIn(this.#dataLength))) {
        for (let page = pageIndex; page < pageIndex + pageCount; page++) {
          if (kept.has(page)) continue;
          const start = page * PAGE_BYTES;
          this.#data.write(zeros.subarray(0, this.#dataLength - start), start);
        }
      }
    });
  }

  /** Makes the files what was found to count, and ours. Every step can be the last one before a kill. */
  #takeOver(): void {
    this.#list.cutBack();
    this.#syncFiles();
    const dataLength = this.#onData('read the overlay', () => this.#data.length());
    this.#record({ ...this.#lengths(), dataLength });
    if (dataLength > this.#length) this.#cutData(this.#length);
  }

  #readData(offset: number, target: Buffer): void {
    const wanted = Math.max(0, Math.min(target.length, this.#dataLength - offset));
    const count = this.#onData('read the overlay', () =>
      this.#data.read(target.subarray(0, wanted), offset),
    );
    if (count < wanted) throw damaged(this.#paths.data, 'the data file was cut off meanwhile');
    if (wanted < target.length) target.fill(0, wanted);
  }

  #readBase(offset: number, target: Buffer): void {
    const end = Math.min(this.#base.length, this.#lowestTruncation);
    const wanted = Math.max(0, Math.min(target.length, end - offset));
    if (wanted > 0) this.#base.readInto(offset, target.subarray(0, wanted));
    if (wanted < target.length) target.fill(0, wanted);
  }

  /** The bytes of a clean page before those that are written; undefined if there are none. */
  #seedBefore(page: number, offset: number): Buffer | undefined {
    const start = page * PAGE_BYTES;
    if (offset === start || this.#list.pages.has(page)) return undefined;
    const seed = Buffer.from(this.#seed.subarray(0, offset - start));
    this.#readBase(start, seed);
    return seed;
  }

  /** The bytes of a clean page behind those that are written, as far as the disk goes. */
  #seedBehind(page: number, offset: number): Buffer | undefined {
    const end = Math.min((page + 1) * PAGE_BYTES, this.#length);
    if (offset >= end || this.#list.pages.has(page)) return undefined;
    const seed = this.#seed.subarray(0, end - offset);
    this.#readBase(offset, seed);
    return seed;
  }

  /** After a write that failed: what it left behind the end of the disk would count as growth. */
  #cutWhatFailed(): void {
    try {
      if (this.#data.length() > this.#length) this.#data.truncate(this.#length);
      this.#dataLength = Math.max(this.#dataLength, this.#data.length());
      this.#list.cutBack();
    } catch (error) {
      this.#fail(asOverlayError(error, this.#paths.data, 'undo a failed write'));
    }
  }

  #grow(length: number): void {
    // Behind the end of the base the Rust hexz goes by the length of the data file.
    if (length > this.#base.length) {
      try {
        this.#onData('make the disk larger', () => this.#data.truncate(length));
        this.#onData('make the disk larger', () => this.#data.sync());
      } catch (error) {
        this.#cutWhatFailed();
        throw error;
      }
    }
    const before = this.#recorded;
    const dataLength = Math.max(this.#dataLength, length > this.#base.length ? length : 0);
    try {
      this.#record({ diskLength: length, dataLength, listLength: this.#list.length });
    } catch (error) {
      this.#cutWhatFailed();
      this.#recordAgain(before);
      throw error;
    }
    this.#dataLength = dataLength;
    this.#length = length;
  }

  #shrink(length: number): void {
    const before = this.#recorded;
    const lowestBefore = this.#lowestTruncation;
    const dataLength = this.#dataLength;
    this.#lowestTruncation = Math.min(lowestBefore, length);
    try {
      this.#record({ diskLength: length, dataLength, listLength: this.#list.length });
      if (dataLength > length) this.#onData('cut the disk', () => this.#data.truncate(length));
    } catch (error) {
      this.#lowestTruncation = lowestBefore;
      this.#recordAgain(before);
      throw error;
    }
    this.#length = length;
    if (dataLength > length) this.#finishCut(length);
  }

  /** Cuts the data file; the side file says how long it was. */
  #cutData(length: number): void {
    this.#onData('cut the overlay', () => this.#data.truncate(length));
    this.#finishCut(length);
  }

  #finishCut(length: number): void {
    this.#dataLength = length;
    try {
      this.#onData('flush the overlay', () => this.#data.sync());
      this.#record({ ...this.#recorded, dataLength: length });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async #syncNow(): Promise<void> {
    this.#checkWritable();
    const truncations = this.#truncations;
    const lengths = this.#lengths();
    try {
      await this.#data.syncLater();
      if (lengths.listLength !== this.#recorded.listLength) await this.#list.syncLater();
    } catch (error) {
      const failure = asOverlayError(error, this.#paths.data, 'flush the overlay');
      this.#fail(failure);
      throw failure;
    }
    // A truncation meanwhile has synced everything itself, and lengths from before it mean nothing now.
    if (truncations === this.#truncations && !isSame(lengths, this.#recorded))
      this.#record(lengths);
    this.#checkWritable();
  }

  #syncFiles(): void {
    try {
      this.#onData('flush the overlay', () => this.#data.sync());
      this.#list.sync();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #finish(): void {
    this.#syncFiles();
    const dataLength = this.#padData();
    this.#record({ ...this.#lengths(), dataLength }, null);
  }

  /** Makes the data file end with a whole page, if its file system can; answers its length. */
  #padData(): number {
    const padded = pagesIn(this.#dataLength) * PAGE_BYTES;
    if (padded === this.#dataLength) return padded;
    this.#record({ ...this.#lengths(), dataLength: padded });
    try {
      this.#data.truncate(padded);
    } catch {
      return this.#dataLength;
    }
    this.#onData('flush the overlay', () => this.#data.sync());
    return padded;
  }

  #lengths(): Lengths {
    return {
      diskLength: this.#length,
      dataLength: this.#dataLength,
      listLength: this.#list.length,
    };
  }

  /** Writes the side file. Data and list must have been synced at least up to these lengths. */
  #record(lengths: Lengths, openedBy = this.#openedBy): void {
    const lowest = this.#lowestTruncation;
    onFile(this.#paths.side, 'write the side file of the overlay', () =>
      writeSideFile(this.#files, this.#paths.side, {
        base: { path: this.#base.path, identity: this.#baseIdentity },
        ...lengths,
        lowestTruncation: lowest === Number.POSITIVE_INFINITY ? null : lowest,
        bootId: this.#bootId,
        openedBy,
      }),
    );
    this.#recorded = lengths;
  }

  /** After a failure: the new side file may have come into its place nevertheless. */
  #recordAgain(lengths: Lengths): void {
    try {
      this.#record(lengths);
    } catch (error) {
      this.#fail(error);
    }
  }

  #checkWritable(): void {
    if (this.#access === 'read') {
      throw new HexzError('READ_ONLY', 'the overlay is open for reading only', {
        location: { file: this.#paths.data },
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: unknown): void {
    this.#failure ??= asOverlayError(error, this.#paths.data, 'use the overlay');
  }

  #onData<T>(what: string, action: () => T): T {
    return onFile(this.#paths.data, what, action);
  }
}

function listFindings({ duplicates, outOfRange }: PageList): Finding[] {
  const findings: Finding[] = [];
  if (duplicates > 0) {
    const message = `${duplicates} entries of the list name a page again`;
    findings.push({ kind: 'duplicates', isDamage: false, count: duplicates, message });
  }
  if (outOfRange > 0) {
    const message = `${outOfRange} entries of the list lie beyond every disk; ignored`;
    findings.push({ kind: 'out-of-range', isDamage: true, count: outOfRange, message });
  }
  return findings;
}

interface Lengths {
  readonly diskLength: number;
  readonly dataLength: number;
  readonly listLength: number;
}

const isSame = (a: Lengths, b: Lengths): boolean =>
  a.diskLength === b.diskLength && a.dataLength === b.dataLength && a.listLength === b.listLength;

/** Of a range that is padding, so not longer than a page; a longer one was written by somebody else. */
function isZero(file: OverlayFile, start: number, end: number): boolean {
  if (end - start >= PAGE_BYTES) return false;
  const bytes = Buffer.alloc(Math.max(0, end - start));
  file.read(bytes, start);
  return bytes.every((byte) => byte === 0);
}

let knownBootId: string | undefined;

/** Changes with every start of the machine. */
function machineBootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return knownBootId;
}

const tooLarge = (path: string): HexzError =>
  new HexzError('DISK_TOO_LARGE', 'a disk with an overlay has at most 16 TiB', {
    location: { file: path },
  });

const wrongBase = (path: string, base: BaseDisk, { base: recorded }: SideFile): HexzError =>
  new HexzError(
    'WRONG_BASE',
    `the overlay was made on another snapshot (${recorded.path}), not on ${base.path}`,
    { location: { file: path }, hint: 'give that snapshot, or --force if you know better' },
  );
