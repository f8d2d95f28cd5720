import { createCipheriv, createHash } from 'node:crypto';
import { type Content, PIECE_BYTES } from './content.js';

/**
 * Bytes that look random and follow from a seed: the key stream of AES-256 in counter mode, from counter 0,
 * with the SHA-256 of the seed's text as its key.
 */
export const random = (seed: string, length: number): Content => ({
  length,
  dataBytes: length,
  *pieces() {
    const keyStream = keyStreamOf(seed);
    for (let offset = 0; offset < length; offset += PIECE_BYTES) {
      yield keyStream(Math.min(PIECE_BYTES, length - offset));
    }
  },
});

/** The next bytes of the stream with every call. */
function keyStreamOf(seed: string): (length: number) => Buffer {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return (length) => cipher.update(Buffer.alloc(length));
}

/** The longest line, without its end. */
const LINE_LENGTH = 72;

/**
 * Text that looks like one and follows from a seed: each byte of the random stream chooses one of 256 words;
 * blanks stand between them, and a line ends before it has more than 72 characters.
 */
export const words = (seed: string, length: number): Content => ({
  length,
  dataBytes: length,
  *pieces() {
    const keyStream = keyStreamOf(seed);
    let lineLength = 0;
    let remaining = length;
    while (remaining > 0) {
      let text = '';
      for (const byte of keyStream(PIECE_BYTES / 16)) {
        const word = WORDS[byte] ?? '';
        const fits = lineLength + 1 + word.length <= LINE_LENGTH;
        text += lineLength === 0 ? word : `${fits ? ' ' : '\n'}${word}`;
        lineLength = (fits && lineLength > 0 ? lineLength + 1 : 0) + word.length;
      }
      const piece = Buffer.from(text, 'latin1').subarray(0, remaining);
      remaining -= piece.length;
      yield piece;
    }
  },
});

/** Exactly 256: a byte chooses one. Changing one changes fixtures. */
const WORDS = `
a able about above accept account across act add address after again age ago air all allow almost along already
also always among amount and answer any appear apply area arm around arrive as ask at away back bad bank bar base
be bear beat because become bed before begin behind believe best better between big bird black block blue board
boat body book both bottom box branch bread break bridge bright bring broad brother brown build burn business but
buy by call camp can capital captain car care carry case cat catch cause cell center certain chair chance change
check child choose church circle city claim class clean clear climb clock close cloth cloud coast coat cold color
come common company compare complete condition contain control cook cool copy corn corner correct cost cotton could
count country course cover cow create crop cross crowd cry current cut dance dark day dead deal dear death decide
deep degree depend describe desert design develop dictionary die differ difficult direct discuss distant divide do
doctor dog dollar door down draw dream dress drink drive drop dry during each ear early earth ease east eat edge
effect egg eight either electric element else end enemy energy engine enough enter equal even evening event ever
every exact example except excite exercise expect experience experiment eye face fact fair fall family famous far
farm fast fat father favor fear feed feel feet few field fight figure fill final find fine finger finish fire first
fish fit five flat floor flow flower
`
  .trim()
  .split(/\s+/);
