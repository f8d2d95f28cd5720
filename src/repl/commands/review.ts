import type { Hunk, ReviewAction, ReviewCounts } from '../../engine/control/protocol/review.js';
import { HexzError } from '../../engine/errors.js';
import { readTextFile } from '../files.js';
import { formatPages, PAGE_BYTES, type PageRange } from '../language/pages.js';
import { listingOf, orWithoutOverlay, pagedListing } from '../listing.js';
import { facts, type Rendering, rows } from '../rendering/rendering.js';
import { countOf, formatOffset } from '../rendering/values.js';
import {
  type CommandDefinition,
  defineCommand,
  flag,
  type RunContext,
  required,
  rest,
  some,
} from './definition.js';
import { fileKind, pagesKind, pagesOr } from './kinds.js';

const countsLine = ({ hunks, keep, drop, open, viewed }: ReviewCounts): string =>
  `${keep + drop} of ${countOf(hunks, 'hunk')} decided: keep ${keep}, drop ${drop}, open ${open}; viewed ${viewed}`;

const linesOf = (counts: ReviewCounts): readonly string[] =>
  counts.unsaved === null ? [countsLine(counts)] : [countsLine(counts), counts.unsaved];

const countsRendering: Rendering<ReviewCounts> = {
  text: (counts) => linesOf(counts).map((line) => `${line}\n`),
  table: facts<ReviewCounts>((counts) =>
    Object.entries(counts).map(([name, value]) => [name, `${value ?? 'no'}`]),
  ).table,
};

const MARKS = { keep: '[k]', drop: '[d]', open: '[ ]' } as const;

export const reviewCommand = defineCommand({
  name: 'review',
  aliases: ['hunks'],
  group: 'Review',
  summary: 'Lists the hunks: what is dirty, and what was decided about it',
  details: [
    'The review is one for all who watch the engine, and is kept beside the overlay. Where that is open for reading only, its review is taken up, but what is decided lives as long as the engine, and that is said. `commit` leaves out what is dropped. A hunk that was written after it was decided or viewed is marked.',
  ],
  examples: ['review', 'review > review.txt'],
  arguments: {},
  options: {},
  run: async ({ session, signal }) =>
    orWithoutOverlay(
      pagedListing({}, 'hunks', 0, async (fromPage) => {
        const { hunks, nextPage, counts } = await session.client.request(
          'review',
          { fromPage },
          { signal },
        );
        // The list has that name.
        const { hunks: hunksCount, ...rest } = counts;
        return { items: hunks, next: nextPage, rest: { ...rest, hunksCount } };
      }),
    ),
}).shownAs(
  rows({
    columns: [
      {
        title: '',
        width: 3,
        text: ({ decision }) => MARKS[decision],
        value: ({ decision }) => decision,
        style: ({ decision }) => (decision === 'open' ? 'dirty' : 'plain'),
      },
      {
        title: 'offset',
        width: 11,
        text: ({ pageIndex }) => formatOffset(pageIndex * PAGE_BYTES),
        value: ({ pageIndex }) => pageIndex * PAGE_BYTES,
      },
      { title: 'pages', width: 13, text: formatPages },
      {
        title: '',
        width: 0,
        text: ({ isViewed, hasChangedSince }: Hunk) =>
          [isViewed ? 'viewed' : '', hasChangedSince ? 'changed since' : '']
            .filter(Boolean)
            .join(', '),
        style: ({ hasChangedSince }) => (hasChangedSince ? 'difference' : 'dim'),
      },
    ],
    empty: () => 'nothing is dirty',
    after: (tail) => {
      if ('note' in tail) return [tail.note];
      const { hunksCount: hunks, ...counts } = tail;
      return linesOf({ ...counts, hunks });
    },
  }),
);

/** One step of the review for each range; the counts behind the last. */
async function decide(
  { session, signal }: RunContext,
  changes: readonly ReviewAction[],
): Promise<ReviewCounts> {
  let counts: ReviewCounts | undefined;
  for (const change of changes) {
    counts = await session.client.request('decide', { change }, { signal });
  }
  return counts ?? (await session.client.request('review', { limit: 1 }, { signal })).counts;
}

type Chosen = PageRange | 'all' | 'open';

const PAGES_ABOUT = 'what: `7`, `7-9`, `0x7000+4096`, or a word for many';

/** What `open` means depends on the action, and only `keep` has it. */
const changesOf = (
  action: 'keep' | 'drop' | 'clear',
  chosen: readonly Chosen[],
): readonly ReviewAction[] =>
  chosen.map((one) => {
    if (one === 'open') return { action: 'keepOpen' };
    return one === 'all' ? { action } : { action, pages: one };
  });

export const keepCommand = defineCommand({
  name: 'keep',
  group: 'Review',
  summary: 'Decides that pages are committed',
  details: ['`keep open` keeps everything that is not decided yet.'],
  examples: ['keep 50', 'keep 320-331 0xff0000+8K', 'keep open'],
  arguments: { pages: some(pagesOr(['all', 'open']), PAGES_ABOUT) },
  options: {},
  run: (context, { pages }) => decide(context, changesOf('keep', pages)),
}).shownAs(countsRendering);

interface LiveDrop {
  readonly droppedPages: number;
}

export const dropCommand = defineCommand({
  name: 'drop',
  group: 'Review',
  summary:
    'Decides that pages are left out of a commit; with --live, takes them out of the overlay',
  details: [
    'Without `--live` nothing but the review changes. `drop --live` takes pages out of the overlay of the live mount at once, so that the base shows through: these, or without PAGES all that the review drops. It is refused (exit status 7) while something above the mount keeps bytes of its own: a loop device, an NBD client, a mapping, a writer. `--force` does it all the same; what is mounted on the disk may then be corrupted.',
  ],
  examples: ['drop 4080-4081', 'drop --live', 'drop --live 50'],
  arguments: { pages: rest(pagesOr(['all']), PAGES_ABOUT) },
  options: {
    live: flag('change the overlay, not the review'),
    force: flag('with --live, also while something uses the disk'),
  },
  async run(context, { pages, live, force }): Promise<ReviewCounts | LiveDrop> {
    if (!live) {
      if (force) throw context.usageError('--force goes with --live');
      if (pages.length === 0) throw context.usageError('name pages, or all');
      return decide(context, changesOf('drop', pages));
    }
    const { session, signal } = context;
    const ranges = pages.filter((one) => one !== 'all');
    if (ranges.length < pages.length) {
      throw context.usageError(
        'all is for the review; drop --live takes pages, or what the review drops',
      );
    }
    const params = ranges.length === 0 ? { force } : { force, pages: ranges };
    return session.client.request('drop', params, { signal });
  },
}).shownAs({
  text: (result, view) =>
    'droppedPages' in result
      ? [`${countOf(result.droppedPages, 'page')} dropped from the overlay\n`]
      : countsRendering.text(result, view),
  table: (result, view) =>
    'droppedPages' in result
      ? [`droppedPages\t${result.droppedPages}\n`]
      : countsRendering.table(result, view),
});

export const clearCommand = defineCommand({
  name: 'clear',
  group: 'Review',
  summary: 'Takes decisions back',
  examples: ['clear 50', 'clear all'],
  arguments: { pages: some(pagesOr(['all']), PAGES_ABOUT) },
  options: {},
  run: (context, { pages }) => decide(context, changesOf('clear', pages)),
}).shownAs(countsRendering);

export const viewedCommand = defineCommand({
  name: 'viewed',
  group: 'Review',
  summary: 'Marks pages as looked at, without deciding',
  examples: ['viewed 50', 'viewed all --not'],
  arguments: { pages: some(pagesOr(['all']), PAGES_ABOUT) },
  options: { not: flag('take the mark away') },
  run: (context, { pages, not }) =>
    decide(
      context,
      pages.map((one) => {
        const change = { action: 'viewed', isViewed: !not } as const;
        return one === 'all' ? change : { ...change, pages: one };
      }),
    ),
}).shownAs(countsRendering);

export const splitCommand = defineCommand({
  name: 'split',
  group: 'Review',
  summary: 'Cuts a hunk in two, before a page',
  examples: ['split 325'],
  arguments: { page: required(pagesKind, 'the first page of the second part') },
  options: {},
  run: (context, { page }) => decide(context, [{ action: 'split', pageIndex: page.pageIndex }]),
}).shownAs(countsRendering);

export const joinCommand = defineCommand({
  name: 'join',
  group: 'Review',
  summary: 'Makes one hunk of those in a range',
  examples: ['join 320-331'],
  arguments: { pages: required(pagesKind, 'what becomes one hunk') },
  options: {},
  run: (context, { pages }) => decide(context, [{ action: 'join', pages }]),
}).shownAs(countsRendering);

const historyCommand = (
  name: 'undo' | 'redo',
  summary: string,
  details: readonly string[] = [],
): CommandDefinition =>
  defineCommand({
    name,
    group: 'Review',
    summary,
    details,
    arguments: {},
    options: {},
    run: (context) => decide(context, [{ action: name }]),
  }).shownAs(countsRendering);

export const undoCommand = historyCommand('undo', 'Takes back the last change of the review', [
  'It covers what was decided, viewed, split and joined, by whoever watches the engine: the last 10 000 changes, or fewer where they are very large. It does not cover what changes the disk: `write`, `drop --live`, and what programs write. `drop --live` also ends what can be undone of the review.',
]);
export const redoCommand = historyCommand('redo', 'Makes again what was taken back');

export const selectionCommand = defineCommand({
  name: 'selection',
  group: 'Review',
  summary: 'Prints what is dirty and not dropped, as `hexz commit --select` takes it',
  examples: ['selection > keep.txt'],
  arguments: {},
  options: {},
  run: async ({ session, signal }) =>
    listingOf(
      {},
      'lines',
      () => session.client.stream('selection', {}, { signal }),
      (line: string) => line,
      (answer: { pages: number }) => answer,
    ),
}).shownAs(rows({ columns: [{ title: '', width: 0, text: (line) => line }], hasNoHeading: true }));

/** What the protocol takes in one request. */
const MAX_SELECTION_CHARACTERS = 16 * 1024 * 1024;

export const selectCommand = defineCommand({
  name: 'select',
  group: 'Review',
  summary: 'Takes decisions from a selection: keeps what it names, drops the rest',
  examples: ['select keep.txt'],
  arguments: { file: required(fileKind, 'a selection (docs/diff.md)') },
  options: {},
  async run({ session, signal }, { file }) {
    const selection = await readTextFile(file);
    if (selection.length > MAX_SELECTION_CHARACTERS) {
      throw new HexzError(
        'LIMIT',
        `a selection has at most ${MAX_SELECTION_CHARACTERS} characters`,
        {
          location: { file },
        },
      );
    }
    return session.client.request('select', { selection }, { signal });
  },
}).shownAs(countsRendering);
