import { onFile } from './failures.js';
import type { OverlayFiles } from './files.js';
import { type SideFile, writeSideFile } from './sideFile.js';

/** The lengths that a side file says, in bytes. */
export type RecordedLengths = Pick<SideFile, 'diskLength' | 'dataLength' | 'listLength'>;

/** What it says beside them, as long as an overlay is open. */
export type RecordedOrigin = Pick<SideFile, 'base' | 'bootId' | 'openedBy'>;

/**
 * The side file of an overlay that is open for writing.
 *
 * State: what it says. After a write that failed, the file may say the new or the old.
 */
export class SideFileRecord {
  readonly #files: OverlayFiles;
  readonly #path: string;
  #origin: RecordedOrigin;
  #lengths: RecordedLengths = { diskLength: -1, dataLength: -1, listLength: -1 };

  constructor(files: OverlayFiles, path: string, origin: RecordedOrigin) {
    this.#files = files;
    this.#path = path;
    this.#origin = origin;
  }

  /** Of the last write that succeeded. */
  get lengths(): RecordedLengths {
    return this.#lengths;
  }

  has({ diskLength, dataLength, listLength }: RecordedLengths): boolean {
    const recorded = this.#lengths;
    return (
      diskLength === recorded.diskLength &&
      dataLength === recorded.dataLength &&
      listLength === recorded.listLength
    );
  }

  /** Another base, from the next write on. */
  rebind(base: SideFile['base']): void {
    this.#origin = { ...this.#origin, base };
  }

  /**
   * Writes it. Data and list must have been synced at least up to these lengths.
   *
   * @param lowestTruncation infinite where the disk was never cut below the base
   * @param openedBy null where it is being closed
   * @throws HexzError NO_SPACE, OVERLAY_UNUSABLE
   */
  write(
    lengths: RecordedLengths,
    lowestTruncation: number,
    openedBy: SideFile['openedBy'] = this.#origin.openedBy,
  ): void {
    onFile(this.#path, 'write the side file of the overlay', () =>
      writeSideFile(this.#files, this.#path, {
        ...this.#origin,
        ...lengths,
        lowestTruncation: lowestTruncation === Number.POSITIVE_INFINITY ? null : lowestTruncation,
        openedBy,
      }),
    );
    this.#lengths = lengths;
  }
}
