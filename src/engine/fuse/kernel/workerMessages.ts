import type { PortableError } from '../../errors.js';
import type { SharedVolume } from '../../volume/attachedVolume.js';

/** What a thread is told when it is started. */
export interface WorkerSetting {
  /** What it answers by. Without it the thread only fetches requests. */
  readonly volume: SharedVolume | undefined;
  /** When the disk was last changed, as `FileSystemOptions.diskTouch`. */
  readonly diskTouch: Float64Array<SharedArrayBuffer>;
  /** One word: not 0 when the threads are to end. */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

/** What it is told when it has opened its volume. */
export interface ServeOrder {
  /** Of /dev/fuse, with a mount behind it. */
  readonly descriptor: number;
  /** Becomes readable when the threads are to end. */
  readonly wakeDescriptor: number;
}

/**
 * What it says: `opened` or `failed` first; then `request` for what it leaves to the main thread, which answers the kernel,
 * and `trouble` for an error that it has answered itself.
 */
export type WorkerMessage =
  | { readonly kind: 'opened' }
  | { readonly kind: 'failed'; readonly error: PortableError }
  | { readonly kind: 'request'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'trouble'; readonly operation: string; readonly error: PortableError };
