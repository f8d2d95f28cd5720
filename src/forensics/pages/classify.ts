import { HexzError } from '../../engine/errors.js';
import { PAGE_BYTES } from '../../engine/overlay/pages.js';
import { type ByteRange, contiguousRanges, totalLength } from '../byteRanges.js';
import type { ByteSource } from '../byteSource.js';
import type { ZeroRunAt } from '../streamSource.js';
import { type ContentClass, PageClassifier } from './pageClass.js';

/** `same`: what a base or parent has there too. The rest says what the bytes look like. */
export type PageClass = ContentClass | 'same';

/** Pages of one class. */
export interface PageRun {
  readonly kind: 'run';
  readonly startOffset: number;
  /** In bytes. */
  readonly length: number;
  readonly class: PageClass;
}

export type PageStep =
  | PageRun
  /** How far it is; after each MiB. */
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number };

export interface ClassifyOptions {
  /** Where to look, in the order of offsets and without overlaps; default everywhere. No run spans a gap. */
  readonly ranges?: Iterable<ByteRange> | undefined;
  /** Lets zeros be told that an index knows, without reading them. */
  readonly zeroRunAt?: ZeroRunAt | undefined;
  /**
   * How many bytes from an offset on are those of a base or parent; 0 where they are not, or where that is not known.
   * Looks no further than the limit.
   */
  readonly sameRunAt?: ((offset: number, limit: number) => number) | undefined;
}

const PIECE_BYTES = 1024 * 1024;
const MAX_LOOK_AHEAD_BYTES = 2 ** 40;

/**
 * Classes of the pages of a source, in runs. Pages begin at multiples of 4096, and where a range begins. Zeros come before
 * `same`: what is zero on both sides is zero. What an index tells is not read. Memory: a MiB.
 *
 * @throws HexzError USAGE for ranges that are none; what reading the source throws
 */
export function* classifyPages(
  source: ByteSource,
  { ranges, zeroRunAt, sameRunAt }: ClassifyOptions = {},
): Generator<PageStep, void> {
  const wanted = contiguousRanges(ranges, source.length);
  const totalBytes = totalLength(wanted);
  const classifier = new PageClassifier();
  const memory = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const known: readonly [PageClass, ZeroRunAt | undefined][] = [
    ['zero', zeroRunAt],
    ['same', sameRunAt],
  ];
  let doneBefore = 0;
  for (const range of wanted) {
    const rangeEnd = range.startOffset + range.length;
    const runs = new Runs();
    let lookAhead = PIECE_BYTES;
    for (let offset = range.startOffset; offset < rangeEnd; ) {
      const limit = Math.min(lookAhead, rangeEnd - offset);
      const told = wholePages(known, offset, limit, rangeEnd);
      if (told !== undefined) {
        yield* runs.add(offset, told.length, told.class);
        offset += told.length;
        lookAhead = Math.min(lookAhead * 2, MAX_LOOK_AHEAD_BYTES);
      } else {
        lookAhead = PIECE_BYTES;
        const bytes = read(source, offset, memory, Math.min(rangeEnd, nextBorder(offset)));
        let at = 0;
        while (at < bytes.length) {
          const pageOffset = offset + at;
          if (at > 0 && wholePages(known, pageOffset, PAGE_BYTES, rangeEnd) !== undefined) break;
          const page = bytes.subarray(at, pageEnd(pageOffset, rangeEnd) - offset);
          yield* runs.add(pageOffset, page.length, classifier.classOf(page));
          at += page.length;
        }
        offset += at;
      }
      yield { kind: 'progress', doneBytes: doneBefore + offset - range.startOffset, totalBytes };
    }
    yield* runs.end();
    doneBefore += range.length;
  }
}

const nextBorder = (offset: number): number => (Math.floor(offset / PIECE_BYTES) + 1) * PIECE_BYTES;

const pageEnd = (offset: number, rangeEnd: number): number =>
  Math.min(rangeEnd, (Math.floor(offset / PAGE_BYTES) + 1) * PAGE_BYTES);

/** The whole pages from an offset on that are told without reading; undefined without one. */
function wholePages(
  known: readonly (readonly [PageClass, ZeroRunAt | undefined])[],
  offset: number,
  limit: number,
  rangeEnd: number,
): { readonly class: PageClass; readonly length: number } | undefined {
  for (const [pageClass, runAt] of known) {
    const end = offset + Math.min(limit, runAt?.(offset, limit) ?? 0);
    const wholeEnd = end === rangeEnd ? end : end - (end % PAGE_BYTES);
    if (wholeEnd > offset) return { class: pageClass, length: wholeEnd - offset };
  }
  return undefined;
}

function read(source: ByteSource, offset: number, memory: Buffer, endOffset: number): Buffer {
  const bytes = memory.subarray(0, endOffset - offset);
  if (source.readInto(offset, bytes) < bytes.length) {
    throw new HexzError('UNREADABLE', 'the source ended while it was read', {
      location: { offset },
    });
  }
  return bytes;
}

/** Puts pages of one class together. State: the run that still grows; none at the beginning. */
class Runs {
  #startOffset = 0;
  #length = 0;
  #class: PageClass = 'other';

  *add(offset: number, length: number, pageClass: PageClass): Generator<PageRun, void> {
    if (this.#length > 0 && pageClass !== this.#class) yield* this.end();
    if (this.#length === 0) this.#startOffset = offset;
    this.#class = pageClass;
    this.#length += length;
  }

  *end(): Generator<PageRun, void> {
    const run = { startOffset: this.#startOffset, length: this.#length, class: this.#class };
    this.#length = 0;
    if (run.length > 0) yield { kind: 'run', ...run };
  }
}
