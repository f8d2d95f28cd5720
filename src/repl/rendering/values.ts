/** Control characters, line separators, and what turns the writing direction. */
const UNSAFE = /\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The same, without those that JSON escapes itself or needs between its values. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Text from a file, safe for a terminal and in one line: control characters are shown, not sent. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(character);
  });
}

const unicodeEscape = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** 1536 as "1.50 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(2)} ${units[unit]}`;
}

/** 49152 as "48 KiB", 1536 as "1.50 KiB". */
export const shortBytes = (bytes: number): string => formatBytes(bytes).replace('.00', '');

/** 1234567 as "1 234 567". */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** 1 and "page" as "1 page", 3 as "3 pages". */
export const countOf = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** A value as JSON that a terminal may be shown. */
export function toJsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(UNSAFE_IN_JSON, unicodeEscape);
}

/** 0x32000 as "0x0003_2000". */
export function formatOffset(offset: number): string {
  const digits = offset.toString(16);
  const length = Math.max(8, Math.ceil(digits.length / 4) * 4);
  return `0x${digits.padStart(length, '0').replace(/\B(?=(.{4})+$)/g, '_')}`;
}
