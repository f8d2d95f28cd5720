import type { PortableError } from '../errors.js';
import type { Extent } from '../overlay/dirtyPages.js';
import type { SharedFrozenInstant } from '../overlay/frozenInstant.js';
import type { EngineState } from './protocol/engineState.js';
import type { Params } from './protocol/methods.js';

/** Who ends an engine (docs/control-protocol.md). */
export type Lease = EngineState['lease'];

/** What the engine says of itself; the control thread adds what only it knows. */
export type ServedState = Omit<EngineState, 'watchers' | 'isQuiesced' | 'reviewRevision'>;

/** What only the serving thread can do, for the control thread to call. */
export interface EngineCommands {
  state(): ServedState;
  sync(): Promise<void>;
  /** Keeps the disk as it is now for a job, until `release`. */
  freeze(): Promise<{ readonly instant: number; readonly shared: SharedFrozenInstant }>;
  /** Holds changes that come through the mount, until `release`. */
  hold(): number;
  /** @param number of `freeze` or `hold` */
  release(number: number): void;
  /** Writes within the disk. */
  write(offset: number, bytes: Uint8Array, force: boolean): Promise<void>;
  /** Takes pages out of the overlay; answers how many were dirty. */
  drop(runs: readonly Extent[], force: boolean): Promise<number>;
  mount(mountpoint: string, allowOther: boolean): Promise<void>;
  unmount(isLazy: boolean): Promise<void>;
  /** Serves NBD clients; answers with the address. */
  serveNbd(options: Params<'serveNbd'>): Promise<string>;
  /** Resolves with the path of a temporary overlay that was kept; the engine ends after it was told. */
  shutdown(isLazy: boolean, keepsOverlay: boolean): Promise<string | null>;
  /** A connection holds the lease, or it lost it. */
  setLease(lease: Lease): void;
}

/** What the serving thread tells the control thread. */
export interface ControlCommands {
  /** Something of the state is not as it was. */
  stateChanged(): void;
  /** An error was met while serving. */
  met(error: PortableError): void;
  /** Ends connections and jobs, and answers when nothing touches snapshot and overlay any more. */
  close(): Promise<void>;
}
