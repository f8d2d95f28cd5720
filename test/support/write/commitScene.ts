import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pack } from '../../../src/engine/write/pack.js';
import { HexzError, openSnapshot, verifyChain } from '../../../src/index.js';
import { expectSameBytes, readStream } from '../streams.js';
import { type Change, changeDisk, diskUnder } from './changedOverlay.js';

const OVERLAY_FILES = ['changes.overlay', 'changes.meta', 'changes.overlay.hexz.json'] as const;

/**
 * What a killed command left: no output, and all as it was; an output, and the overlay on its base still; an output
 * that holds everything, and at most rests of the overlay; an output that the overlay lies on.
 */
export type CommitOutcome = 'nothing' | 'made' | 'deleted' | 'rebound';

interface Streams {
  readonly disk: Buffer;
  readonly memory: Buffer;
}

/**
 * A base and an overlay of it, which are copied for every commit that is going to be killed, and what may be left
 * of them then.
 */
export class CommitScene {
  readonly base: string;
  readonly #template: string;
  readonly #baseState: unknown;
  readonly #disk: Buffer;
  readonly #memory: Buffer;

  private constructor(template: string, disk: Buffer, memory: Buffer) {
    this.#template = template;
    this.base = join(template, 'base.hxz');
    this.#baseState = stateOfFile(this.base);
    this.#disk = disk;
    this.#memory = memory;
  }

  static async make(
    directory: string,
    streams: Streams,
    changes: readonly Change[],
  ): Promise<CommitScene> {
    const paths = { disk: join(directory, 'disk'), memory: join(directory, 'memory') };
    writeFileSync(paths.disk, streams.disk);
    writeFileSync(paths.memory, streams.memory);
    const base = join(directory, 'base.hxz');
    await pack({ ...paths, output: base, workerCount: 0 });
    const disk = await changeDisk(base, join(directory, 'changes.overlay'), changes);
    return new CommitScene(directory, disk, streams.memory);
  }

  /** Puts a copy of the overlay into a directory; answers the operands of `hexz commit`. */
  copyTo(directory: string): string[] {
    mkdirSync(directory, { recursive: true });
    for (const name of OVERLAY_FILES)
      copyFileSync(join(this.#template, name), join(directory, name));
    return [this.base, join(directory, 'changes.overlay'), join(directory, 'out.hxz')];
  }

  /**
   * Looks at what an interrupted commit left: the output is complete or absent, the base untouched, and nothing
   * of the disk lost.
   *
   * @param selected what the output holds where it holds less than the whole overlay
   */
  async check(directory: string, selected?: Buffer): Promise<CommitOutcome> {
    const output = join(directory, 'out.hxz');
    const overlay = join(directory, 'changes.overlay');
    if (stateOfFile(this.base) !== this.#baseState) throw new Error('the base was touched');
    if (!existsSync(output)) {
      for (const name of OVERLAY_FILES) {
        expectSameBytes(
          readFileSync(join(directory, name)),
          readFileSync(join(this.#template, name)),
        );
      }
      expectSameBytes(await diskUnder(this.base, overlay), this.#disk);
      return 'nothing';
    }
    expectSound(output, { disk: selected ?? this.#disk, memory: this.#memory });
    const onBase = await shownOrRefused(this.base, overlay);
    if (Buffer.isBuffer(onBase)) {
      expectSameBytes(onBase, this.#disk);
      return 'made';
    }
    if (selected === undefined) {
      // What is left of it is never taken for an overlay.
      if (onBase !== 'OVERLAY_DAMAGED' && onBase !== 'none') {
        throw new Error(`the overlay is refused with ${onBase}`);
      }
      return 'deleted';
    }
    if (onBase !== 'WRONG_BASE') throw new Error(`the overlay is refused with ${onBase}`);
    expectSameBytes(await diskUnder(output, overlay), this.#disk);
    return 'rebound';
  }
}

/** The same of `pack`. */
export function expectPacked(output: string, streams: Streams): 'nothing' | 'made' {
  if (!existsSync(output)) return 'nothing';
  expectSound(output, streams);
  return 'made';
}

function expectSound(path: string, { disk, memory }: Streams): void {
  const snapshot = openSnapshot(path);
  try {
    for (const { finding } of verifyChain(snapshot)) {
      if (finding !== undefined) throw finding.error;
    }
    expectSameBytes(readStream(snapshot, 'disk'), disk);
    expectSameBytes(readStream(snapshot, 'memory'), memory);
  } finally {
    snapshot.close();
  }
}

/** The disk of an overlay on a snapshot, or why it is refused; none where there is no data file. */
async function shownOrRefused(base: string, overlay: string): Promise<Buffer | string> {
  if (!existsSync(overlay)) return 'none';
  try {
    return await diskUnder(base, overlay);
  } catch (error) {
    if (error instanceof HexzError) return error.code;
    throw error;
  }
}

function stateOfFile(path: string): string {
  const { mtimeNs, ctimeNs, size, ino } = statSync(path, { bigint: true });
  return [
    createHash('sha256').update(readFileSync(path)).digest('hex'),
    mtimeNs,
    ctimeNs,
    size,
    ino,
  ].join(' ');
}
