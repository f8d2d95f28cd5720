import {
  asciiBytesAt,
  asciiText,
  type CharacterBytesAt,
  utf8BytesAt,
  utf16beBytesAt,
  utf16beText,
  utf16leBytesAt,
  utf16leText,
} from './characters.js';

export type StringEncoding = 'ascii' | 'utf-8' | 'utf-16le' | 'utf-16be';

/** Text of an encoding, in windows of bytes. What a character is, is said in `characters.ts`. */
export interface Reading {
  /** Where characters may begin, counted from one that is none. UTF-16 is looked for at even and odd offsets. */
  readonly unitBytes: 1 | 2;
  readonly bytesAt: CharacterBytesAt;
  /**
   * The first index from one on where so many units after each other may be of characters, or where the bytes end before
   * that is certain.
   */
  nextPossible(bytes: Buffer, from: number, units: number): number;
  /** Where the characters from an index on end, or the first of them that begins at a limit or behind. */
  runEnd(bytes: Buffer, from: number, limit: number): number;
  /** Characters between two indexes. */
  countCharacters(bytes: Buffer, start: number, end: number): number;
}

const isFollowing = (byte: number): boolean => byte >= 0x80 && byte < 0xc0;
const isLeading = (byte: number): boolean => byte >= 0xc2 && byte < 0xf5;

/** 1 for each pair of bytes, the first one lowest, that may stand beside each other in text of UTF-8. */
const utf8Pairs = (): Uint8Array =>
  Uint8Array.from({ length: 2 ** 16 }, (_, code) => {
    const first = code & 0xff;
    const second = code >> 8;
    if (isLeading(first)) return Number(isFollowing(second));
    if (asciiText[first] === 0 && !isFollowing(first)) return 0;
    const mayBegin = asciiText[second] === 1 || isLeading(second);
    return Number(mayBegin || (isFollowing(first) && isFollowing(second)));
  });

const makers: Readonly<Record<StringEncoding, () => Reading>> = {
  ascii: () => ({
    unitBytes: 1,
    bytesAt: asciiBytesAt,
    nextPossible: nextAscii,
    runEnd: asciiRunEnd,
    countCharacters: (_bytes, start, end) => end - start,
  }),
  'utf-8': () => {
    const pairs = utf8Pairs();
    return {
      unitBytes: 1,
      bytesAt: utf8BytesAt,
      nextPossible: (bytes, from, units) => nextUtf8(bytes, from, units, pairs),
      runEnd: utf8RunEnd,
      countCharacters: countUtf8,
    };
  },
  'utf-16le': () => wideReading(utf16leBytesAt, utf16leText()),
  'utf-16be': () => wideReading(utf16beBytesAt, utf16beText()),
};

const made = new Map<StringEncoding, Reading>();

/** Its tables take milliseconds to make: they are made when somebody looks for strings, not when this is loaded. */
export function readingOf(encoding: StringEncoding): Reading {
  const reading = made.get(encoding) ?? makers[encoding]();
  made.set(encoding, reading);
  return reading;
}

function wideReading(bytesAt: CharacterBytesAt, table: Uint8Array): Reading {
  return {
    unitBytes: 2,
    bytesAt,
    nextPossible: (bytes, from, units) => nextWide(bytes, from, units, table),
    runEnd: (bytes, from, limit) => wideRunEnd(bytes, from, limit, table),
    countCharacters: (_bytes, start, end) => (end - start) / 2,
  };
}

// Looked at from the last unit to the first: one that fits nothing rules out all before it at once.
function nextAscii(bytes: Buffer, from: number, units: number): number {
  let start = from;
  while (start < bytes.length) {
    let at = Math.min(start + units, bytes.length) - 1;
    while (at >= start && asciiText[bytes[at] as number] === 1) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return start;
}

/** Characters of UTF-8 begin at the same places wherever one begins to look: two bytes that do not go together rule out all before them, too. */
function nextUtf8(bytes: Buffer, from: number, units: number, pairs: Uint8Array): number {
  let start = from;
  while (start < bytes.length) {
    let at = Math.min(start + units, bytes.length) - 1;
    while (at > start && pairs[wideUnit(bytes, at - 1)] === 1) at--;
    if (at === start) {
      const byte = bytes[start] as number;
      if (asciiText[byte] === 1 || isLeading(byte)) return start;
      at++;
    }
    start = at;
  }
  return start;
}

function nextWide(bytes: Buffer, from: number, units: number, table: Uint8Array): number {
  let start = from;
  while (start + 1 < bytes.length) {
    let at = start + 2 * (Math.min(units, (bytes.length - start) >> 1) - 1);
    while (at >= start && table[wideUnit(bytes, at)] === 1) at -= 2;
    if (at < start) return start;
    start = at + 2;
  }
  return start;
}

const wideUnit = (bytes: Buffer, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

function asciiRunEnd(bytes: Buffer, from: number, limit: number): number {
  const end = Math.min(limit, bytes.length);
  let at = from;
  while (at < end && asciiText[bytes[at] as number] === 1) at++;
  return at;
}

function utf8RunEnd(bytes: Buffer, from: number, limit: number): number {
  const end = Math.min(limit, bytes.length);
  let at = from;
  while (at < end) {
    if (asciiText[bytes[at] as number] === 1) {
      at++;
      continue;
    }
    const length = utf8BytesAt(bytes, at);
    if (length <= 0) break;
    at += length;
  }
  return at;
}

function wideRunEnd(bytes: Buffer, from: number, limit: number, table: Uint8Array): number {
  const end = Math.min(limit, bytes.length - 1);
  let at = from;
  while (at < end && table[wideUnit(bytes, at)] === 1) at += 2;
  return at;
}

/** All bytes but those that go on with a character. */
function countUtf8(bytes: Buffer, start: number, end: number): number {
  let characters = 0;
  for (let at = start; at < end; at++) {
    if (((bytes[at] as number) & 0xc0) !== 0x80) characters++;
  }
  return characters;
}
