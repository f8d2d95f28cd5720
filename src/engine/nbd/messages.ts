import { isUtf8 } from 'node:buffer';
import { MAX_NAME_BYTES } from './limits.js';
import {
  CHUNK_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY_HEADER_BYTES,
  OPTION_REPLY_MAGIC,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './protocol.js';

/** A request, without its payload. One object serves for all of a connection. */
export interface Request {
  flags: number;
  command: number;
  /** What the client calls it: 64 bits in two halves. */
  cookieHigh: number;
  cookieLow: number;
  /** Exact up to 2^53; what lies beyond is in no disk, and must not be calculated with. */
  offset: number;
  length: number;
}

export const newRequest = (): Request => ({
  flags: 0,
  command: 0,
  cookieHigh: 0,
  cookieLow: 0,
  offset: 0,
  length: 0,
});

/** Decodes REQUEST_BYTES; false if they do not begin as a request does. */
export function decodeRequest(bytes: Buffer, request: Request): boolean {
  if (bytes.readUInt32BE(0) !== REQUEST_MAGIC) return false;
  request.flags = bytes.readUInt16BE(4);
  request.command = bytes.readUInt16BE(6);
  request.cookieHigh = bytes.readUInt32BE(8);
  request.cookieLow = bytes.readUInt32BE(12);
  request.offset = bytes.readUInt32BE(16) * 2 ** 32 + bytes.readUInt32BE(20);
  request.length = bytes.readUInt32BE(24);
  return true;
}

/** The name of a request, for its reply. */
export type Cookie = Pick<Request, 'cookieHigh' | 'cookieLow'>;

export function encodeSimpleReply(target: Buffer, cookie: Cookie, errorNumber: number): void {
  target.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
  target.writeUInt32BE(errorNumber, 4);
  target.writeUInt32BE(cookie.cookieHigh, 8);
  target.writeUInt32BE(cookie.cookieLow, 12);
}

/** The header of a chunk; its payload follows from CHUNK_HEADER_BYTES on. */
export function encodeChunkHeader(
  target: Buffer,
  cookie: Cookie,
  type: number,
  flags: number,
  payloadLength: number,
): void {
  target.writeUInt32BE(STRUCTURED_REPLY_MAGIC, 0);
  target.writeUInt16BE(flags, 4);
  target.writeUInt16BE(type, 6);
  target.writeUInt32BE(cookie.cookieHigh, 8);
  target.writeUInt32BE(cookie.cookieLow, 12);
  target.writeUInt32BE(payloadLength, 16);
}

/** The offset that the payload of some chunks begins with. */
export function encodeOffset(target: Buffer, offset: number, at = CHUNK_HEADER_BYTES): void {
  target.writeUInt32BE(Math.floor(offset / 2 ** 32), at);
  target.writeUInt32BE(offset % 2 ** 32, at + 4);
}

/** The header of an option; undefined if it does not begin as one does. */
export function decodeOptionHeader(
  bytes: Buffer,
): { readonly option: number; readonly length: number } | undefined {
  if (!bytes.subarray(0, 8).equals(OPTION_MAGIC)) return undefined;
  return { option: bytes.readUInt32BE(8), length: bytes.readUInt32BE(12) };
}

export function encodeOptionReply(option: number, type: number, payload: Buffer): Buffer {
  const reply = Buffer.alloc(OPTION_REPLY_HEADER_BYTES + payload.length);
  OPTION_REPLY_MAGIC.copy(reply);
  reply.writeUInt32BE(option, 8);
  reply.writeUInt32BE(type, 12);
  reply.writeUInt32BE(payload.length, 16);
  payload.copy(reply, OPTION_REPLY_HEADER_BYTES);
  return reply;
}

/** The data of an option is not what it should be. */
export class MalformedOption extends Error {
  override readonly name = 'MalformedOption';
}

/** Data of INFO and GO: which export, and what the client would like to know of it. */
export interface ExportChoice {
  readonly name: string;
  readonly wanted: readonly number[];
}

/** @throws MalformedOption */
export function decodeExportChoice(data: Buffer): ExportChoice {
  const fields = new Fields(data);
  const name = fields.text();
  const wanted = Array.from({ length: fields.uint16() }, () => fields.uint16());
  fields.end();
  return { name, wanted };
}

/** Data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export interface ContextQuery {
  readonly name: string;
  readonly queries: readonly string[];
}

/** @throws MalformedOption */
export function decodeContextQuery(data: Buffer): ContextQuery {
  const fields = new Fields(data);
  const name = fields.text();
  const count = fields.uint32();
  if (count > data.length / 4) throw new MalformedOption();
  const queries = Array.from({ length: count }, () => fields.text());
  fields.end();
  return { name, queries };
}

/** @throws MalformedOption if it is too long, no UTF-8, or holds NUL */
export function decodeName(bytes: Buffer): string {
  if (bytes.length > MAX_NAME_BYTES || bytes.includes(0) || !isUtf8(bytes)) {
    throw new MalformedOption();
  }
  return bytes.toString();
}

/** Reads one field after the other. */
class Fields {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  uint16(): number {
    return this.#bytes(2).readUInt16BE();
  }

  uint32(): number {
    return this.#bytes(4).readUInt32BE();
  }

  text(): string {
    return decodeName(this.#bytes(this.uint32()));
  }

  #bytes(length: number): Buffer {
    if (length > this.#data.length - this.#at) throw new MalformedOption();
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }

  end(): void {
    if (this.#at !== this.#data.length) throw new MalformedOption();
  }
}
