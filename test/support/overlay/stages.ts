import { join } from 'node:path';
import {
  type OverlayFile,
  type OverlayFiles,
  systemFiles,
} from '../../../src/engine/overlay/files.js';
import { SimulatedFiles } from './simulatedFiles.js';
import type { Stage } from './steps.js';

/** A stage in memory. */
export class SimulatedStage implements Stage {
  files: SimulatedFiles;

  constructor(files = new SimulatedFiles()) {
    this.files = files;
  }

  changeCount(): number {
    return this.files.journal.length;
  }

  async kill(): Promise<void> {
    this.files = this.files.killedAfter(this.files.journal.length);
  }
}

/** A stage on the files of this machine. A kill closes them behind the back of whoever uses them. */
export class SystemStage implements Stage {
  readonly path: string;
  files: OverlayFiles;
  #open: OverlayFile[] = [];
  #flushing: Promise<void>[] = [];

  constructor(directory: string) {
    this.path = join(directory, 'disk.overlay');
    this.files = this.#newFiles();
  }

  changeCount(): number {
    return 0;
  }

  /** This process goes on, and with it the kernel's work for it, which keeps locks until it is done. */
  async kill(): Promise<void> {
    this.files = this.#newFiles();
    await Promise.allSettled(this.#flushing);
    this.#flushing = [];
  }

  /** Closes everything. */
  end(): void {
    this.#newFiles();
  }

  #newFiles(): OverlayFiles {
    for (const file of this.#open) file.close();
    const open: OverlayFile[] = [];
    this.#open = open;
    const ifAlive = <T>(action: () => T): T => {
      if (this.#open !== open) throw new Error('used by a process that was killed');
      return action();
    };
    return {
      open: (path, access) =>
        ifAlive(() => {
          const file = systemFiles.open(path, access);
          open.push(file);
          return this.#watched(file);
        }),
      rename: (from, to) => ifAlive(() => systemFiles.rename(from, to)),
      remove: (path) => ifAlive(() => systemFiles.remove(path)),
      syncDirectory: (path) => ifAlive(() => systemFiles.syncDirectory(path)),
    };
  }

  #watched(file: OverlayFile): OverlayFile {
    const syncLater = file.syncLater.bind(file);
    file.syncLater = () => {
      const flush = syncLater();
      this.#flushing.push(flush);
      return flush;
    };
    return file;
  }
}
