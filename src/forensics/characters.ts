/** How many bytes the printable character at an index has; 0 where there is none, UNDECIDED where bytes are missing. */
export type CharacterBytesAt = (bytes: Buffer, index: number) => number;

/** The character goes on behind the end of the bytes. */
export const UNDECIDED = -1;

/** UTF-16 characters from here on are not told: too much that is no text looks like them. */
const UTF16_END = 0x530;

const isAsciiText = (code: number): boolean => (code >= 0x20 && code < 0x7f) || code === 0x09;

/** 1 for each byte that is a printable character of ASCII; tabulators count. */
export const asciiText = Uint8Array.from({ length: 256 }, (_, byte) => Number(isAsciiText(byte)));

export const asciiBytesAt: CharacterBytesAt = (bytes, index) =>
  asciiText[bytes[index] as number] as number;

/** Characters of one to four bytes; not control characters, surrogates, those for private use, and those that are none. */
export const utf8BytesAt: CharacterBytesAt = (bytes, index) => {
  const first = bytes[index] as number;
  if (first < 0x80) return asciiText[first] as number;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  let code = first & (0x7f >> length);
  for (let at = 1; at < length; at++) {
    const byte = bytes[index + at];
    if (byte === undefined) return UNDECIDED;
    if ((byte & 0xc0) !== 0x80) return 0;
    code = (code << 6) | (byte & 0x3f);
  }
  return isText(code, length) ? length : 0;
};

const SHORTEST_CODES = [0, 0, 0x80, 0x800, 0x10000];

function isText(code: number, length: number): boolean {
  if (code < (SHORTEST_CODES[length] as number) || code < 0xa0 || code > 0x10ffff) return false;
  const isSurrogateOrPrivate = code >= 0xd800 && code < 0xf900;
  const isNoCharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return !isSurrogateOrPrivate && !isNoCharacter && code < 0xf0000;
}

const isUtf16Text = (code: number): boolean =>
  isAsciiText(code) || (code >= 0xa0 && code < UTF16_END);

const utf16BytesAt =
  (lowAt: 0 | 1): CharacterBytesAt =>
  (bytes, index) => {
    const high = bytes[index + 1 - lowAt];
    const low = bytes[index + lowAt];
    if (high === undefined || low === undefined) return UNDECIDED;
    return isUtf16Text((high << 8) | low) ? 2 : 0;
  };

/** ASCII, Latin, Greek and Cyrillic characters. */
export const utf16leBytesAt = utf16BytesAt(0);
export const utf16beBytesAt = utf16BytesAt(1);

/** 1 for each pair of bytes, the first one lowest, that is such a character. */
export const utf16leText = (): Uint8Array =>
  Uint8Array.from({ length: 2 ** 16 }, (_, code) => Number(isUtf16Text(code)));
export const utf16beText = (): Uint8Array =>
  Uint8Array.from({ length: 2 ** 16 }, (_, code) =>
    Number(isUtf16Text(((code & 0xff) << 8) | (code >> 8))),
  );
