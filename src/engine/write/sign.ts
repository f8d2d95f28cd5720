import { sign } from 'node:crypto';
import { statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HexzError } from '../errors.js';
import { encodeHeader, type SnapshotHeader } from '../format/header.js';
import { streamNames } from '../format/types.js';
import { FileIndex } from '../snapshot/fileIndex.js';
import { checkSignature, digestOf, findUnsigned, SIGNATURE_BYTES } from '../snapshot/signature.js';
import { openFileSource, type Source } from '../snapshot/source.js';
import { PageCache } from '../snapshot/streamIndex.js';
import { publicKeyOf, signingKeyOf } from './keys.js';
import { writeFully } from './outputFile.js';
import { attempt, TemporaryFile } from './temporaryFile.js';

/** Where a signature lies in its file, and what fits it. */
export interface Signature {
  readonly offset: number;
  readonly length: number;
  /** What is signed: from here to the signature. */
  readonly signedFromOffset: number;
  /** Whether an earlier signature is covered by this one. */
  readonly replacesSignature: boolean;
  readonly publicKey: Buffer;
}

/** Index pages that are checked before signals get their turn. */
const PAGES_PER_TURN = 64;

/**
 * A snapshot on its way to being signed. Its file is never changed: a copy beside it is signed, checked, and
 * takes its name.
 *
 * Invariant: until `finish` is through, the file is as it was. `finish` or `discard` ends it.
 */
export class Signing {
  readonly #path: string;
  readonly #privateKey: Buffer;
  readonly #source: Source;
  readonly #index: FileIndex;
  readonly #state: string;
  readonly #header: SnapshotHeader;
  readonly #headerBytes: Buffer;
  readonly #file: TemporaryFile;

  /**
   * Opens the snapshot and a file beside it. Needs neither its password nor its parents.
   *
   * @throws HexzError LIMIT where the header has no room for a signature, OUTPUT_FAILED, and whatever is
   *   wrong with the snapshot
   */
  constructor(path: string, privateKey: Buffer) {
    this.#path = path;
    this.#privateKey = privateKey;
    this.#source = openFileSource(path);
    try {
      this.#state = stateOf(path);
      this.#index = new FileIndex(this.#source, new PageCache());
      const { header } = this.#index;
      const signature = { offset: this.#source.length, length: SIGNATURE_BYTES };
      const problem = findUnsigned(this.#index, signature.offset);
      if (problem !== undefined) throw new HexzError('BAD_INDEX', problem);
      this.#header = { ...header, signature };
      this.#headerBytes = encodeHeader(this.#header);
      this.#file = new TemporaryFile(path, { force: true, mode: 0o600 });
    } catch (error) {
      this.#source.close();
      throw error instanceof HexzError ? error.at({ file: path }) : error;
    }
  }

  /** @throws HexzError OUTPUT_FAILED, and whatever is wrong with the snapshot; it is then as it was */
  async finish(): Promise<Signature> {
    try {
      await this.#checkPages();
      await this.#file.copyFrom(this.#path);
      const signature = this.#sign();
      this.#checkCopy(signature.publicKey);
      this.#checkUnchanged();
      this.#file.publish();
      return signature;
    } catch (error) {
      this.discard();
      throw error;
    } finally {
      this.#source.close();
    }
  }

  discard(): void {
    this.#file.discard();
    this.#source.close();
  }

  /** Nobody should put his name under an index that cannot be used. */
  async #checkPages(): Promise<void> {
    let untilTurn = PAGES_PER_TURN;
    for (const stream of streamNames) {
      for (let page = 0; page < this.#index.masterIndex[stream].pageCount; page++) {
        this.#index.blocksOfPage(stream, page).next();
        if (--untilTurn > 0) continue;
        untilTurn = PAGES_PER_TURN;
        await nextTurn();
      }
    }
  }

  #sign(): Signature {
    const { indexOffset } = this.#header;
    const { length } = this.#source;
    const message = digestOf(this.#source, indexOffset, length);
    const signature = sign(null, message, signingKeyOf(this.#privateKey));
    const { descriptor } = this.#file;
    attempt(this.#path, () => {
      writeFully(descriptor, signature, length);
      writeFully(descriptor, this.#headerBytes, 0);
    });
    return {
      offset: length,
      length: SIGNATURE_BYTES,
      signedFromOffset: indexOffset,
      replacesSignature: this.#index.header.signature !== undefined,
      publicKey: publicKeyOf(this.#privateKey),
    };
  }

  /** Reads the copy as everybody else will. */
  #checkCopy(publicKey: Buffer): void {
    const source = openFileSource(this.#file.temporaryPath);
    try {
      const index = new FileIndex(source, new PageCache());
      const isComplete = source.length === this.#source.length + SIGNATURE_BYTES;
      if (!isComplete || !encodeHeader(index.header).equals(this.#headerBytes)) {
        throw new HexzError('OUTPUT_FAILED', 'header or length are not what was written');
      }
      checkSignature(index, publicKey);
    } catch (error) {
      throw error instanceof HexzError
        ? new HexzError('OUTPUT_FAILED', `the signed copy reads wrong: ${error.message}`, {
            location: { file: this.#path },
            cause: error,
          })
        : error;
    } finally {
      source.close();
    }
  }

  /** Somebody else may have replaced or changed the file while it was copied. */
  #checkUnchanged(): void {
    if (stateOf(this.#path) === this.#state) return;
    throw new HexzError('OUTPUT_FAILED', 'the snapshot was changed while it was signed', {
      location: { file: this.#path },
      hint: 'sign it again',
    });
  }
}

/** Says whether a path still leads to the same bytes, as far as the file system knows. */
function stateOf(path: string): string {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs].join(':');
}
