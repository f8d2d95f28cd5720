import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import type { Random } from '../support/overlay/simulatedFiles.js';

type Kind = 'read' | 'write' | 'direct';

const FLAGS: Readonly<Record<Kind, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  direct: constants.O_RDONLY | constants.O_DIRECT,
};
const OF_EACH_KIND = 2;

/** Several descriptors of one file, of each kind some. */
export class Descriptors {
  readonly #path: string;
  readonly #random: Random;
  readonly #open: Readonly<Record<Kind, number[]>>;

  constructor(path: string, random: Random, kinds: readonly Kind[]) {
    this.#path = path;
    this.#random = random;
    this.#open = { read: [], write: [], direct: [] };
    try {
      for (const kind of kinds) {
        for (let count = 0; count < OF_EACH_KIND; count++) {
          this.#open[kind].push(this.#openOne(kind));
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Any of a kind. */
  any(kind: Kind): number {
    return this.#open[kind][Math.floor(this.#random() * OF_EACH_KIND)] as number;
  }

  /** Closes one and opens another one in its place. */
  reopen(kind: Kind): void {
    closeSync(this.#open[kind].shift() as number);
    this.#open[kind].push(this.#openOne(kind));
  }

  close(): void {
    for (const descriptor of Object.values(this.#open).flat()) {
      try {
        closeSync(descriptor);
      } catch {
        // The mount is dead; the descriptor is closed all the same.
      }
    }
  }

  #openOne(kind: Kind): number {
    return openSync(this.#path, FLAGS[kind]);
  }
}

/** Reads until it has all or the file ends; answers how much. One read may end earlier where the engine dies meanwhile. */
export function readFully(
  descriptor: number,
  target: Buffer,
  length: number,
  offset: number,
): number {
  let done = 0;
  while (done < length) {
    const count = readSync(descriptor, target, done, length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Writes all. */
export function writeFully(descriptor: number, bytes: Buffer, offset: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
  }
}
