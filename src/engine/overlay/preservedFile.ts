import { randomBytes } from 'node:crypto';
import { closeSync, constants, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HexzError } from '../errors.js';
import { onFile } from './failures.js';
import { identityOf } from './files.js';

/** A file without a name, for pages that are about to be overwritten. It throws the system's own errors. */
export interface PreservedFile {
  /** Other threads of this process open it by this number. */
  readonly descriptor: number;
  /** As `OverlayFile.identity`. */
  readonly identity: string;
  write(bytes: Buffer, offset: number): void;
  /** Gives its room back. */
  clear(): void;
  close(): void;
}

/**
 * Creates one beside the data file of an overlay: that is where room was provided for what is written. Whatever
 * becomes of this process, nothing of it stays behind.
 *
 * @throws HexzError NO_SPACE, OVERLAY_UNUSABLE
 */
export function createPreservedFile(dataPath: string): PreservedFile {
  const name = `.hexz-${process.pid}-${randomBytes(4).toString('hex')}.frozen`;
  const path = join(dirname(dataPath), name);
  const descriptor = onFile(path, 'create a file for what is overwritten meanwhile', () => {
    const created = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    unlinkSync(path);
    return created;
  });
  return {
    descriptor,
    identity: identityOf(descriptor),
    write(bytes, offset) {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
      }
    },
    clear: () => ftruncateSync(descriptor, 0),
    close: () => closeSync(descriptor),
  };
}

/**
 * Opens one by the number that it has in another thread of this process: the number may be another file's once that
 * thread has closed it.
 *
 * @param dataPath of the overlay, for messages
 * @returns a descriptor of this thread, for reading
 * @throws HexzError OVERLAY_UNUSABLE, also when it is closed already
 */
export function openPreservedFile(
  { descriptor, identity }: Pick<PreservedFile, 'descriptor' | 'identity'>,
  dataPath: string,
): number {
  const opened = onFile(dataPath, 'open what was overwritten meanwhile', () =>
    openSync(`/proc/self/fd/${descriptor}`, constants.O_RDONLY | constants.O_NONBLOCK),
  );
  if (identityOf(opened) === identity) return opened;
  closeSync(opened);
  throw new HexzError('OVERLAY_UNUSABLE', 'the frozen instant was released already', {
    location: { file: dataPath },
  });
}
