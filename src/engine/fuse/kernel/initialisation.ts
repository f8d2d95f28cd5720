import {
  initFlags,
  initIn,
  initOut,
  MAJOR_VERSION,
  MINOR_VERSION,
  OLDEST_MINOR_VERSION,
} from './protocol.js';

/** The longest write that a request may be: what the kernel allows by default. */
export const MAX_WRITE_BYTES = 1024 * 1024;
/**
 * The longest read. Longer ones cost the same for each byte, but what one reader waits for is then shared by fewer
 * threads, and no longer fits into a core's own cache.
 */
export const MAX_READ_BYTES = 256 * 1024;
/** Requests that the kernel sends without anybody waiting for them, such as what is read ahead. */
const MAX_BACKGROUND_REQUESTS = 64;

/**
 *  - `agreed`: the answer ends the negotiation
 *  - `again`: the kernel is of a later major version; it goes back to ours and asks again
 *  - `refused`: it is too old
 */
export type InitOutcome =
  | { readonly kind: 'agreed'; readonly reply: Buffer }
  | { readonly kind: 'again'; readonly reply: Buffer }
  | { readonly kind: 'refused'; readonly version: string };

/**
 * Answers the first request of a connection.
 *
 * @param body of INIT, what follows the header
 * @param isWritebackWanted whether the kernel may keep what is written for a while
 */
export function negotiate(body: Buffer, isWritebackWanted: boolean): InitOutcome {
  const { major, minor, maxReadahead, flags: offered } = initIn.decode(body);
  if (major > MAJOR_VERSION) {
    return { kind: 'again', reply: encode({ major: MAJOR_VERSION, minor: MINOR_VERSION }) };
  }
  if (major < MAJOR_VERSION || minor < OLDEST_MINOR_VERSION) {
    return { kind: 'refused', version: `${major}.${minor}` };
  }
  const wanted =
    initFlags.ASYNC_READ |
    initFlags.BIG_WRITES |
    initFlags.ASYNC_DIO |
    initFlags.PARALLEL_DIROPS |
    initFlags.MAX_PAGES |
    initFlags.NO_OPENDIR_SUPPORT |
    initFlags.EXPLICIT_INVAL_DATA |
    (isWritebackWanted ? initFlags.WRITEBACK_CACHE : 0);
  const reply = encode({
    major: MAJOR_VERSION,
    minor: Math.min(minor, MINOR_VERSION),
    maxReadahead,
    flags: offered & wanted,
    maxBackground: MAX_BACKGROUND_REQUESTS,
    congestionThreshold: (MAX_BACKGROUND_REQUESTS * 3) / 4,
    maxWrite: MAX_WRITE_BYTES,
    timeGranularity: 1,
    maxPages: MAX_WRITE_BYTES / 4096,
  });
  return { kind: 'agreed', reply };
}

function encode(values: Parameters<typeof initOut.encode>[0]): Buffer {
  const reply = Buffer.alloc(initOut.bytes);
  initOut.encode(values, reply);
  return reply;
}
