import type { Style } from './theme.js';

const styleOf = (byte: number): Style => {
  if (byte === 0) return 'nul';
  if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) return 'space';
  if (byte < 0x20 || byte === 0x7f) return 'control';
  return byte < 0x7f ? 'printable' : 'high';
};

const bytes = Array.from({ length: 256 }, (_, byte) => byte);

/** How each byte is shown: its two digits, its character or a dot, and its class. */
export const digitsOf = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
export const characterOf = bytes.map((byte) =>
  byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
);
export const stylesOf = bytes.map(styleOf);
