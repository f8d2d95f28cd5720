/*
 * What a disk held at every moment, so that a test can say what it may hold after a crash.
 *
 * Moments are counts of file changes (`SimulatedFiles.journal`): an operation begins at one and is answered
 * at a later one, or at the same if it changed no file. A confirmation says that all states up to one of
 * them are on the disk for good.
 */

interface State {
  readonly contents: Buffer;
  readonly begun: number;
  readonly answered: number;
  /** What led to it; `failed` would have led to it. */
  readonly by: 'write' | 'truncation' | 'drop' | 'failed' | 'found';
}

export class DiskHistory {
  readonly #states: State[];
  readonly #confirmations: { readonly state: number; readonly moment: number }[] = [];

  /** A disk that begins with contents that are on the disk for good. */
  constructor(contents: Buffer) {
    this.#states = [{ contents, begun: 0, answered: 0, by: 'found' }];
  }

  get contents(): Buffer {
    return this.#state(this.#states.length - 1).contents;
  }

  get stateCount(): number {
    return this.#states.length;
  }

  wrote(bytes: Buffer, offset: number, begun: number, answered: number): void {
    const contents = withWrite(this.contents, bytes, offset);
    this.#states.push({ contents, begun, answered, by: 'write' });
  }

  /** A truncation confirms what was before it, and itself. */
  truncated(length: number, begun: number, answered: number): void {
    const contents = withLength(this.contents, length);
    this.#states.push({ contents, begun, answered, by: 'truncation' });
    this.confirmed(this.#states.length, answered);
  }

  /** Pages became clean, all at once; that confirms what was before it, and itself. */
  dropped(contents: Buffer, begun: number, answered: number): void {
    this.#states.push({ contents, begun, answered, by: 'drop' });
    this.confirmed(this.#states.length, answered);
  }

  /** What was found after a crash or an error; from here on it is what the disk holds. */
  found(contents: Buffer, moment: number): void {
    this.#states.push({ contents, begun: moment, answered: moment, by: 'found' });
  }

  /** An operation failed that would have led to these contents; what it left was found. */
  failed(contents: Buffer, found: Buffer, begun: number, moment: number): void {
    this.#states.push({ contents, begun, answered: moment, by: 'failed' });
    this.found(found, moment);
  }

  /** The first `stateCount` states are on the disk for good. */
  confirmed(stateCount: number, moment: number): void {
    this.#confirmations.push({ state: stateCount - 1, moment });
  }

  /** Fails unless a disk has all that was answered at a moment, and of the operation in flight any part. */
  expectAfterKill(actual: Buffer, moment: number): void {
    const answered = this.#states.findLastIndex((state) => state.answered <= moment);
    const before = this.#state(answered).contents;
    const next = this.#states[answered + 1];
    if (next === undefined || next.begun >= moment) {
      expectContents(actual, [before]);
    } else if (next.by === 'truncation') {
      expectContents(actual, actual.length === before.length ? [before] : [next.contents]);
    } else if (next.by === 'drop') {
      expectContents(actual, [actual.equals(next.contents) ? next.contents : before]);
    } else {
      expectPartOfWrite(actual, before, next.contents);
    }
  }

  /** Fails unless a disk has all that was answered, and of operations that failed since then any part. */
  expectAfterFailures(actual: Buffer): void {
    const answered = this.#states.findLastIndex(({ by }) => by !== 'failed' && by !== 'found');
    const failed = this.#states.slice(answered + 1).filter(({ by }) => by === 'failed');
    const possible = [this.contents, ...failed.map(({ contents }) => contents)];
    const longest = Math.max(...possible.map(({ length }) => length));
    const isPartOfWrite = actual.length > this.contents.length && actual.length < longest;
    expectContents(actual, isPartOfWrite ? [...possible, Buffer.alloc(actual.length)] : possible);
  }

  /** Fails unless a disk has all that was confirmed at a moment, and nothing it never had since. */
  expectAfterPowerCut(actual: Buffer, moment: number): void {
    const confirmed = Math.max(
      0,
      ...this.#confirmations.filter((each) => each.moment <= moment).map((each) => each.state),
    );
    const possible = this.#states
      .slice(confirmed)
      .filter((state, index) => index === 0 || state.begun < moment)
      .map(({ contents }) => contents);
    expectContents(actual, possible);
  }

  #state(index: number): State {
    const state = this.#states[index];
    if (state === undefined) throw new Error(`no state ${index}`);
    return state;
  }
}

/** What a write leaves; one of no bytes leaves everything as it is. */
export function withWrite(contents: Buffer, bytes: Buffer, offset: number): Buffer {
  if (bytes.length === 0) return contents;
  const changed = withLength(contents, Math.max(contents.length, offset + bytes.length));
  bytes.copy(changed, offset);
  return changed;
}

export function withLength(contents: Buffer, length: number): Buffer {
  const changed = Buffer.alloc(length);
  contents.copy(changed);
  return changed;
}

/** Fails unless the length is that of a possible disk, and each byte that of one, or of a hole in one. */
function expectContents(actual: Buffer, possible: readonly Buffer[]): void {
  const lengths = possible.map(({ length }) => length);
  if (!lengths.includes(actual.length)) {
    throw new Error(`the length is ${actual.length} instead of ${lengths.join(' or ')}`);
  }
  if (possible.some((contents) => contents.equals(actual))) return;
  const shortest = Math.min(...lengths);
  for (const [offset, byte] of actual.entries()) {
    if (byte === 0 && offset >= shortest) continue;
    if (possible.some((contents) => contents[offset] === byte)) continue;
    throw wrongByte(offset, byte, possible);
  }
}

/** Fails unless each byte is old or new, and the length is between them. */
export function expectPartOfWrite(actual: Buffer, before: Buffer, after: Buffer): void {
  if (actual.length < before.length || actual.length > after.length) {
    throw new Error(`the length is ${actual.length}, not ${before.length} to ${after.length}`);
  }
  for (const [offset, byte] of actual.entries()) {
    if (byte === after[offset] || byte === (before[offset] ?? 0)) continue;
    throw wrongByte(offset, byte, [before, after]);
  }
}

const wrongByte = (offset: number, byte: number, possible: readonly Buffer[]): Error => {
  const bytes = [...new Set(possible.map((contents) => contents[offset] ?? 'none'))];
  return new Error(`byte ${offset} is ${byte} instead of ${bytes.join(' or ')}`);
};
