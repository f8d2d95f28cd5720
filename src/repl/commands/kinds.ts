import { resolve } from 'node:path';
import type { ErrorLocation } from '../../engine/errors.js';
import { ExpressionError, evaluate } from '../language/expression.js';
import type { Word } from '../language/lexer.js';
import { type PageRange, pagesOf } from '../language/pages.js';
import { Source } from '../language/source.js';
import type { Kind, ParseScope, StreamName } from './definition.js';

/*
 * What the words of commands can be.
 */

/** Where a character of a word lies in the source, quotes and escapes considered. */
const placeIn = (word: Word, at: number): number => word.places[at] ?? word.end;

/** One of a few names. */
export const choice = <const Name extends string>(
  label: string,
  names: readonly Name[],
): Kind<Name> => ({
  label,
  completes: names,
  parse(word, { source }) {
    const name = names.find((one) => one === word.text);
    if (name !== undefined) return name;
    throw source.errorAt(word.start, `${word.text} is none of ${names.join(', ')}`);
  },
});

export const streamKind: Kind<StreamName> = {
  ...choice('STREAM', ['disk', 'memory']),
  completes: 'stream',
};

/** An offset of the stream, as an expression. */
export const offsetKind: Kind<number> = {
  label: 'OFFSET',
  completes: 'offset',
  parse: (word, scope) => parseExpression(word, word.text, 0, scope),
};

/** A number of bytes, as an expression. */
export const lengthKind: Kind<number> = { ...offsetKind, label: 'LENGTH', completes: [] };

/**
 * An offset that was typed where nothing else is.
 *
 * @throws HexzError USAGE
 */
export async function parseOffset(
  text: string,
  scope: Omit<ParseScope, 'source'>,
): Promise<number> {
  const places = Array.from(text, (_, at) => at);
  const word: Word = { text, start: 0, end: text.length, places, isQuoted: true };
  return offsetKind.parse(word, { ...scope, source: new Source(text) });
}

async function parseExpression(
  word: Word,
  text: string,
  textStart: number,
  scope: ParseScope,
): Promise<number> {
  const { session, stream, isRaw, isBase } = scope;
  try {
    return await evaluate(text, {
      cursorOffset: () => session.cursors.get(stream) ?? 0,
      bookmark: (name) => session.bookmarks.get(name),
      endOffset: async () => {
        const { endOffset } = await session.client.request('read', {
          stream,
          offset: 0,
          length: 0,
          addressing: isRaw ? 'raw' : 'guest',
          side: isBase ? 'base' : 'merged',
        });
        return endOffset;
      },
      blockBytes: async () => {
        const { snapshot } = await session.client.request('state', {});
        return snapshot.isVariable ? undefined : snapshot.blockBytes;
      },
    });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw scope.source.errorAt(placeIn(word, textStart + error.at), error.message);
  }
}

/**
 * Pages, as a selection names them (docs/diff.md): `7`, `7-9`, or bytes, `OFFSET+LENGTH`, of which the offset is a
 * hexadecimal number or an expression that is none of the former.
 */
export const pagesKind: Kind<PageRange> = {
  label: 'PAGES',
  completes: 'pages',
  async parse(word, scope) {
    const { text } = word;
    const numbers = /^(\d+)(?:-(\d+))?$/.exec(text);
    if (numbers !== null) {
      const first = Number(numbers[1]);
      const last = Number(numbers[2] ?? numbers[1]);
      if (last < first || !Number.isSafeInteger(last)) {
        throw scope.source.errorAt(word.start, 'the last page is before the first');
      }
      return { pageIndex: first, pageCount: last - first + 1 };
    }
    const plus = text.indexOf('+', 1);
    const start = plus === -1 ? text : text.slice(0, plus);
    const offset = await parseExpression(word, start, 0, scope);
    if (plus === -1) return pagesOf(offset, 1);
    return pagesOf(offset, await parseExpression(word, text.slice(plus + 1), plus + 1, scope));
  },
};

/** Ranges of pages, or a word that stands for many. */
export const pagesOr = <const Name extends string>(
  names: readonly Name[],
): Kind<PageRange | Name> => ({
  label: ['PAGES', ...names].join('|'),
  completes: 'pages',
  words: names,
  parse: (word, scope) => names.find((name) => name === word.text) ?? pagesKind.parse(word, scope),
});

/** A count. */
export const countKind: Kind<number> = {
  label: 'N',
  completes: [],
  parse(word, { source }) {
    const value = /^\d+$/.test(word.text) ? Number(word.text) : Number.NaN;
    if (Number.isSafeInteger(value)) return value;
    throw source.errorAt(word.start, `${word.text} is no count`);
  },
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
/** What timers can hold. */
const MAX_MS = 2 ** 31 - 1;

/** A time in milliseconds, written 500ms, 2s, 1.5m; without a unit in seconds. */
export const durationKind: Kind<number> = {
  label: 'TIME',
  completes: [],
  parse(word, { source }) {
    const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(word.text);
    const value = Math.round(
      Number(parts?.[1]) * (DURATION_UNITS[parts?.[2] ?? 's'] ?? Number.NaN),
    );
    if (value <= MAX_MS) return value;
    throw source.errorAt(word.start, `${word.text} is no time such as 500ms, 2s or 1m`);
  },
};

/** SHA-256, as 64 hexadecimal digits, with or without `sha256:` before them. */
export const sha256Kind: Kind<string> = {
  label: 'SHA256',
  completes: [],
  parse(word, { source }) {
    const digits = word.text.replace(/^sha256:/i, '');
    if (/^[\da-f]{64}$/i.test(digits)) return digits.toLowerCase();
    throw source.errorAt(word.start, 'a SHA-256 has 64 hexadecimal digits');
  },
};

/** Any text. */
export const textKind = (label: string): Kind<string> => ({
  label,
  completes: [],
  parse: ({ text }) => text,
});

/** The path of a file, absolute. */
export const fileKind: Kind<string> = {
  label: 'FILE',
  completes: 'file',
  parse(word, { source }) {
    if (word.text === '') throw source.errorAt(word.start, 'a path must not be empty');
    return resolve(word.text);
  },
};

export const directoryKind: Kind<string> = {
  ...fileKind,
  label: 'DIRECTORY',
  completes: 'directory',
};

/** Text that the engine reads, and whose errors name a column of it. */
export interface PlacedText {
  readonly text: string;
  /** Where a column of the text, from 1, lies in the source. */
  locationOf(column: number): ErrorLocation;
}

export const patternKind: Kind<PlacedText> = {
  label: 'PATTERN',
  completes: ['t:', 'u:', 'w:', 'i:', 'iu:', 'iw:', 'x:', 'r:', 'r/'],
  parse: (word, { source }) => placedText(word, source),
};

const placedText = (word: Word, source: Source): PlacedText => ({
  text: word.text,
  locationOf: (column) => source.locationOf(placeIn(word, column - 1)),
});

/** Bytes: text, or hexadecimal digits behind `x:`. */
export const bytesKind: Kind<Buffer> = {
  label: 'BYTES',
  completes: ['x:'],
  parse(word, { source }) {
    if (!word.text.startsWith('x:')) return Buffer.from(word.text);
    const digits = word.text.slice(2).replace(/[\s_]/g, '');
    if (/^(?:[\da-f]{2})+$/i.test(digits)) return Buffer.from(digits, 'hex');
    throw source.errorAt(
      placeIn(word, 2),
      'hexadecimal digits are expected behind x:, two for a byte',
    );
  },
};

export const isBookmarkName = (text: string): boolean => /^\w+$/.test(text);

export const bookmarkKind: Kind<string> = {
  label: 'NAME',
  completes: 'bookmark',
  parse(word, { source }) {
    if (isBookmarkName(word.text)) return word.text;
    throw source.errorAt(word.start, 'a name has letters, digits and _ only');
  },
};

const comparisons = ['=', '==', '!=', '<', '<=', '>', '>='] as const;
export type Comparison = (typeof comparisons)[number];
export const comparisonKind: Kind<Comparison> = choice('COMPARISON', comparisons);

/** Whether it holds. */
export function compare(left: number, comparison: Comparison, right: number): boolean {
  switch (comparison) {
    case '=':
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
  }
}
