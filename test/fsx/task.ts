/** What a process does with a mounted disk for a while. Offsets in bytes. */
export type Task = ReadTask | WriteTask;

interface CommonTask {
  readonly diskPath: string;
  readonly seed: number;
  readonly milliseconds: number;
  /** From here on the disk may be cut. */
  readonly zerosFromOffset: number;
}

/** Reads anywhere; what nobody writes must be as it was, and everything else something that was written there. */
export interface ReadTask extends CommonTask {
  readonly kind: 'read';
  readonly diskLength: number;
  /** Up to here nobody writes. */
  readonly untouchedLength: number;
}

/** Does anything to one range of the disk, of which it knows every byte. */
export interface WriteTask extends CommonTask {
  readonly kind: 'write';
  readonly startOffset: number;
  readonly endOffset: number;
  /** What the range holds; when the task is done, what it must hold now. */
  readonly modelPath: string;
  /** How long the disk is, for who has its end and may cut it. */
  readonly diskLength: number | undefined;
}

export interface WriteOperation {
  readonly kind: 'write';
  readonly offset: number;
  readonly length: number;
  readonly version: number;
}

export type ChangeOperation =
  | WriteOperation
  | { readonly kind: 'truncate'; readonly length: number };

/** How it went. */
export interface Report {
  readonly operations: number;
  /** How long the disk is now, from who may cut it. */
  readonly diskLength: number | undefined;
  /** Where the engine died: which change was not answered. */
  readonly inFlight: ChangeOperation | undefined;
  /** Writes that no fsync has confirmed: a write-back cache may have lost them, in part too. */
  readonly unsynced: readonly WriteOperation[];
  /** Whether the engine was found dead. */
  readonly isDead: boolean;
  /** What was wrong. */
  readonly failure: string | undefined;
}
