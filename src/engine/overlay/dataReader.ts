import { HexzError } from '../errors.js';
import type { DiskNumbers } from './diskNumbers.js';
import { damaged, onFile } from './failures.js';
import type { OverlayFile } from './files.js';
import type { PageVersions } from './pageVersions.js';

/** Reads dirty pages in any thread, while others write them: whole ones, of one moment each. */
export class DataReader {
  readonly #file: Pick<OverlayFile, 'path' | 'read'>;
  readonly #numbers: DiskNumbers;
  readonly #versions: PageVersions;
  readonly #read = (offset: number, target: Buffer): void => this.#readOnce(offset, target);

  constructor(
    file: Pick<OverlayFile, 'path' | 'read'>,
    numbers: DiskNumbers,
    versions: PageVersions,
  ) {
    this.#file = file;
    this.#numbers = numbers;
    this.#versions = versions;
  }

  /**
   * Fills the target with bytes of dirty pages; behind the end of the data file they are zero.
   *
   * @throws HexzError OVERLAY_DAMAGED when the data file became shorter; OVERLAY_UNUSABLE; UNREADABLE when a page does
   *   not come to rest
   */
  read(offset: number, target: Buffer): void {
    if (!this.#versions.read(offset, target, this.#read)) throw restless(this.#file.path);
  }

  /** The length of the file tells where zeros begin: a page turns dirty before `dataLength` is known to reach it. */
  #readOnce(offset: number, target: Buffer): void {
    const { path } = this.#file;
    const count = onFile(path, 'read the overlay', () => this.#file.read(target, offset));
    if (count === target.length) return;
    const wanted = Math.min(target.length, this.#numbers.dataLength - offset);
    if (count < wanted) throw damaged(path, 'the data file was cut off meanwhile');
    target.fill(0, count);
  }
}

/** Whatever was read is too old. */
export const restless = (path: string): HexzError =>
  new HexzError('UNREADABLE', 'the overlay was changed whenever it was read', {
    location: { file: path },
  });
