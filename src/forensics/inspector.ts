import { type CharacterBytesAt, utf8BytesAt, utf16leBytesAt } from './characters.js';

/** One reading of the bytes at an offset. */
export interface InspectedValue {
  /** Stable: `u32le`, `filetime`, `guid`, … */
  readonly name: string;
  readonly kind: 'integer' | 'float' | 'time' | 'uuid' | 'pointer' | 'text';
  /** Bytes that it is read from. */
  readonly length: number;
  /** Integers in decimal, times as ISO 8601 in UTC. Text, so that no digit is lost in JSON. */
  readonly value: string;
  /** What else is to be said of it. */
  readonly note?: string;
}

/** No reading takes more bytes. */
export const INSPECTED_BYTES = 64;

/** 100 ns from 1601 to 1970. */
const FILETIME_UNIX_EPOCH = 116_444_736_000_000_000n;
const FILETIME_PER_MS = 10_000n;
/** What a Date can hold, in milliseconds. */
const MAX_DATE_MS = 8_640_000_000_000_000n;

type Reading = (bytes: Buffer) => InspectedValue | undefined;

/**
 * Everything that the bytes at an offset may be: integers of both byte orders, floating-point numbers, times, UUIDs, addresses,
 * text. What needs more bytes than there are is left out, and so are times that no calendar holds, addresses
 * that are none, and text of no characters.
 *
 * @param bytes from the offset on; `INSPECTED_BYTES` are enough
 */
export function inspectBytes(bytes: Buffer): InspectedValue[] {
  return readings.map((read) => read(bytes)).filter((value) => value !== undefined);
}

const fixed =
  (
    name: string,
    kind: InspectedValue['kind'],
    length: number,
    read: (bytes: Buffer) => string | undefined,
    note?: string,
  ): Reading =>
  (bytes) => {
    const value = bytes.length < length ? undefined : read(bytes);
    if (value === undefined) return undefined;
    return { name, kind, length, value, ...(note === undefined ? {} : { note }) };
  };

const integer = (name: string, length: number, read: (bytes: Buffer) => number | bigint): Reading =>
  fixed(name, 'integer', length, (bytes) => read(bytes).toString());

const float = (name: string, length: number, read: (bytes: Buffer) => string): Reading =>
  fixed(name, 'float', length, read);

const time = (
  name: string,
  length: number,
  note: string,
  readMs: (bytes: Buffer) => bigint,
): Reading => fixed(name, 'time', length, (bytes) => isoTime(readMs(bytes)), note);

function isoTime(ms: bigint): string | undefined {
  if (ms > MAX_DATE_MS || ms < -MAX_DATE_MS) return undefined;
  return new Date(Number(ms)).toISOString();
}

/** The shortest decimal number that is this 32-bit one. */
function float32Text(value: number): string {
  if (value === 0) return float64Text(value);
  for (let digits = 6; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return float64Text(value);
}

const float64Text = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

const UUID_GROUPS = [4, 2, 2, 2, 6];

/** @param isMixed whether the first three groups have their low byte first, as Microsoft stores them */
function uuidText(bytes: Buffer, isMixed: boolean): string {
  let at = 0;
  const groups = UUID_GROUPS.map((length, group) => {
    const part = Buffer.from(bytes.subarray(at, at + length));
    at += length;
    return (isMixed && group < 3 ? part.reverse() : part).toString('hex');
  });
  return groups.join('-');
}

/** x86-64 with four levels of page tables. The lowest 64 KiB are never mapped by what is careful, and are small numbers. */
const LOWEST_POINTER = 0x1_0000n;
const USER_END = 0x0000_8000_0000_0000n;
const KERNEL_START = 0xffff_8000_0000_0000n;
const LINUX_TEXT_START = 0xffff_ffff_8000_0000n;
const LINUX_TEXT_END = 0xffff_ffff_ff00_0000n;

const pointer: Reading = (bytes) => {
  if (bytes.length < 8) return undefined;
  const address = bytes.readBigUInt64LE();
  const note = addressNote(address);
  if (note === undefined) return undefined;
  const value = `0x${address.toString(16).padStart(16, '0')}`;
  return { name: 'pointer', kind: 'pointer', length: 8, value, note };
};

function addressNote(address: bigint): string | undefined {
  if (address >= LINUX_TEXT_START && address < LINUX_TEXT_END) {
    return 'kernel half; where Linux has its code and modules';
  }
  // The last MiB are small negative numbers.
  if (address >= KERNEL_START && address < 0xffff_ffff_fff0_0000n) return 'kernel half';
  return address >= LOWEST_POINTER && address < USER_END ? 'user half' : undefined;
}

const text =
  (name: string, encoding: BufferEncoding, bytesAt: CharacterBytesAt): Reading =>
  (bytes) => {
    const shown = bytes.subarray(0, INSPECTED_BYTES);
    let length = 0;
    while (length < shown.length) {
      const characterBytes = bytesAt(shown, length);
      if (characterBytes <= 0) break;
      length += characterBytes;
    }
    if (length === 0) return undefined;
    return { name, kind: 'text', length, value: shown.toString(encoding, 0, length) };
  };

const seconds = 'seconds since 1970';
const milliseconds = 'milliseconds since 1970';

const readings: readonly Reading[] = [
  integer('u8', 1, (bytes) => bytes.readUInt8()),
  integer('i8', 1, (bytes) => bytes.readInt8()),
  integer('u16le', 2, (bytes) => bytes.readUInt16LE()),
  integer('u16be', 2, (bytes) => bytes.readUInt16BE()),
  integer('i16le', 2, (bytes) => bytes.readInt16LE()),
  integer('i16be', 2, (bytes) => bytes.readInt16BE()),
  integer('u32le', 4, (bytes) => bytes.readUInt32LE()),
  integer('u32be', 4, (bytes) => bytes.readUInt32BE()),
  integer('i32le', 4, (bytes) => bytes.readInt32LE()),
  integer('i32be', 4, (bytes) => bytes.readInt32BE()),
  integer('u64le', 8, (bytes) => bytes.readBigUInt64LE()),
  integer('u64be', 8, (bytes) => bytes.readBigUInt64BE()),
  integer('i64le', 8, (bytes) => bytes.readBigInt64LE()),
  integer('i64be', 8, (bytes) => bytes.readBigInt64BE()),
  float('f32le', 4, (bytes) => float32Text(bytes.readFloatLE())),
  float('f32be', 4, (bytes) => float32Text(bytes.readFloatBE())),
  float('f64le', 8, (bytes) => float64Text(bytes.readDoubleLE())),
  float('f64be', 8, (bytes) => float64Text(bytes.readDoubleBE())),
  time('unix32le', 4, seconds, (bytes) => BigInt(bytes.readInt32LE()) * 1000n),
  time('unix32be', 4, seconds, (bytes) => BigInt(bytes.readInt32BE()) * 1000n),
  time('unix64le', 8, seconds, (bytes) => bytes.readBigInt64LE() * 1000n),
  time('unix64be', 8, seconds, (bytes) => bytes.readBigInt64BE() * 1000n),
  time('unixms64le', 8, milliseconds, (bytes) => bytes.readBigInt64LE()),
  time('unixms64be', 8, milliseconds, (bytes) => bytes.readBigInt64BE()),
  time(
    'filetime',
    8,
    'Windows: 100 ns since 1601',
    (bytes) => (bytes.readBigUInt64LE() - FILETIME_UNIX_EPOCH) / FILETIME_PER_MS,
  ),
  fixed('uuid', 'uuid', 16, (bytes) => uuidText(bytes, false), 'in the order of its bytes'),
  fixed('guid', 'uuid', 16, (bytes) => uuidText(bytes, true), 'as Microsoft stores it'),
  pointer,
  text('utf-8', 'utf8', utf8BytesAt),
  text('utf-16le', 'utf16le', utf16leBytesAt),
];
