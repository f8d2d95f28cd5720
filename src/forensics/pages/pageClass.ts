import { isZero } from '../../engine/snapshot/zeros.js';

/** What the bytes of a page look like. */
export type ContentClass = 'zero' | 'text' | 'code' | 'entropy' | 'other';

/** Share of the bytes of a text, without the zeros that fill its last page, that are printable or white space. */
const TEXT_SHARE = 0.9;

/** Fewer bytes before the zeros do not make a page a text. */
const MIN_TEXT_BYTES = 32;

/** Share of the units of UTF-16 that are characters of ASCII. */
const WIDE_TEXT_SHARE = 0.85;

/** Pairs of an x86-64 REX.W prefix and a common opcode, of all bytes. Machine code has 1.5 % and more, noise 0.05 %. */
const CODE_PAIR_SHARE = 0.008;

/** Bits per byte, corrected for the length of the sample. Noise has 8, machine code at most about 7. */
const ENTROPY_BITS = 7.2;

/** With fewer bytes, entropy says nothing. */
const MIN_ENTROPY_BYTES = 1024;

const isTextByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number((byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d),
);

const marked = (...bytes: readonly number[]): Uint8Array => {
  const marks = new Uint8Array(256);
  for (const byte of bytes) marks[byte] = 1;
  return marks;
};

/** REX.W, with and without R and B. */
const isRex = marked(0x48, 0x49, 0x4c, 0x4d);
/** mov, lea, test, cmp, add, sub, xor, and the groups of immediate operands. */
const isRexOpcode = marked(
  0x8b,
  0x89,
  0x8d,
  0x85,
  0x83,
  0x81,
  0x39,
  0x3b,
  0x01,
  0x03,
  0x29,
  0x2b,
  0x31,
  0xc7,
);

/**
 * Tells what pages look like. The first class that fits is it: zero, text (ASCII, UTF-8, UTF-16 of ASCII
 * characters), high entropy (compressed or encrypted), machine code of x86-64, other.
 *
 * State: memory that is used again.
 */
export class PageClassifier {
  readonly #counts = new Uint32Array(256);

  /** @param page up to 4096 bytes */
  classOf(page: Buffer): ContentClass {
    if (isZero(page)) return 'zero';
    const counts = this.#counts;
    counts.fill(0);
    for (let at = 0; at < page.length; at++) {
      const byte = page[at] as number;
      counts[byte] = (counts[byte] as number) + 1;
    }
    if (this.#isText(page) || this.#isWideText(page)) return 'text';
    if (this.#hasHighEntropy(page.length)) return 'entropy';
    return this.#isCode(page) ? 'code' : 'other';
  }

  #isText(page: Buffer): boolean {
    const zeros = this.#count(0, 1);
    const length = page.length - zeros;
    if (length < MIN_TEXT_BYTES || zeros > trailingZeros(page) + 1) return false;
    let text = 0;
    for (let byte = 0; byte < 128; byte++) {
      if (isTextByte[byte] === 1) text += this.#counts[byte] as number;
    }
    return text + this.#utf8Bytes() >= length * TEXT_SHARE;
  }

  /** Bytes from 0x80 on, if as many of them follow others as UTF-8 asks for; but for a character that is cut at each end. */
  #utf8Bytes(): number {
    const following = this.#count(0x80, 0xc0);
    const two = this.#count(0xc2, 0xe0);
    const three = this.#count(0xe0, 0xf0);
    const four = this.#count(0xf0, 0xf5);
    const isUtf8 = Math.abs(two + 2 * three + 3 * four - following) <= 3;
    return isUtf8 ? following + two + three + four : 0;
  }

  #isWideText(page: Buffer): boolean {
    const zeros = this.#counts[0] as number;
    if (zeros < page.length * 0.4 || zeros > page.length * 0.95) return false;
    const used = page.length - trailingZeros(page);
    if (used < 2 * MIN_TEXT_BYTES) return false;
    let low = 0;
    let high = 0;
    for (let at = 0; at < used && at + 1 < page.length; at += 2) {
      const first = page[at] as number;
      const second = page[at + 1] as number;
      if (second === 0) low += isTextByte[first] as number;
      else if (first === 0) high += isTextByte[second] as number;
    }
    return Math.max(low, high) >= (used / 2) * WIDE_TEXT_SHARE;
  }

  #isCode(page: Buffer): boolean {
    const enough = Math.max(1, page.length * CODE_PAIR_SHARE);
    if ((this.#counts[0x48] as number) < enough / 2) return false;
    let pairs = 0;
    for (let at = 1; at < page.length; at++) {
      pairs +=
        (isRex[page[at - 1] as number] as number) & (isRexOpcode[page[at] as number] as number);
    }
    return pairs >= enough;
  }

  #hasHighEntropy(length: number): boolean {
    if (length < MIN_ENTROPY_BYTES) return false;
    let sum = 0;
    for (const count of this.#counts) sum += countTimesLog(count);
    // Miller and Madow's correction: a sample has less entropy than what it is taken from.
    const bits = Math.log2(length) - sum / length + 255 / (2 * length * Math.LN2);
    return bits >= ENTROPY_BITS;
  }

  #count(firstByte: number, endByte: number): number {
    let sum = 0;
    for (let byte = firstByte; byte < endByte; byte++) sum += this.#counts[byte] as number;
    return sum;
  }
}

const logarithms = Float64Array.from({ length: 4097 }, (_, count) =>
  count === 0 ? 0 : count * Math.log2(count),
);

const countTimesLog = (count: number): number => logarithms[count] as number;

function trailingZeros(page: Buffer): number {
  let end = page.length;
  while (end > 0 && page[end - 1] === 0) end--;
  return page.length - end;
}
