import { HexzError } from '../errors.js';
import { MAX_ZSTD_WINDOW_BYTES } from '../format/limits.js';

const FRAME_MAGIC = 0xfd2f_b528;
const DICTIONARY_MAGIC = 0xec30_a437;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** What decides how a frame is decoded; 0 stands for no dictionary. */
export interface ZstdFrameHeader {
  readonly dictionaryId: number;
  readonly contentLength: number | undefined;
  readonly windowBytes: number;
}

/**
 * Reads the header of a Zstandard frame (RFC 8878, 3.1.1.1), so that window, content size and dictionary
 * are known before a decoder allocates for them.
 *
 * @throws HexzError BAD_BLOCK
 */
export function parseZstdFrameHeader(frame: Buffer): ZstdFrameHeader {
  if (frame.length < 6 || frame.readUInt32LE(0) !== FRAME_MAGIC) {
    throw new HexzError('BAD_BLOCK', 'not a Zstandard frame');
  }
  const descriptor = frame.readUInt8(4);
  if ((descriptor & 0b1000) !== 0) throw new HexzError('BAD_BLOCK', 'a reserved Zstandard frame');
  const singleSegment = (descriptor & 0b10_0000) !== 0;
  const dictionaryIdBytes = DICTIONARY_ID_BYTES[descriptor & 0b11] as number;
  let contentSizeBytes = CONTENT_SIZE_BYTES[descriptor >>> 6] as number;
  if (contentSizeBytes === 0 && singleSegment) contentSizeBytes = 1;
  let offset = 5 + (singleSegment ? 0 : 1);
  if (frame.length < offset + dictionaryIdBytes + contentSizeBytes) {
    throw new HexzError('BAD_BLOCK', 'the Zstandard frame ends in its header');
  }
  const dictionaryId = dictionaryIdBytes === 0 ? 0 : frame.readUIntLE(offset, dictionaryIdBytes);
  offset += dictionaryIdBytes;
  const contentLength = readContentLength(frame, offset, contentSizeBytes);
  const windowBytes =
    singleSegment && contentLength !== undefined ? contentLength : windowOf(frame.readUInt8(5));
  if (windowBytes > MAX_ZSTD_WINDOW_BYTES) {
    throw new HexzError('BAD_BLOCK', `a Zstandard window of ${windowBytes} bytes`);
  }
  return { dictionaryId, contentLength, windowBytes };
}

function readContentLength(frame: Buffer, offset: number, bytes: number): number | undefined {
  if (bytes === 0) return undefined;
  if (bytes === 2) return frame.readUInt16LE(offset) + 256;
  if (bytes === 8) return frame.readUInt32LE(offset + 4) * 2 ** 32 + frame.readUInt32LE(offset);
  return frame.readUIntLE(offset, bytes);
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 0b111);
}

/** The id of a trained dictionary, or undefined when the bytes are not one. */
export function zstdDictionaryId(dictionary: Buffer): number | undefined {
  if (dictionary.length < 8 || dictionary.readUInt32LE(0) !== DICTIONARY_MAGIC) return undefined;
  return dictionary.readUInt32LE(4);
}
