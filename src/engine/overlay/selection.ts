import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { HexzError } from '../errors.js';
import { lowerBound, upperBound } from '../format/search.js';
import { describeSystemError } from '../systemErrors.js';
import type { Extent } from './dirtyPages.js';
import { MAX_DISK_BYTES, PAGE_BYTES } from './pages.js';
import { RangeList } from './rangeList.js';

/** A range of the disk, in bytes. */
export interface SelectedRange {
  readonly startOffset: number;
  readonly endOffset: number;
}

/** Pages as a line of a selection names them: `7`, or `7-9`. */
export const formatPages = (pageIndex: number, pageCount: number): string =>
  pageCount === 1 ? `${pageIndex}` : `${pageIndex}-${pageIndex + pageCount - 1}`;

/** A range of bytes as a line of a selection names it: `0x1000+512`. */
export const formatRange = (offset: number, length: number): string =>
  `0x${offset.toString(16)}+${length}`;

const CHUNK_BYTES = 1024 * 1024;
/** Longer lines are no selection, and are not collected for ever. */
const MAX_LINE_CHARACTERS = 64 * 1024;

/**
 * A part of a disk, named by pages and ranges of bytes (docs/diff.md).
 *
 * Invariant: range i reaches from `#starts[i]` to `#ends[i]`; the ranges are sorted, none is empty, and none
 * touches the next one.
 */
export class Selection {
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;

  private constructor(ranges: RangeList) {
    [this.#starts, this.#ends] = ranges.sorted();
  }

  /**
   * @param fileName what messages call the text
   * @throws HexzError USAGE with file and line
   */
  static parse(text: string, fileName: string): Selection {
    const lines = new LineReader(fileName);
    lines.take(text);
    return new Selection(lines.finish());
  }

  /**
   * Reads a file; a pipe, too.
   *
   * @throws HexzError USAGE with file and line; UNREADABLE
   */
  static read(path: string): Selection {
    const lines = new LineReader(path);
    const decoder = new StringDecoder('utf8');
    for (const chunk of chunksOf(path)) lines.take(decoder.write(chunk));
    lines.take(decoder.end());
    return new Selection(lines.finish());
  }

  /** The selection of these pages, in any order. */
  static ofPages(runs: Iterable<Extent>): Selection {
    const ranges = new RangeList();
    for (const { pageIndex, pageCount } of runs) {
      ranges.add(pageIndex * PAGE_BYTES, (pageIndex + pageCount) * PAGE_BYTES);
    }
    return new Selection(ranges);
  }

  /** The selected parts of a range, in order. */
  *partsIn(startOffset: number, endOffset: number): Generator<SelectedRange, void> {
    if (startOffset >= endOffset) return;
    const first = upperBound(this.#ends, startOffset);
    const behind = lowerBound(this.#starts, endOffset);
    for (let range = first; range < behind; range++) {
      yield {
        startOffset: Math.max(startOffset, this.#starts[range] as number),
        endOffset: Math.min(endOffset, this.#ends[range] as number),
      };
    }
  }
}

function* chunksOf(path: string): Generator<Buffer, void> {
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (cause) {
      throw new HexzError('UNREADABLE', `cannot read it: ${describeSystemError(cause)}`, {
        location: { file: path },
        cause,
      });
    }
  };
  const descriptor = attempt(() => openSync(path, 'r'));
  try {
    for (;;) {
      const count = attempt(() => readSync(descriptor, chunk));
      if (count === 0) return;
      yield chunk.subarray(0, count);
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Reads text line by line, however it comes in pieces.
 *
 * State: `#rest` is the beginning of a line whose end has not come yet.
 */
class LineReader {
  readonly #fileName: string;
  #rest = '';
  #lineNumber = 0;
  readonly #ranges = new RangeList();

  constructor(fileName: string) {
    this.#fileName = fileName;
  }

  take(text: string): void {
    let start = 0;
    for (;;) {
      const end = text.indexOf('\n', start);
      if (end < 0) break;
      this.#takeLine(this.#rest + text.slice(start, end));
      this.#rest = '';
      start = end + 1;
    }
    this.#rest += text.slice(start);
    if (this.#rest.length > MAX_LINE_CHARACTERS) this.#takeLine(this.#rest);
  }

  finish(): RangeList {
    if (this.#rest !== '') this.#takeLine(this.#rest);
    return this.#ranges;
  }

  #takeLine(line: string): void {
    this.#lineNumber++;
    if (line.length > MAX_LINE_CHARACTERS) this.#refuse('the line is too long');
    const text = (this.#lineNumber === 1 ? line.replace(/^\ufeff/, '') : line)
      .replace(/#.*/s, '')
      .trim();
    if (text === '') return;
    const range = parseRange(text);
    if (typeof range === 'string') this.#refuse(range);
    else this.#ranges.add(range.startOffset, range.endOffset);
  }

  #refuse(message: string): never {
    throw new HexzError('USAGE', `line ${this.#lineNumber}: ${message}`, {
      location: { file: this.#fileName },
      hint: 'a line names pages of 4096 bytes (7 or 7-9) or bytes (0x7000+4096, an offset and a length)',
    });
  }
}

const MAX_QUOTED_CHARACTERS = 40;

const quoted = (text: string): string =>
  `"${text.length > MAX_QUOTED_CHARACTERS ? `${text.slice(0, MAX_QUOTED_CHARACTERS)}…` : text}"`;

const NUMBER = String.raw`(0x[0-9a-f]+|\d+)`;
const PAGES = /^(\d+)(?:\s*-\s*(\d+))?$/;
const BYTES = new RegExp(String.raw`^${NUMBER}\s*\+\s*${NUMBER}$`, 'i');
const START_AND_END = new RegExp(String.raw`^${NUMBER}\s*(?:-|–|\.\.+|:|,|\s)\s*${NUMBER}$`, 'i');
const HEX_ALONE = /^0x[0-9a-f]+$/i;
const WITH_UNIT = /\d\s*([kmgt]i?b?|b|bytes|pages?)\b/i;

/** A range, or what is wrong with the line. */
function parseRange(text: string): SelectedRange | string {
  const pages = PAGES.exec(text);
  if (pages !== null) return rangeOfPages(text, pages[1] ?? '', pages[2]);
  const bytes = BYTES.exec(text);
  if (bytes !== null) {
    const length = Number(bytes[2]);
    if (length === 0) return `${quoted(text)} has no bytes`;
    return inDisk(text, Number(bytes[1]), Number(bytes[1]) + length);
  }
  return mistakeIn(text);
}

function rangeOfPages(text: string, first: string, last = first): SelectedRange | string {
  if (Number(last) < Number(first)) return `${quoted(text)} ends before it begins`;
  return inDisk(text, Number(first) * PAGE_BYTES, (Number(last) + 1) * PAGE_BYTES);
}

const inDisk = (text: string, startOffset: number, endOffset: number): SelectedRange | string =>
  endOffset <= MAX_DISK_BYTES
    ? { startOffset, endOffset }
    : `${quoted(text)} lies behind the end of the largest disk (16 TiB)`;

function mistakeIn(text: string): string {
  const line = quoted(text);
  if (HEX_ALONE.test(text)) {
    return `${line} is an offset without a length: write ${text}+LENGTH, or the number of a page in decimal`;
  }
  const [, start, end] = START_AND_END.exec(text) ?? [];
  if (start !== undefined && end !== undefined) {
    if (!/^0x/i.test(start + end)) {
      return `${line} is no range: write ${start}-${end} for pages, ${start}+LENGTH for bytes`;
    }
    const length = Number(end) - Number(start);
    const meant = length > 0 ? ` (perhaps ${start}+${length})` : '';
    return `${line} is no range: bytes are written as offset and length, ${start}+LENGTH${meant}`;
  }
  if (/^[{[]/.test(text))
    return `${line} is JSON: hexz diff --pages without --json prints a selection`;
  if (/^-/.test(text)) return `${line} is below 0`;
  if (WITH_UNIT.test(text)) return `${line} has a unit: bytes are written as plain numbers`;
  if (/^(\/\/|;|--)/.test(text)) return `${line} is no comment: those begin with #`;
  return `${line} names neither pages nor bytes`;
}
