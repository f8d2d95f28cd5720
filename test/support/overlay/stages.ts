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

  kill(): void {
    this.files = this.files.killedAfter(this.files.journal.length);
  }
}

/** A stage on the files of this machine. A kill closes them behind the back of whoever uses them. */
export class SystemStage implements Stage {
  readonly path: string;
  files: OverlayFiles;
  #open: OverlayFile[] = [];

  constructor(directory: string) {
    this.path = join(directory, 'disk.overlay');
    this.files = this.#newFiles();
  }

  changeCount(): number {
    return 0;
  }

  kill(): void {
    this.files = this.#newFiles();
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
          return file;
        }),
      rename: (from, to) => ifAlive(() => systemFiles.rename(from, to)),
      remove: (path) => ifAlive(() => systemFiles.remove(path)),
      syncDirectory: (path) => ifAlive(() => systemFiles.syncDirectory(path)),
    };
  }
}
