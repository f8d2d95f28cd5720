import type { DirtyPages } from './dirtyPages.js';
import { isOutOfRoom } from './failures.js';
import type { OverlayFile } from './files.js';
import { brokenBy, FrozenInstant, type FrozenNumbers } from './frozenInstant.js';
import { PageVersions } from './pageVersions.js';
import type { PreservedFile } from './preservedFile.js';

/**
 * The data file of an overlay, as a thread that writes has it: those that read are told what is being written, and
 * what is about to change is kept for the instants that are frozen. Those may be several; each has a file of its own.
 * Only the thread that owns the overlay freezes, and alone writes then.
 *
 * State: `#frozen` are the instants that were not released; undefined where there is none, so that a write asks
 * nothing else.
 */
export class SharedDataFile implements OverlayFile {
  readonly path: string;
  readonly identity: string;
  readonly versions: PageVersions;
  readonly #file: OverlayFile;
  #frozen: Set<FrozenInstant> | undefined;

  constructor(file: OverlayFile, versions = new PageVersions()) {
    this.path = file.path;
    this.identity = file.identity;
    this.versions = versions;
    this.#file = file;
  }

  get descriptor(): number {
    return this.#file.descriptor;
  }

  /**
   * Begins to keep what these pages hold now; they become the instant's own.
   *
   * @param onRelease told when it is released
   */
  freeze(
    numbers: Omit<FrozenNumbers, 'path' | 'identity'>,
    pages: DirtyPages,
    preserved: PreservedFile,
    onRelease: () => void,
  ): FrozenInstant {
    const { path, identity } = this;
    const instant = new FrozenInstant({ path, identity, ...numbers }, pages, preserved, (ended) => {
      this.#frozen?.delete(ended);
      if (this.#frozen?.size === 0) this.#frozen = undefined;
      onRelease();
    });
    this.#frozen ??= new Set();
    this.#frozen.add(instant);
    return instant;
  }

  length(): number {
    return this.#file.length();
  }

  read(target: Buffer, offset: number): number {
    return this.#file.read(target, offset);
  }

  write(bytes: Buffer, offset: number): void {
    if (this.#frozen !== undefined) this.#preserve(offset, offset + bytes.length);
    this.withRoom(() => this.#write(bytes, offset));
  }

  /**
   * Does something that takes room, once more if there is none: what is preserved may have taken it, and makes way.
   *
   * @param action can be repeated after it failed
   */
  withRoom<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (this.#frozen === undefined || !isOutOfRoom(error)) throw error;
      this.#breakOff(brokenBy.noSpace);
      return action();
    }
  }

  truncate(length: number): void {
    if (this.#frozen !== undefined) this.#preserve(length, Number.POSITIVE_INFINITY);
    this.#file.truncate(length);
  }

  sync(): void {
    this.#file.sync();
  }

  syncLater(): Promise<void> {
    return this.#file.syncLater();
  }

  lock(kind: 'shared' | 'exclusive'): boolean {
    return this.#file.lock(kind);
  }

  /** What is frozen cannot be read from then on: others may change the file. */
  close(): void {
    this.#breakOff(brokenBy.closing);
    this.#file.close();
  }

  #write(bytes: Buffer, offset: number): void {
    this.versions.begin(offset, bytes.length);
    try {
      this.#file.write(bytes, offset);
    } finally {
      this.versions.end(offset, bytes.length);
    }
  }

  #preserve(startOffset: number, endOffset: number): void {
    const read = (target: Buffer, offset: number) => this.#file.read(target, offset);
    for (const instant of this.#frozen ?? []) instant.preserve(startOffset, endOffset, read);
  }

  #breakOff(reason: Parameters<FrozenInstant['breakOff']>[0]): void {
    for (const instant of this.#frozen ?? []) instant.breakOff(reason);
  }
}
