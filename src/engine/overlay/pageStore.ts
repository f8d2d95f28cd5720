import { HexzError } from '../errors.js';
import { DataReader } from './dataReader.js';
import type { DirtyPages } from './dirtyPages.js';
import { DiskNumbers } from './diskNumbers.js';
import { asOverlayError, codeOf, onFile } from './failures.js';
import type { OverlayFile, OverlayFiles } from './files.js';
import type { FrozenInstant } from './frozenInstant.js';
import { type OverlayAccess, removeOverlayFiles } from './open.js';
import { type FoundList, PageList, readList } from './pageList.js';
import { MAX_PAGES, PAGE_BYTES, pagesIn } from './pages.js';
import { PageWriter, type ReadBase } from './pageWriter.js';
import type { OverlayPaths } from './paths.js';
import type { PreservedFile } from './preservedFile.js';
import type { DiskState } from './recovery.js';
import { SharedDataFile } from './sharedDataFile.js';
import type { SharedOverlay } from './sharedOverlay.js';
import type { SideFile } from './sideFile.js';
import { type RecordedLengths, type RecordedOrigin, SideFileRecord } from './sideFileRecord.js';
import { WriteLock } from './writeLock.js';

const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

/** Pages that are cleared between two requests. */
const CLEARED_AT_ONCE = 256;

/** What a store is made of. */
export interface StoreParts {
  readonly access: OverlayAccess;
  readonly paths: OverlayPaths;
  readonly files: OverlayFiles;
  /** Open and locked; the store closes them. */
  readonly data: OverlayFile;
  readonly list: OverlayFile;
  /** What counts of them. */
  readonly state: DiskState;
  readonly baseLength: number;
  /** What the side file says beside the lengths. */
  readonly record: RecordedOrigin;
}

/**
 * The pages of a disk that were written, its size, and what of both is safe on the disk below.
 *
 * Invariants while it is open for writing, beside those of `PageWriter`:
 * - The side file names lengths of data and list only after both were synced. What lies beyond them after
 *   a power cut was confirmed to nobody and is dropped.
 * - While the data file is being cut or padded, the side file says how long it was or will be.
 *
 * Pages of the list that lie behind the end of the disk stay dirty: they read as zeros when it grows again,
 * which is what they are.
 *
 * Everything but `sync`, `drop`, `freeze`, `close` and `remove` is synchronous, so that requests never meet each other
 * half done. Those that other threads answer (`AttachedOverlay`) are kept away by the lock:
 *
 *   what is done                               other threads
 *   writing, clearing a page, looking at the   wait for that moment
 *   lengths that a flush will record
 *   cutting, growing, replacing the list       leave their writes to this thread (`#alone`)
 *   an instant is frozen, changes are held     the same, until all of that is released (`reserve`)
 *   refusing every change, closed              the same, for ever
 *
 * A sync or a cut that fails leaves nobody knowing what is on the disk: from then on the store refuses to
 * change (`#failure`), reads go on, and the next open finds out what counts.
 */
export class PageStore {
  readonly #paths: OverlayPaths;
  readonly #files: OverlayFiles;
  readonly #data: SharedDataFile;
  readonly #numbers = new DiskNumbers();
  readonly #list: PageList;
  readonly #lock = new WriteLock();
  readonly #reader: DataReader;
  readonly #writer: PageWriter;
  /** What the list was found to hold beside its pages. */
  readonly list: Omit<FoundList, 'pages'>;
  #baseLength: number;
  readonly #record: SideFileRecord;
  #isWritable = false;
  /** Settles when no sync and no drop is at work or waits for its turn. */
  #syncing: Promise<void> = Promise.resolve();
  /** The sync that has not begun yet: whoever asks meanwhile shares it. */
  #nextSync: Promise<void> | undefined;
  #failure: HexzError | undefined;

  /**
   * Takes the files over; with access for writing, what was found not to count is removed from them.
   *
   * @throws HexzError OVERLAY_UNUSABLE, NO_SPACE
   */
  constructor({ access, paths, files, data, list, state, baseLength, record }: StoreParts) {
    this.#paths = paths;
    this.#files = files;
    const found = readList(list, state.listLength);
    const numbers = this.#numbers;
    this.list = found;
    this.#data = new SharedDataFile(data);
    this.#list = new PageList(list, found.pages, numbers);
    this.#baseLength = baseLength;
    this.#record = new SideFileRecord(files, paths.side, record);
    this.#reader = new DataReader(this.#data, numbers, this.#data.versions);
    this.#writer = new PageWriter(this.#data, this.#list, numbers, (error) => this.#fail(error));
    numbers.length = state.diskLength;
    numbers.lowestTruncation = state.lowestTruncation;
    numbers.listLength = state.listLength;
    numbers.listDescriptor = list.descriptor;
    numbers.dataLength = this.#onData('read the overlay', () =>
      Math.min(state.diskLength, data.length()),
    );
    if (access === 'write') this.beginWriting();
  }

  get isWritable(): boolean {
    return this.#isWritable;
  }

  /**
   * What was found not to count is removed from the files, and they are ours. They must have been opened for
   * writing, or to be alone with them.
   *
   * @throws HexzError OVERLAY_UNUSABLE, NO_SPACE
   */
  beginWriting(): void {
    this.#isWritable = true;
    this.#takeOver();
  }

  /** Exact size of the disk in bytes. */
  get length(): number {
    return this.#numbers.length;
  }

  /** From here on the base does not show through. */
  get lowestTruncation(): number {
    return this.#numbers.lowestTruncation;
  }

  /** For other threads. */
  share(): SharedOverlay {
    return {
      path: this.#paths.data,
      identity: this.#data.identity,
      isWritable: this.#isWritable,
      numbers: this.#numbers.share(),
      pages: this.pages.share(),
      pageVersions: this.#data.versions.share(),
      writeLock: this.#lock.share(),
      dataDescriptor: this.#data.descriptor,
    };
  }

  /**
   * Flushes, and keeps what the pages hold in the instant after that, until the instant is released.
   *
   * @param preserved becomes the instant's
   * @throws HexzError as `sync`
   */
  async freeze(preserved: PreservedFile): Promise<FrozenInstant> {
    await this.sync();
    const release = this.reserve();
    try {
      const { length, lowestTruncation, dataLength } = this.#numbers;
      const numbers = { length, lowestTruncation, dataLength };
      return this.#data.freeze(numbers, this.pages.copy(), preserved, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Keeps other threads from writing: none does when it returns.
   *
   * @returns lets them go on; it is to be called once
   * @throws HexzError OVERLAY_UNUSABLE when one that is writing does not come to an end
   */
  reserve(): () => void {
    // None begins any more then, and one that does not come to an end is not waited for twice.
    if (this.#failure !== undefined) return () => {};
    if (!this.#lock.reserve()) throw this.#neverEnds();
    return () => this.#lock.release();
  }

  /** The dirty pages, also those behind the end of the disk. */
  get pages(): DirtyPages {
    return this.#list.pages;
  }

  /**
   * Fills the target with bytes of dirty pages; behind the end of the data file they are zero.
   *
   * @throws HexzError as `DataReader.read`
   */
  read(offset: number, target: Buffer): void {
    this.#reader.read(offset, target);
  }

  /**
   * Writes all bytes, and makes the pages that they touch dirty.
   *
   * @returns how many pages turned dirty
   * @throws HexzError as `PageWriter.write`, and READ_ONLY
   */
  write(offset: number, bytes: Buffer, readBase: ReadBase): number {
    this.checkWritable();
    if (bytes.length === 0) return 0;
    return this.#inTurn(() => this.#writer.write(offset, bytes, readBase));
  }

  /**
   * Sets the size of the disk: what is cut off is gone, what is gained is zero. When it returns, the new
   * size and everything written before are on the disk.
   *
   * @throws HexzError READ_ONLY, DISK_TOO_LARGE, NO_SPACE, OVERLAY_UNUSABLE; the size is then as before,
   *   unless the store refuses every further change
   */
  truncate(length: number): void {
    this.checkWritable();
    this.#alone(() => {
      this.#syncFiles();
      this.#numbers.changeWhole(() => {
        if (length > this.#numbers.length) this.#grow(length);
        else this.#shrink(length);
      });
    });
  }

  /**
   * When it resolves, everything written before the call is on the disk and found there after a power cut.
   *
   * @throws HexzError OVERLAY_UNUSABLE, NO_SPACE
   */
  sync(): Promise<void> {
    if (!this.#isWritable) return Promise.resolve();
    if (this.#nextSync === undefined) {
      this.#nextSync = this.#syncing.then(() => {
        this.#nextSync = undefined;
        return this.#syncNow();
      });
      this.#syncing = this.#nextSync.catch(() => {});
    }
    return this.#nextSync;
  }

  /**
   * Flushes and closes. The data file is padded to whole pages, because the Rust hexz reads a page that the
   * file holds in part as zeros.
   *
   * @throws HexzError as `sync`, and what made it refuse every change; the files are closed all the same
   */
  async close(): Promise<void> {
    await this.#syncing;
    try {
      this.reserve();
      if (this.#isWritable) this.#finish();
    } finally {
      this.#data.close();
      this.#list.close();
    }
  }

  /** Deletes the files and closes them, in the place of `close`: until they are gone, nobody else can open them. */
  async remove(): Promise<void> {
    await this.#syncing;
    try {
      this.reserve();
      removeOverlayFiles(this.#paths, this.#files);
    } finally {
      this.#data.close();
      this.#list.close();
    }
  }

  /**
   * Puts a list in place of the old one that names each of these dirty pages once, and no other. What the
   * others hold is overwritten with zeros, which a file system can give back.
   *
   * @throws HexzError READ_ONLY, NO_SPACE, OVERLAY_UNUSABLE; the old list or the new one is then in place
   */
  keepOnly(kept: DirtyPages): void {
    this.checkWritable();
    this.#alone(() => {
      const dropped = this.pages.without(kept);
      this.#replaceList(kept, dropped);
      for (const { pageIndex, pageCount } of dropped.extents(MAX_PAGES)) {
        for (let page = pageIndex; page < pageIndex + pageCount; page++) this.#clear(page);
      }
    });
  }

  /**
   * Makes dirty pages clean, when no sync is at work. What they held is cleared behind the base only, a little at a time
   * between requests; elsewhere it stays in the data file, where nobody finds it: whoever writes such a page seeds it.
   *
   * @throws HexzError as `keepOnly`
   */
  drop(dropped: DirtyPages): Promise<void> {
    const done = this.#syncing.then(async () => {
      // First without holding up requests, so that little is left to be flushed when they are.
      await this.#syncNow();
      this.#alone(() => this.#replaceList(this.pages.without(dropped), dropped));
      await this.#clearBehindBase(dropped);
    });
    this.#syncing = done.catch(() => {});
    return done;
  }

  /**
   * Puts another base below, which has the disk's size and shows through everywhere from here on.
   *
   * @throws HexzError READ_ONLY, NO_SPACE, OVERLAY_UNUSABLE; the old base or the new one is then recorded
   */
  rebind(base: SideFile['base']): void {
    this.checkWritable();
    this.#alone(() => {
      this.#syncFiles();
      this.#record.rebind(base);
      this.#baseLength = this.#numbers.length;
      this.#numbers.lowestTruncation = Number.POSITIVE_INFINITY;
      try {
        this.#writeRecord(this.#lengths());
      } catch (error) {
        this.#fail(error);
        throw error;
      }
    });
  }

  /** @throws HexzError READ_ONLY, and what made it refuse every change */
  checkWritable(): void {
    if (!this.#isWritable) {
      throw new HexzError('READ_ONLY', 'the overlay is open for reading only', {
        location: { file: this.#paths.data },
      });
    }
    if (this.#failure === undefined && this.#lock.isBroken) {
      this.#fail(this.#unusable('a failed write of another thread could not be undone'));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Makes the files what was found to count, and ours. Every step can be the last one before a kill. */
  #takeOver(): void {
    this.#list.cutBack();
    this.#syncFiles();
    const dataLength = this.#onData('read the overlay', () => this.#data.length());
    this.#writeRecord({ ...this.#lengths(), dataLength });
    if (dataLength <= this.#numbers.length) return;
    this.#onData('cut the overlay', () => this.#data.truncate(this.#numbers.length));
    this.#finishCut(this.#numbers.length);
  }

  #grow(length: number): void {
    // Behind the end of the base the Rust hexz goes by the length of the data file.
    if (length > this.#baseLength) {
      try {
        this.#onData('make the disk larger', () => this.#data.truncate(length));
      } catch (error) {
        this.#writer.undo();
        throw error;
      }
      this.#syncFiles();
    }
    const before = this.#record.lengths;
    const dataLength = Math.max(this.#numbers.dataLength, length > this.#baseLength ? length : 0);
    try {
      this.#writeRecord({ diskLength: length, dataLength, listLength: this.#numbers.listLength });
    } catch (error) {
      this.#writer.undo();
      this.#writeAgain(before);
      throw error;
    }
    this.#numbers.dataLength = dataLength;
    this.#numbers.length = length;
  }

  #shrink(length: number): void {
    const before = this.#record.lengths;
    const lowestBefore = this.#numbers.lowestTruncation;
    const dataLength = this.#numbers.dataLength;
    this.#numbers.lowestTruncation = Math.min(lowestBefore, length);
    try {
      this.#writeRecord({ diskLength: length, dataLength, listLength: this.#numbers.listLength });
      if (dataLength > length) this.#onData('cut the disk', () => this.#data.truncate(length));
    } catch (error) {
      this.#numbers.lowestTruncation = lowestBefore;
      this.#writeAgain(before);
      throw error;
    }
    this.#numbers.length = length;
    if (dataLength > length) this.#finishCut(length);
  }

  /** After the data file was cut, for which the side file had said how long it was. */
  #finishCut(length: number): void {
    this.#numbers.dataLength = length;
    try {
      this.#onData('flush the overlay', () => this.#data.sync());
      this.#writeRecord({ ...this.#record.lengths, dataLength: length });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async #syncNow(): Promise<void> {
    this.checkWritable();
    const { version } = this.#numbers;
    const lengths = this.#inTurn(() => this.#lengths());
    try {
      await this.#data.syncLater();
      if (lengths.listLength !== this.#record.lengths.listLength) await this.#list.syncLater();
    } catch (error) {
      const failure = asOverlayError(error, this.#paths.data, 'flush the overlay');
      this.#fail(failure);
      throw failure;
    }
    this.#checkNames();
    // A truncation meanwhile has synced everything itself, and lengths from before it mean nothing now.
    if (version === this.#numbers.version && !this.#record.has(lengths)) this.#writeRecord(lengths);
    this.checkWritable();
  }

  /** What is on the disk without a name is lost all the same. */
  #checkNames(): void {
    for (const file of [this.#data, this.#list]) {
      if (hasName(this.#files, file)) continue;
      const message = 'the file was deleted, renamed or replaced while the overlay was open';
      const failure = new HexzError('OVERLAY_UNUSABLE', message, { location: { file: file.path } });
      this.#fail(failure);
      throw failure;
    }
  }

  /** Puts a list of all pages but the dropped ones in place of the old one; both or none of it is on the disk. */
  #replaceList(kept: DirtyPages, dropped: DirtyPages): void {
    this.#syncFiles();
    // The list that comes in its place is shorter, so what this vouches for of it is all of it.
    this.#writeRecord(this.#lengths());
    const prepared = this.#data.withRoom(() => this.#list.prepare(this.#files, kept));
    this.#numbers.changeWhole(() => {
      try {
        this.#list.replaceBy(this.#files, prepared, dropped);
        this.#writeRecord(this.#lengths());
      } catch (error) {
        // Nobody knows which list a power cut would leave.
        this.#fail(error);
        throw error;
      }
    });
  }

  /** The Rust hexz lists pages that begin behind the base without seeding them, and would show what lies there. */
  async #clearBehindBase(dropped: DirtyPages): Promise<void> {
    const firstPageIndex = pagesIn(this.#baseLength);
    let untilTurn = CLEARED_AT_ONCE;
    for (const { pageIndex, pageCount } of dropped.extents(MAX_PAGES)) {
      const end = pageIndex + pageCount;
      for (let page = Math.max(pageIndex, firstPageIndex); page < end; page++) {
        this.#inTurn(() => {
          // Unless it was written again meanwhile.
          if (!this.pages.has(page)) this.#clear(page);
        });
        if (--untilTurn > 0) continue;
        untilTurn = CLEARED_AT_ONCE;
        await new Promise((resolve) => setImmediate(resolve));
        this.checkWritable();
      }
    }
  }

  /** Overwrites what the data file holds of a clean page. */
  #clear(pageIndex: number): void {
    const start = pageIndex * PAGE_BYTES;
    const length = Math.min(PAGE_BYTES, this.#numbers.dataLength - start);
    if (length <= 0) return;
    const zeros = ZERO_PAGE.subarray(0, length);
    this.#onData('clear what was dropped', () => this.#data.write(zeros, start));
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
    this.checkWritable();
    this.#syncFiles();
    this.#checkNames();
    const dataLength = this.#padData();
    this.#writeRecord({ ...this.#lengths(), dataLength }, null);
  }

  /** Makes the data file end with a whole page, if its file system can; answers its length. */
  #padData(): number {
    const padded = pagesIn(this.#numbers.dataLength) * PAGE_BYTES;
    if (padded === this.#numbers.dataLength) return padded;
    this.#writeRecord({ ...this.#lengths(), dataLength: padded });
    try {
      this.#data.truncate(padded);
    } catch {
      return this.#numbers.dataLength;
    }
    this.#onData('flush the overlay', () => this.#data.sync());
    return padded;
  }

  #lengths(): RecordedLengths {
    return {
      diskLength: this.#numbers.length,
      dataLength: this.#numbers.dataLength,
      listLength: this.#numbers.listLength,
    };
  }

  /** Writes the side file. Data and list must have been synced at least up to these lengths. */
  #writeRecord(lengths: RecordedLengths, openedBy?: null): void {
    const { lowestTruncation } = this.#numbers;
    this.#data.withRoom(() => this.#record.write(lengths, lowestTruncation, openedBy));
  }

  /** After a failure: the new side file may have come into its place nevertheless. */
  #writeAgain(lengths: RecordedLengths): void {
    try {
      this.#writeRecord(lengths);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Does something that takes no longer than a write, while no other thread writes. */
  #inTurn<T>(action: () => T): T {
    if (!this.#lock.take()) throw this.#neverEnds();
    try {
      this.checkWritable();
      return action();
    } finally {
      this.#lock.give();
    }
  }

  /** Does something while no other thread writes, which leave their writes to this one. */
  #alone(action: () => void): void {
    const release = this.reserve();
    try {
      this.checkWritable();
      action();
    } finally {
      release();
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = asOverlayError(error, this.#paths.data, 'use the overlay');
    this.#lock.refuse();
  }

  #neverEnds(): HexzError {
    const failure = this.#unusable('a thread that was writing has not come to an end');
    this.#fail(failure);
    return failure;
  }

  #unusable(message: string): HexzError {
    return new HexzError('OVERLAY_UNUSABLE', message, { location: { file: this.#paths.data } });
  }

  #onData<T>(what: string, action: () => T): T {
    return onFile(this.#paths.data, what, action);
  }
}

/** Whether the path of an open file still leads to it, as far as can be seen. */
function hasName(files: OverlayFiles, { path, identity }: OverlayFile | PageList): boolean {
  try {
    const file = files.open(path, 'read');
    file.close();
    return file.identity === identity;
  } catch (error) {
    // A symbolic link stands there, or nothing does.
    return !(error instanceof HexzError) && codeOf(error) !== 'ENOENT';
  }
}
