import { formatPages, PAGE_BYTES, type PageRange, pagesOf } from '../language/pages.js';
import { type Listing, pagedListing } from '../listing.js';
import { rows } from '../rendering/rendering.js';
import { countOf, formatBytes } from '../rendering/values.js';
import { defineCommand, optional } from './definition.js';
import { lengthKind, offsetKind } from './kinds.js';
import { offsetColumn } from './place.js';

interface DirtyExtent extends PageRange {
  readonly offset: number;
  readonly length: number;
}

interface DirtyTail {
  readonly dirtyPages: number;
  readonly diskLength: number;
}

/** Of pages, the part that lies in a range of them. */
function cutTo(range: PageRange, from: number, to: number): PageRange | undefined {
  const first = Math.max(range.pageIndex, from);
  const end = Math.min(range.pageIndex + range.pageCount, to);
  return first < end ? { pageIndex: first, pageCount: end - first } : undefined;
}

export const dirtyCommand = defineCommand({
  name: 'dirty',
  group: 'Changes',
  summary: 'Lists the extents: runs of pages that the overlay holds',
  details: ['A count of all dirty pages stands at the end, also where only a part is listed.'],
  examples: ['dirty', 'dirty 1M 1M', 'dirty > extents.txt'],
  arguments: {
    offset: optional(offsetKind, 'where to begin; without, at 0'),
    length: optional(lengthKind, 'how far; without, to the end'),
  },
  options: {},
  async run(
    { session, signal },
    { offset = 0, length },
  ): Promise<Listing<DirtyExtent, { offset: number }, DirtyTail>> {
    const range = pagesOf(offset, length ?? 1);
    const endPage =
      length === undefined ? Number.POSITIVE_INFINITY : range.pageIndex + range.pageCount;
    return pagedListing({ offset }, 'extents', range.pageIndex, async (fromPage) => {
      const answer = await session.client.request('dirty', { fromPage }, { signal });
      const { dirtyPages, diskLength, nextPage } = answer;
      const items = answer.extents.flatMap((extent) => {
        const part = cutTo(extent, range.pageIndex, endPage);
        if (part === undefined) return [];
        const { pageIndex, pageCount } = part;
        return [
          { pageIndex, pageCount, offset: pageIndex * PAGE_BYTES, length: pageCount * PAGE_BYTES },
        ];
      });
      const next = nextPage !== null && nextPage < endPage ? nextPage : null;
      return { items, next, rest: { dirtyPages, diskLength } };
    });
  },
}).shownAs(
  rows({
    columns: [
      offsetColumn,
      {
        title: 'length',
        width: 11,
        isRight: true,
        text: ({ length }) => formatBytes(length),
        value: ({ length }) => length,
      },
      { title: 'pages', width: 0, text: formatPages, style: () => 'dirty' },
    ],
    after: ({ dirtyPages, diskLength }) => [
      `${countOf(dirtyPages, 'dirty page')} (${formatBytes(dirtyPages * PAGE_BYTES)}) of a disk of ${formatBytes(diskLength)}`,
    ],
  }),
);
