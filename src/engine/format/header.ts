import { HexzError } from '../errors.js';
import { ByteReader, writeU64 } from './byteReader.js';
import { FORMAT_VERSION, HEADER_BYTES, MAX_PARENT_PATH_BYTES, MAX_PARENT_PATHS } from './limits.js';
import type { ChunkingParameters, Compression, EncryptionParameters, FileRange } from './types.js';

/** Header layout A is written by 0.4 and 0.5 of the Rust hexz, layout B by 0.8. */
export type HeaderLayout = 'A' | 'B';

/** The decoded header. Ranges are as the file gives them; `findProblems` holds them against the file. */
export interface SnapshotHeader {
  readonly layout: HeaderLayout;
  readonly blockSize: number;
  readonly indexOffset: number;
  readonly parentPaths: readonly string[];
  readonly dictionary: FileRange | undefined;
  readonly metadata: FileRange | undefined;
  readonly signature: FileRange | undefined;
  readonly encryption: EncryptionParameters | undefined;
  readonly compression: Compression;
  readonly hasDisk: boolean;
  readonly hasMemory: boolean;
  readonly variableBlocks: boolean;
  readonly chunking: ChunkingParameters | undefined;
}

/** How every snapshot begins. */
export const MAGIC = Buffer.from('HEXZ');
const COMPRESSIONS: readonly Compression[] = ['lz4', 'zstd'];
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes the first 4096 bytes of a snapshot: layout A is tried first, then layout B, each under the
 * strict rules that make confusion impossible (docs/format.md, "Telling the layouts apart").
 *
 * @param bytes exactly the first 4096 bytes of the file
 * @throws HexzError BAD_MAGIC, BAD_VERSION, BAD_HEADER
 */
export function parseHeader(bytes: Buffer): SnapshotHeader {
  if (!bytes.subarray(0, 4).equals(MAGIC)) {
    if (bytes.every((byte) => byte === 0)) {
      throw new HexzError('BAD_MAGIC', 'the header was never written', {
        hint: 'the program that made this file was interrupted; make the file again',
      });
    }
    throw notASnapshot();
  }
  const version = bytes.readUInt32LE(4);
  if (version !== FORMAT_VERSION) {
    throw new HexzError('BAD_VERSION', `format version ${version} is not supported`, {
      hint: 'hexz reads version 1',
    });
  }
  const reasons: string[] = [];
  for (const layout of ['A', 'B'] as const) {
    try {
      return parseLayout(bytes, layout);
    } catch (error) {
      if (!(error instanceof HexzError)) throw error;
      reasons.push(`as layout ${layout}: ${error.message}`);
    }
  }
  throw new HexzError('BAD_HEADER', `the header is damaged (${reasons.join('; ')})`);
}

export const notASnapshot = (): HexzError =>
  new HexzError('BAD_MAGIC', 'not a .hxz snapshot (the file does not begin with "HEXZ")');

function parseLayout(bytes: Buffer, layout: HeaderLayout): SnapshotHeader {
  const reader = new ByteReader(bytes, 8);
  const u64 = () => reader.u64();
  const u32 = () => reader.u32();
  const blockSize = u32();
  const indexOffset = u64();
  const parentPaths = layout === 'A' ? parseOptionalParent(reader) : parseParentList(reader);
  const range = (name: string): FileRange | undefined => {
    const offset = reader.optional(u64);
    const length = reader.optional(u32);
    if ((offset === undefined) !== (length === undefined)) {
      throw new HexzError('BAD_HEADER', `${name} has only one of offset and length`);
    }
    return offset === undefined || length === undefined ? undefined : { offset, length };
  };
  const dictionary = range('dictionary');
  const metadata = range('metadata');
  const signature = range('signature');
  const encryption = reader.optional(() => ({
    salt: Buffer.from(reader.bytes(16)),
    iterations: u32(),
  }));
  if (encryption?.iterations === 0) {
    throw new HexzError('BAD_HEADER', 'encryption with 0 key derivation iterations');
  }
  const compressionNumber = u32();
  const compression = COMPRESSIONS[compressionNumber];
  if (compression === undefined) {
    throw new HexzError('BAD_HEADER', `unknown compression ${compressionNumber}`);
  }
  const hasDisk = reader.boolean();
  const hasMemory = reader.boolean();
  const variableBlocks = reader.boolean();
  const chunking =
    layout === 'A'
      ? undefined
      : reader.optional(() => ({ averageBits: u32(), minimumBytes: u32(), maximumBytes: u32() }));
  if (bytes.subarray(reader.offset, HEADER_BYTES).some((byte) => byte !== 0)) {
    throw new HexzError('BAD_HEADER', 'bytes that are not zero behind the last field');
  }
  return {
    layout,
    blockSize,
    indexOffset,
    parentPaths,
    dictionary,
    metadata,
    signature,
    encryption,
    compression,
    hasDisk,
    hasMemory,
    variableBlocks,
    chunking,
  };
}

function parseOptionalParent(reader: ByteReader): string[] {
  const path = reader.optional(() => parsePath(reader));
  return path === undefined ? [] : [path];
}

function parseParentList(reader: ByteReader): string[] {
  const count = reader.u64();
  if (count > MAX_PARENT_PATHS) {
    throw new HexzError('BAD_HEADER', `${count} parents (at most ${MAX_PARENT_PATHS})`);
  }
  return Array.from({ length: count }, () => parsePath(reader));
}

function parsePath(reader: ByteReader): string {
  const length = reader.u64();
  if (length < 1 || length > MAX_PARENT_PATH_BYTES) {
    throw new HexzError('BAD_HEADER', `a parent path of ${length} bytes`);
  }
  const bytes = reader.bytes(length);
  if (bytes.includes(0)) throw new HexzError('BAD_HEADER', 'a parent path with a NUL byte');
  try {
    return utf8.decode(bytes);
  } catch {
    throw new HexzError('BAD_HEADER', 'a parent path that is not UTF-8');
  }
}

/**
 * Encodes a header into its 4096 bytes.
 *
 * @throws HexzError LIMIT when the fields do not fit, which only very long parent paths can cause
 */
export function encodeHeader(header: SnapshotHeader): Buffer {
  const parts: Buffer[] = [
    MAGIC,
    u32(FORMAT_VERSION),
    u32(header.blockSize),
    u64(header.indexOffset),
  ];
  const paths = header.parentPaths.map((path) => Buffer.from(path));
  if (header.layout === 'A') {
    const [path] = paths;
    parts.push(...(path === undefined ? [u8(0)] : [u8(1), u64(path.length), path]));
  } else {
    parts.push(u64(paths.length), ...paths.flatMap((path) => [u64(path.length), path]));
  }
  for (const range of [header.dictionary, header.metadata, header.signature]) {
    parts.push(
      ...(range === undefined
        ? [u8(0), u8(0)]
        : [u8(1), u64(range.offset), u8(1), u32(range.length)]),
    );
  }
  const { encryption, chunking } = header;
  parts.push(
    ...(encryption === undefined ? [u8(0)] : [u8(1), encryption.salt, u32(encryption.iterations)]),
    u32(COMPRESSIONS.indexOf(header.compression)),
    u8(Number(header.hasDisk)),
    u8(Number(header.hasMemory)),
    u8(Number(header.variableBlocks)),
  );
  if (header.layout === 'B') {
    parts.push(
      ...(chunking === undefined
        ? [u8(0)]
        : [
            u8(1),
            u32(chunking.averageBits),
            u32(chunking.minimumBytes),
            u32(chunking.maximumBytes),
          ]),
    );
  }
  const fields = Buffer.concat(parts);
  if (fields.length > HEADER_BYTES) {
    throw new HexzError(
      'LIMIT',
      `the header would take ${fields.length} of ${HEADER_BYTES} bytes`,
      {
        hint: 'shorten the path of the parent',
      },
    );
  }
  const bytes = Buffer.alloc(HEADER_BYTES);
  fields.copy(bytes);
  return bytes;
}

const u8 = (value: number): Buffer => Buffer.from([value]);

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  writeU64(buffer, value, 0);
  return buffer;
}
