import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { writeFully } from './outputFile.js';
import { attempt, publishTogether, TemporaryFile } from './temporaryFile.js';

/** Both key files hold this many raw bytes: the seed of the private key, the public key. */
const KEY_BYTES = 32;

/** DER of an Ed25519 private key, up to the seed (RFC 8410). */
const PRIVATE_KEY_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** How DER files with a private or a public Ed25519 key begin: not with the key. */
const DER_STARTS = ['302e020100300506032b6570', '302a300506032b6570'];

/**
 * Reads a private or public key. As with the Rust hexz, only the first 32 bytes of a longer file count; but
 * what they begin must not be a key in another form, because the beginning of that is no secret.
 *
 * @throws HexzError UNREADABLE, BAD_KEY
 */
export function readKeyFile(path: string): Buffer {
  const location = { file: path };
  let key: Buffer;
  try {
    key = readStart(path);
  } catch (cause) {
    throw new HexzError('UNREADABLE', `cannot read the key: ${describeSystemError(cause)}`, {
      location,
      cause,
    });
  }
  if (key.length < KEY_BYTES) {
    throw new HexzError('BAD_KEY', `a key has ${KEY_BYTES} bytes, this file ${key.length}`, {
      location,
    });
  }
  if (isText(key) || DER_STARTS.some((start) => key.toString('hex').startsWith(start))) {
    throw new HexzError('BAD_KEY', `the file does not begin with the ${KEY_BYTES} bytes of a key`, {
      location,
      hint: 'of an Ed25519 key that OpenSSL made, they are the last ones of its DER form',
    });
  }
  return key;
}

/**
 * Reads a private key: a file of just 32 bytes. The beginning of any other file would sign, too, but whoever has that file
 * could sign as well; so could everybody with a public key.
 *
 * @throws HexzError UNREADABLE, BAD_KEY
 */
export function readPrivateKey(path: string): Buffer {
  const key = readKeyFile(path);
  const refuse = (message: string) =>
    new HexzError('BAD_KEY', message, {
      location: { file: path },
      hint: 'hexz keygen makes private.key and public.key',
    });
  if (readStart(path, KEY_BYTES + 1).length !== KEY_BYTES) {
    throw refuse(`a private key has ${KEY_BYTES} bytes, this file more`);
  }
  if (basename(path) === 'public.key') throw refuse('that is a public key');
  return key;
}

/** As many bytes of a key as there are; the file may be a pipe, or endless. */
function readStart(path: string, wanted = KEY_BYTES): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    const start = Buffer.alloc(wanted);
    let length = 0;
    while (length < wanted) {
      const count = readSync(descriptor, start, length, wanted - length, null);
      if (count === 0) break;
      length += count;
    }
    return start.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** PEM, hexadecimal, Base64, what ssh writes: no 32 random bytes look like that. */
const isText = (bytes: Buffer): boolean => /^[\t\n\r -~]*$/.test(bytes.toString('latin1'));

/** What signs, of the seed in a private key file. */
export const signingKeyOf = (privateKey: Buffer): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PRIVATE_KEY_PREFIX, privateKey]),
    format: 'der',
    type: 'pkcs8',
  });

/** The raw public key that belongs to the seed of a private key. */
export const publicKeyOf = (privateKey: Buffer): Buffer =>
  createPublicKey(signingKeyOf(privateKey))
    .export({ format: 'der', type: 'spki' })
    .subarray(-KEY_BYTES);

/**
 * A new pair of keys on its way into a directory: `private.key`, for its owner only, and `public.key`.
 *
 * Invariant: nothing shows under either name before `finish`, and after it both files are of this pair.
 * `finish` or `discard` ends it. A process that is killed between the two renames leaves the new private
 * key, of which the public one can be made again.
 */
export class NewKeyPair {
  readonly privateKeyPath: string;
  readonly publicKeyPath: string;
  readonly publicKey: Buffer;
  readonly #files: TemporaryFile[] = [];

  /** @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED */
  constructor(directory: string, { force }: { readonly force: boolean }) {
    this.privateKeyPath = join(directory, 'private.key');
    this.publicKeyPath = join(directory, 'public.key');
    const privateKey = randomBytes(KEY_BYTES);
    this.publicKey = publicKeyOf(privateKey);
    const add = (path: string, bytes: Buffer, mode: number) => {
      const file = new TemporaryFile(path, { force, mode });
      this.#files.push(file);
      attempt(path, () => writeFully(file.descriptor, bytes, 0));
    };
    try {
      add(this.privateKeyPath, privateKey, 0o600);
      add(this.publicKeyPath, this.publicKey, 0o666);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** @throws HexzError OUTPUT_EXISTS, OUTPUT_FAILED; both names are then as they were */
  finish(): void {
    publishTogether(this.#files);
  }

  discard(): void {
    for (const file of this.#files) file.discard();
  }
}
