import type { FoundString, Match } from '../../engine/control/protocol/inspection.js';
import { HexzError } from '../../engine/errors.js';
import { Listing, listingOf } from '../listing.js';
import { lookalikeNote } from '../patterns.js';
import { rows } from '../rendering/rendering.js';
import { countOf, formatBytes } from '../rendering/values.js';
import {
  defineCommand,
  flag,
  option,
  optional,
  type RunContext,
  required,
  type SessionState,
} from './definition.js';
import { withGuestOffsets } from './guestOffsets.js';
import {
  countKind,
  lengthKind,
  offsetKind,
  type PlacedText,
  patternKind,
  streamKind,
} from './kinds.js';
import {
  besideColumns,
  offsetColumn,
  type Place,
  placeOf,
  placeOptions,
  type ShownPlace,
  shownPlace,
} from './place.js';

/** An error of the engine names a column of the pattern; people look for it in their line. */
function inLine(error: unknown, pattern: PlacedText): unknown {
  if (!(error instanceof HexzError) || error.location.column === undefined) return error;
  const location = pattern.locationOf(error.location.column);
  const message = error.message.replace(/^column \d+ of the pattern: /, '');
  return new HexzError(error.code, message, { location, hint: error.hint, cause: error });
}

interface FindHead extends ShownPlace {
  readonly offset: number;
  readonly pattern: string;
}

interface SearchTail {
  readonly found: number;
  readonly searchedBytes: number;
}

const searchedText = ({ found, searchedBytes }: SearchTail, one: string, many: string): string =>
  `${countOf(found, one, many)} in ${formatBytes(searchedBytes)}`;

/** The bytes around a match as hexadecimal digits: results have all bytes so. */
const withHexPreview = (match: Match): Match => ({
  ...match,
  preview: Buffer.from(match.preview, 'base64').toString('hex'),
});

/** Searches; counts without looking at what was found if there is nobody who shows it. */
export function search(
  { session, signal, onProgress }: RunContext,
  place: Place,
  pattern: PlacedText,
  range: {
    readonly offset?: number | undefined;
    readonly length?: number | undefined;
    readonly isBackward?: boolean;
    readonly maximum?: number | undefined;
  },
): Listing<Match, FindHead, SearchTail> {
  const { offset = 0 } = range;
  const params = { ...place, ...range, offset, pattern: pattern.text };
  const found = listingOf(
    { ...shownPlace(place), offset, pattern: pattern.text },
    'matches',
    () => session.client.stream('search', params, { signal, onProgress }),
    withHexPreview,
    (answer: SearchTail) => answer,
  );
  return new Listing(found.head, found.name, async function* () {
    try {
      return yield* found.batches();
    } catch (error) {
      throw inLine(error, pattern);
    }
  });
}

/** Of what was found, as many places as people choose from. */
const MAX_HITS = 16;

/** Keeps the last places of a search for completion. */
function remembering(
  { hits }: SessionState,
  { stream }: Place,
  found: Listing<Match, FindHead, SearchTail>,
): typeof found {
  return new Listing(found.head, found.name, async function* () {
    hits.set(stream, []);
    for await (const batch of found.batches()) {
      const offsets = batch.slice(-MAX_HITS).map(({ offset }) => offset);
      hits.set(stream, [...(hits.get(stream) ?? []), ...offsets].slice(-MAX_HITS));
      yield batch;
    }
    return found.tail ?? { found: 0, searchedBytes: 0 };
  });
}

/** What is around a match, as text: of what `find` lists. */
export const previewText = ({ preview }: Match): string =>
  Buffer.from(preview, 'hex')
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.');

export const findCommand = defineCommand({
  name: 'find',
  group: 'Search',
  summary: 'Lists every place where a pattern is found',
  details: [
    "`'text'` is found as it is, `u:text` in UTF-16, `i:text` in any case, `x:de??beef` as bytes (`??` is any byte), `r:` begins a regular expression; `help search` has them all. Quote a pattern that has `|`, `;`, `>`, `#`, a backslash or a blank.",
  ],
  examples: [
    "find memory 'Linux version'",
    'find disk x:53ef 0x400 1K',
    "find disk 'r:id_(rsa|dsa)' --max 10",
  ],
  arguments: {
    stream: required(streamKind, 'where to look'),
    pattern: required(patternKind, 'what to look for'),
    offset: optional(offsetKind, 'where to begin; without, at 0'),
    length: optional(lengthKind, 'how far; without, to the end'),
  },
  options: {
    max: option(countKind, 'end after so many'),
    backward: flag('from the end to the beginning'),
    ...placeOptions,
  },
  async run(context, values) {
    const { pattern, offset, length, max, backward } = values;
    const range = { offset, length, isBackward: backward, maximum: max };
    const place = placeOf(values);
    const { session, signal } = context;
    const found = remembering(session, place, search(context, place, pattern, range));
    return withGuestOffsets(found, session.client, place, signal);
  },
}).shownAs(
  rows({
    columns: [
      offsetColumn,
      ...besideColumns,
      { title: 'length', width: 6, isRight: true, text: ({ length }) => `${length}` },
      { title: 'around', width: 0, text: previewText },
    ],
    after: (tail, { pattern }) => {
      const note = lookalikeNote(pattern);
      return [searchedText(tail, 'match', 'matches'), ...(note === undefined ? [] : [note])];
    },
  }),
);

export const stringsCommand = defineCommand({
  name: 'strings',
  group: 'Search',
  summary: 'Lists the texts in a stretch of a stream',
  examples: ['strings disk 0 1M --min 8', 'strings memory | grep -i password'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: optional(offsetKind, 'where to begin; without, at 0'),
    length: optional(lengthKind, 'how far; without, to the end'),
  },
  options: {
    min: option(countKind, 'characters that a text has at least (default: 4)'),
    max: option(countKind, 'end after so many'),
    ...placeOptions,
  },
  async run({ session, signal, onProgress }, values) {
    const { offset = 0, length, min, max } = values;
    const place = placeOf(values);
    const params = { ...place, offset, length, minimumLength: min, maximum: max };
    const strings = listingOf(
      { ...shownPlace(place), offset },
      'strings',
      () => session.client.stream('strings', params, { signal, onProgress }),
      (found: FoundString) => found,
      (answer: SearchTail) => answer,
    );
    return withGuestOffsets(strings, session.client, place, signal);
  },
}).shownAs(
  rows({
    columns: [
      offsetColumn,
      ...besideColumns,
      { title: 'encoding', width: 8, text: ({ encoding }) => encoding, style: () => 'dim' },
      { title: 'text', width: 0, text: ({ text }) => text },
    ],
    after: (tail) => [searchedText(tail, 'text', 'texts')],
  }),
);
