import { HexzError } from '../../engine/errors.js';
import type { Rendering } from '../rendering/rendering.js';
import { type CommandDefinition, defineCommand, type RunContext, required } from './definition.js';
import {
  bytesKind,
  type Comparison,
  choice,
  compare,
  comparisonKind,
  countKind,
  lengthKind,
  offsetKind,
  patternKind,
  sha256Kind,
  streamKind,
} from './kinds.js';
import { placeOf, placeOptions, readWhole } from './place.js';
import { search } from './search.js';

/** What was asserted, and what is. */
interface Assertion {
  readonly passed: boolean;
  readonly actual: string | number | null;
  readonly expected: string | number;
}

const failure = ({ passed, actual, expected }: Assertion): HexzError | undefined =>
  passed
    ? undefined
    : new HexzError('ASSERTION_FAILED', `it is ${actual ?? 'not present'}, not ${expected}`);

/** Who asserts wants to hear of what is wrong; the error says that. */
const quiet: Rendering<Assertion> = {
  text: () => [],
  table: ({ passed, actual }) => [`passed\t${passed}\nactual\t${actual ?? ''}\n`],
};

const shape = { group: 'The session', isComparing: true, failure } as const;

const compared = (actual: number, comparison: Comparison, value: number): Assertion => ({
  passed: compare(actual, comparison, value),
  actual,
  expected: comparison === '=' || comparison === '==' ? value : `${comparison} ${value}`,
});

const equality = choice('=', ['=', '==', '!=']);

const equal = (actual: string | null, comparison: '=' | '==' | '!=', value: string): Assertion => ({
  passed: (actual === value) === (comparison !== '!='),
  actual,
  expected: comparison === '!=' ? `!= ${value}` : value,
});

export const assertHashCommand = defineCommand({
  ...shape,
  name: 'assert hash',
  summary: 'Fails unless a stretch of a stream has this SHA-256',
  examples: [
    'assert hash disk 0 4K = ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7',
  ],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: required(offsetKind, 'where to begin'),
    length: required(lengthKind, 'how far'),
    comparison: required(equality, '`=` or `!=`'),
    sha256: required(sha256Kind, '64 hexadecimal digits'),
  },
  options: placeOptions,
  async run({ session, signal, onProgress }, values) {
    const { offset, length, comparison, sha256 } = values;
    const params = { ...placeOf(values), offset, length };
    const answer = await session.client.request('hash', params, { signal, onProgress });
    return equal(answer.sha256, comparison, sha256);
  },
}).shownAs(quiet);

export const assertBytesCommand = defineCommand({
  ...shape,
  name: 'assert bytes',
  summary: 'Fails unless these bytes stand at an offset',
  examples: ['assert bytes disk 0x438 = x:53ef', "assert bytes disk 0 != 'hello'"],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: required(offsetKind, 'where they begin'),
    comparison: required(equality, '`=` or `!=`'),
    bytes: required(bytesKind, 'text, or hexadecimal digits behind `x:`'),
  },
  options: placeOptions,
  async run({ session, signal }, values) {
    const { offset, comparison, bytes } = values;
    const place = placeOf(values);
    const parts: string[] = [];
    const stretches = readWhole(session.client, place, offset, bytes.length, signal);
    for await (const { bytes: present, length } of stretches) {
      // Not present is not zeros, and equals nothing.
      parts.push(present?.toString('hex') ?? '-'.repeat(length * 2));
    }
    return equal(`x:${parts.join('')}`, comparison, `x:${bytes.toString('hex')}`);
  },
}).shownAs(quiet);

/** A command that compares a number which it finds out. */
const assertCount = (
  name: string,
  summary: string,
  example: string,
  find: (context: RunContext) => Promise<number>,
): CommandDefinition =>
  defineCommand({
    ...shape,
    name,
    summary,
    examples: [example],
    arguments: {
      comparison: required(comparisonKind, '`=`, `!=`, `<`, `<=`, `>` or `>=`'),
      count: required(countKind, 'with what it is compared'),
    },
    options: {},
    run: async (context, { comparison, count }) => compared(await find(context), comparison, count),
  }).shownAs(quiet);

const dirtyPages = async ({ session, signal }: RunContext): Promise<number> =>
  (await session.client.request('dirty', { limit: 1 }, { signal })).dirtyPages;

export const assertDirtyCommand = assertCount(
  'assert dirty',
  'Fails unless the overlay holds so many pages',
  'assert dirty <= 100',
  dirtyPages,
);

const reviewCounts = async ({ session, signal }: RunContext) =>
  (await session.client.request('review', { limit: 1 }, { signal })).counts;

export const assertOpenCommand = assertCount(
  'assert open',
  'Fails unless so many hunks are not decided',
  'assert open = 0',
  async (context) => (await reviewCounts(context)).open,
);

export const assertCleanCommand = defineCommand({
  ...shape,
  name: 'assert clean',
  summary: 'Fails if the overlay holds a page',
  arguments: {},
  options: {},
  run: async (context) => compared(await dirtyPages(context), '=', 0),
}).shownAs(quiet);

export const assertLengthCommand = defineCommand({
  ...shape,
  name: 'assert length',
  summary: 'Fails unless a stream is so long',
  examples: ['assert length disk = 1G'],
  arguments: {
    stream: required(streamKind, 'which stream'),
    comparison: required(comparisonKind, '`=`, `!=`, `<`, `<=`, `>` or `>=`'),
    length: required(lengthKind, 'bytes'),
  },
  options: placeOptions,
  async run({ session, signal }, values) {
    const params = { ...placeOf(values), offset: 0, length: 0 };
    const { endOffset } = await session.client.request('read', params, { signal });
    return compared(endOffset, values.comparison, values.length);
  },
}).shownAs(quiet);

export const assertFoundCommand = defineCommand({
  ...shape,
  name: 'assert found',
  summary: 'Fails unless a pattern is found so many times',
  examples: ["assert found memory 'text' >= 1", 'assert found disk x:deadbeef = 0'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    pattern: required(patternKind, 'what to look for'),
    comparison: required(comparisonKind, '`=`, `!=`, `<`, `<=`, `>` or `>=`'),
    count: required(countKind, 'how many times'),
  },
  options: placeOptions,
  async run(context, values) {
    const { pattern, comparison, count } = values;
    // One more than is asked for decides every comparison.
    const found = search(context, placeOf(values), pattern, { maximum: count + 1 });
    for await (const _ of found.batches());
    return compared(found.tail?.found ?? 0, comparison, count);
  },
}).shownAs(quiet);
