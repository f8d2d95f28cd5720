/** What a server takes from a client, and what it holds for him. Documented in docs/nbd.md. */

/** The most that one request may read or write, told to clients as the largest block. */
export const MAX_REQUEST_BYTES = 32 * 1024 * 1024;
/** Longer options are refused. */
export const MAX_OPTION_BYTES = 64 * 1024;
/** Much longer ones are not even passed over: the client is let go. */
export const MAX_SKIPPED_OPTION_BYTES = 1024 * 1024;
export const MAX_OPTIONS = 1000;
export const MAX_NAME_BYTES = 4096;
/** Whoever has not chosen an export by then is let go. */
export const HANDSHAKE_LIMIT_MILLISECONDS = 60_000;
export const MAX_CONNECTIONS = 64;
/** Answers that wait for the disk, of one client; he is heard again when one of them is given. */
export const MAX_PENDING_ANSWERS = 64;
/** Bytes are read and written in pieces of this size, between which others have their turn. */
export const PIECE_BYTES = 256 * 1024;
/** So many buffers, each with room for one piece, hold what a client does not take. */
export const OUTPUT_BUFFERS = 4;
/** From so much unread input on, nothing more is taken from the client. */
export const INPUT_BYTES = 256 * 1024;
