import { DirtyPages } from './dirtyPages.js';
import { DiskNumbers } from './diskNumbers.js';
import { borrowFile } from './files.js';
import type { BaseDisk } from './mergedDisk.js';
import { OverlayView } from './overlayView.js';
import { PageList } from './pageList.js';
import { PageVersions } from './pageVersions.js';
import { PageWriter, type ReadBase } from './pageWriter.js';
import { overlayPaths } from './paths.js';
import { SharedDataFile } from './sharedDataFile.js';
import type { SharedOverlay } from './sharedOverlay.js';
import { WriteLock } from './writeLock.js';

/**
 * The overlay of another thread, read and written while that thread and others do the same.
 *
 * Writing takes turns (`WriteLock`), with the files that the owner has open: nobody can lock them a second time. What
 * goes beyond it is the owner's: he alone flushes, cuts, drops, freezes and closes, and while he has it reserved for
 * that, writes are his, too.
 */
export class AttachedOverlay extends OverlayView {
  readonly #isWritable: boolean;
  readonly #lock: WriteLock;
  readonly #writer: PageWriter;
  readonly #readBase: ReadBase = (offset, target) => this.readBase(offset, target);

  /**
   * @param base opened by this thread
   * @throws HexzError OVERLAY_UNUSABLE when the data file no longer has its name
   */
  constructor(shared: SharedOverlay, base: BaseDisk) {
    super(shared, base);
    this.#isWritable = shared.isWritable;
    this.#lock = new WriteLock(shared.writeLock);
    const numbers = new DiskNumbers(shared.numbers);
    const { data: dataPath, list: listPath } = overlayPaths(shared.path);
    const data = borrowFile(dataPath, shared.identity, () => shared.dataDescriptor);
    const list = borrowFile(listPath, '', () => numbers.listDescriptor);
    this.#writer = new PageWriter(
      new SharedDataFile(data, new PageVersions(shared.pageVersions)),
      new PageList(list, DirtyPages.attach(shared.pages), numbers),
      numbers,
      () => this.#lock.break(),
    );
  }

  /**
   * Writes all bytes, if this thread may.
   *
   * @returns how many pages turned dirty; undefined where only the owner may write, and nothing has happened
   * @throws HexzError as `Overlay.write`
   */
  tryWrite(offset: number, bytes: Buffer): number | undefined {
    if (!this.#isWritable || !this.#lock.takeUnlessReserved()) return undefined;
    try {
      return bytes.length === 0 ? 0 : this.#writer.write(offset, bytes, this.#readBase);
    } finally {
      this.#lock.give();
    }
  }
}
