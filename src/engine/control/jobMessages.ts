import type { SharedActivity } from '../activity/shared.js';
import type { PortableError } from '../errors.js';
import type { SharedOverlay } from '../overlay/sharedOverlay.js';
import type { Progress } from './protocol/values.js';

/** What a job thread needs to read what the engine serves. */
export interface JobSetting {
  readonly snapshot: string;
  /** What lies on its disk. */
  readonly overlay: SharedOverlay | undefined;
  readonly passwords: readonly string[];
  readonly parentDirectories: readonly string[];
  /** Memory for decoded blocks that the mount has, in bytes; a job takes less. */
  readonly cacheBytes: number | undefined;
  /** What the mount reads and caches. */
  readonly activity: SharedActivity;
}

/** What the control thread tells a job thread. */
export interface JobOrder {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
  /** Of a `BatchWindow`, which is closed when the job is cancelled. */
  readonly window: Int32Array<SharedArrayBuffer>;
}

/** What a job thread answers; items and results as JSON text. */
export type JobMessage =
  | { readonly job: number; readonly items: string }
  | { readonly job: number; readonly progress: Progress }
  | { readonly job: number; readonly result: string }
  | { readonly job: number; readonly error: PortableError };
