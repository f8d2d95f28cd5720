import { HexzError } from '../errors.js';
import { LONG_ENTRY_BYTES } from '../format/indexPage.js';
import type { Block } from '../snapshot/fileIndex.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { isZero } from '../snapshot/zeros.js';
import type { CommitSource } from './commitSource.js';
import { type CommitRules, originOf } from './commitStream.js';
import { ParentReferences } from './parentReferences.js';

const CHUNK_BYTES = 1024 * 1024;

/** What was read of the new snapshot and compared. */
export interface ReadBack {
  readonly blocks: number;
  readonly bytes: number;
}

/**
 * Holds a stream of a new snapshot against base and overlay. Blocks that were encoded are decoded again and compared
 * byte by byte, blocks that were copied are compared as they are stored, parent references must be of a range that
 * did not change. With `everything`, all bytes of both are read and compared. Yields how many bytes are done.
 *
 * @returns how many blocks were read, and their bytes
 * @throws HexzError READ_BACK, and of any of the files
 */
export function* readBack(
  made: Snapshot,
  source: CommitSource,
  rules: CommitRules,
  everything: boolean,
): Generator<number, ReadBack> {
  const { stream, length } = source;
  if (made.streamLength(stream) !== length) {
    throw mismatch(made, `${made.streamLength(stream)} bytes in place of ${length}`, 0);
  }
  const comparison = new Comparison(made, source, rules);
  for (let offset = 0; offset < length; ) {
    offset = comparison.checkReferences(offset) ?? comparison.checkBlockAt(offset);
    yield everything ? offset / 2 : offset;
  }
  if (!everything) return comparison.done;
  for (let offset = 0; offset < length; offset += CHUNK_BYTES) {
    comparison.checkBytes(offset, Math.min(CHUNK_BYTES, length - offset));
    yield (length + offset) / 2;
  }
  return { ...comparison.done, bytes: length };
}

/** State: memory for both sides, as large as what was compared so far, and how much of the new snapshot that was. */
class Comparison {
  readonly done = { blocks: 0, bytes: 0 };
  readonly #made: Snapshot;
  readonly #source: CommitSource;
  readonly #rules: CommitRules;
  readonly #references: ParentReferences | undefined;
  #actual = Buffer.alloc(0);
  #wanted = Buffer.alloc(0);

  constructor(made: Snapshot, source: CommitSource, rules: CommitRules) {
    this.#made = made;
    this.#source = source;
    this.#rules = rules;
    const { base, blockBytes, isThin } = rules;
    this.#references = isThin ? new ParentReferences(base, source, blockBytes) : undefined;
  }

  /** Checks a run of parent references; answers where it ends, or undefined where there is none. */
  checkReferences(offset: number): number | undefined {
    const { blockBytes } = this.#rules;
    const wanted = this.#references?.from(offset);
    if (wanted === undefined || wanted.length === 0) return undefined;
    const count = wanted.length / LONG_ENTRY_BYTES;
    const { stream } = this.#source;
    const entries = this.#made.encodedEntriesAt(stream, offset, blockBytes, count);
    // What is not the same is looked at more closely.
    if (entries.length === 0 || !entries.equals(wanted.subarray(0, entries.length)))
      return undefined;
    return offset + (entries.length / LONG_ENTRY_BYTES) * blockBytes;
  }

  /** Checks the block that begins at an offset; answers where it ends. */
  checkBlockAt(offset: number): number {
    const block = this.#made.blockAt(this.#source.stream, offset);
    if (block?.offset !== offset) throw mismatch(this.#made, 'no block begins there', offset);
    this.#checkBlock(block);
    return offset + block.length;
  }

  #checkBlock(block: Block): void {
    const { offset, length, kind } = block;
    const origin = originOf(this.#rules, this.#source, offset, length);
    if (kind === 'parent') {
      if (origin !== 'parent') throw mismatch(this.#made, 'a changed block is borrowed', offset);
      this.#made.checkParentReference(block);
    } else if (kind === 'zero') {
      if (origin !== 'zero') this.#checkZero(offset, length);
    } else {
      if (origin !== 'base' || !this.#isCopy(block)) this.checkBytes(offset, length);
      this.done.blocks++;
      this.done.bytes += length;
    }
  }

  /** Compares all bytes of a range, decoded. */
  checkBytes(offset: number, length: number): void {
    const [actual, wanted] = this.#memory(length);
    this.#made.readInto(this.#source.stream, offset, actual);
    this.#source.read(offset, wanted);
    if (!actual.equals(wanted))
      throw mismatch(this.#made, 'other bytes than were committed', offset);
  }

  #checkZero(offset: number, length: number): void {
    const run = this.#rules.base.runAt(this.#source.stream, offset, length);
    const isUnchanged = this.#source.firstChange(offset, offset + length) === undefined;
    if (isUnchanged && run.kind === 'zero' && run.length === length) return;
    const [, wanted] = this.#memory(length);
    this.#source.read(offset, wanted);
    if (!isZero(wanted)) throw mismatch(this.#made, 'zeros in place of what was committed', offset);
  }

  /** Whether the stored bytes are those that the base has for this range. */
  #isCopy(block: Block): boolean {
    const { stream } = this.#source;
    const copy = this.#rules.storedSource?.find(stream, block.offset, block.length);
    return copy?.stored.equals(this.#made.storedBytes(block)) === true;
  }

  #memory(length: number): [actual: Buffer, wanted: Buffer] {
    if (this.#actual.length < length) {
      this.#actual = Buffer.allocUnsafeSlow(length);
      this.#wanted = Buffer.allocUnsafeSlow(length);
    }
    return [this.#actual.subarray(0, length), this.#wanted.subarray(0, length)];
  }
}

const mismatch = (made: Snapshot, message: string, offset: number): HexzError =>
  new HexzError('READ_BACK', `the new snapshot reads back wrong: ${message}`, {
    location: { file: made.path, offset },
    hint: 'nothing was changed; is the disk or the memory of this machine damaged?',
  });
