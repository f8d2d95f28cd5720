import type { OverlayFile } from './files.js';
import { PageVersions } from './pageVersions.js';

/** The data file of an overlay, of which other threads are told what is being written. */
export class SharedDataFile implements OverlayFile {
  readonly path: string;
  readonly identity: string;
  readonly versions = new PageVersions();
  readonly #file: OverlayFile;

  constructor(file: OverlayFile) {
    this.path = file.path;
    this.identity = file.identity;
    this.#file = file;
  }

  length(): number {
    return this.#file.length();
  }

  read(target: Buffer, offset: number): number {
    return this.#file.read(target, offset);
  }

  write(bytes: Buffer, offset: number): void {
    this.versions.whileWriting(offset, bytes.length, () => this.#file.write(bytes, offset));
  }

  truncate(length: number): void {
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

  close(): void {
    this.#file.close();
  }
}
