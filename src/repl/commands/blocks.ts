import type { ListedBlock } from '../../engine/control/protocol/inspection.js';
import { MAX_LISTED_BLOCKS } from '../../engine/control/protocol/methods.js';
import { pagedListing } from '../listing.js';
import { rows } from '../rendering/rendering.js';
import { formatBytes, formatOffset } from '../rendering/values.js';
import { defineCommand, optional, required, type StreamName } from './definition.js';
import { countKind, offsetKind, streamKind } from './kinds.js';
import { offsetColumn } from './place.js';

export const blocksCommand = defineCommand({
  name: 'blocks',
  group: 'Look',
  summary: 'Lists the blocks of a stream, and where their stored bytes lie',
  examples: ['blocks disk', 'blocks disk 0x10000 20'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: optional(offsetKind, 'a byte of the first one; without, at 0'),
    count: optional(countKind, 'how many; without, all'),
  },
  options: {},
  async run({ session, signal }, { stream, offset = 0, count = Number.POSITIVE_INFINITY }) {
    let left = count;
    return pagedListing<ListedBlock, { stream: StreamName; offset: number }, object>(
      { stream, offset },
      'blocks',
      offset,
      async (from) => {
        const limit = Math.min(left, MAX_LISTED_BLOCKS);
        if (limit === 0) return { items: [], next: null, rest: {} };
        const params = { stream, offset: from, limit };
        const { blocks, nextOffset } = await session.client.request('blocks', params, { signal });
        left -= blocks.length;
        return { items: blocks, next: left === 0 ? null : nextOffset, rest: {} };
      },
    );
  },
}).shownAs(
  rows({
    columns: [
      offsetColumn,
      {
        title: 'block',
        width: 8,
        isRight: true,
        text: ({ blockIndex }) => `${blockIndex}`,
      },
      {
        title: 'length',
        width: 10,
        isRight: true,
        text: ({ length }) => formatBytes(length),
        value: ({ length }) => length,
      },
      { title: 'kind', width: 6, text: ({ kind }) => kind },
      {
        title: 'stored at',
        width: 14,
        text: ({ storedOffset }) => (storedOffset === null ? '-' : formatOffset(storedOffset)),
        value: ({ storedOffset }) => storedOffset,
      },
      {
        title: 'stored',
        width: 10,
        isRight: true,
        text: ({ storedLength }) => (storedLength === null ? '-' : formatBytes(storedLength)),
        value: ({ storedLength }) => storedLength,
      },
      {
        title: 'ratio',
        width: 7,
        isRight: true,
        text: ({ ratio }) => (ratio === null ? '-' : `${(ratio * 100).toFixed(1)} %`),
        value: ({ ratio }) => ratio,
      },
      {
        title: 'dirty',
        width: 5,
        isRight: true,
        text: ({ dirtyPages }) => (dirtyPages === 0 ? '-' : `${dirtyPages}`),
        value: ({ dirtyPages }) => dirtyPages,
      },
      { title: 'cached', width: 6, text: ({ isCached }) => (isCached ? 'yes' : '-') },
    ],
    empty: ({ stream, offset }) => `no block of the ${stream} covers ${formatOffset(offset)}`,
  }),
);
