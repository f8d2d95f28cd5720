/*
 * The numbers of the NBD protocol (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md). Everything is
 * sent in network byte order.
 */

/** "NBDMAGIC" and "IHAVEOPT": the first words of a server, the second also in front of each option of a client. */
export const SERVER_MAGIC = Buffer.from('NBDMAGIC', 'latin1');
export const OPTION_MAGIC = Buffer.from('IHAVEOPT', 'latin1');
export const OPTION_REPLY_MAGIC = Buffer.from('0003e889045565a9', 'hex');
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

export const CLIENT_FLAGS_BYTES = 4;
export const OPTION_HEADER_BYTES = 16;
export const OPTION_REPLY_HEADER_BYTES = 20;
export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;
export const CHUNK_HEADER_BYTES = 20;
/** What the old way to choose an export ends with, unless both sides agree that it does not. */
export const EXPORT_NAME_PADDING_BYTES = 124;

export const handshakeFlags = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

export const transmissionFlags = {
  HAS_FLAGS: 1 << 0,
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  SEND_DF: 1 << 7,
  CAN_MULTI_CONN: 1 << 8,
  SEND_CACHE: 1 << 10,
  SEND_FAST_ZERO: 1 << 11,
} as const;

export const options = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const;

const ERROR_REPLY = 2 ** 31;

export const optionReplies = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: ERROR_REPLY + 1,
  ERR_POLICY: ERROR_REPLY + 2,
  ERR_INVALID: ERROR_REPLY + 3,
  ERR_TLS_REQD: ERROR_REPLY + 5,
  ERR_UNKNOWN: ERROR_REPLY + 6,
  ERR_TOO_BIG: ERROR_REPLY + 9,
} as const;

export const informationTypes = { EXPORT: 0, NAME: 1, DESCRIPTION: 2, BLOCK_SIZE: 3 } as const;

export const commands = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;

export const commandFlags = {
  FUA: 1 << 0,
  NO_HOLE: 1 << 1,
  DF: 1 << 2,
  REQ_ONE: 1 << 3,
  FAST_ZERO: 1 << 4,
} as const;

/** Flag of the last chunk of a reply. */
export const CHUNK_DONE = 1;

export const chunkTypes = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  ERROR: 2 ** 15 + 1,
  ERROR_OFFSET: 2 ** 15 + 2,
} as const;

/** States of `base:allocation`. */
export const allocationStates = { HOLE: 1, ZERO: 2 } as const;
/** State of a `qemu:dirty-bitmap:` context. */
export const DIRTY_STATE = 1;

/** The only numbers that an error of a request may have. */
export const errorNumbers = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
} as const;

export type ErrorName = keyof typeof errorNumbers;
