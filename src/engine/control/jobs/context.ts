import { openSnapshot } from '../../snapshot/open.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import type { JobSetting } from '../jobMessages.js';

/** For blocks that a job comes back to: one that reads on and on has no use for more. */
const MAX_CACHE_BYTES = 32 * 1024 * 1024;

/** What jobs of one thread share: the snapshot, opened when the first of them needs it. */
export class JobContext {
  readonly #setting: JobSetting;
  #snapshot: Snapshot | undefined;

  constructor(setting: JobSetting) {
    this.#setting = setting;
  }

  get snapshot(): Snapshot {
    const { snapshot, passwords, parentDirectories, cacheBytes = MAX_CACHE_BYTES } = this.#setting;
    this.#snapshot ??= openSnapshot(snapshot, {
      passwords,
      parentDirectories,
      cacheBytes: Math.min(cacheBytes, MAX_CACHE_BYTES),
    });
    return this.#snapshot;
  }
}
