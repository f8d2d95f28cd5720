import type {
  WireDifference,
  WireDiffRow,
  WireDiffTally,
} from '../../engine/control/protocol/inspection.js';
import { formatPages } from '../language/pages.js';
import { type Listing, listingOf, orWithoutOverlay, type WithoutOverlay } from '../listing.js';
import { chooseLayout, rowText } from '../rendering/hexView.js';
import { type Pieces, type Rendering, rows } from '../rendering/rendering.js';
import { countOf, formatBytes, formatCount } from '../rendering/values.js';
import { defineCommand, flag, option, optional } from './definition.js';
import { countKind, lengthKind, offsetKind } from './kinds.js';
import { offsetColumn } from './place.js';

/** A row as hexadecimal digits, shorter where a side ends; or what is between rows. */
type HexItem =
  | {
      readonly offset: number;
      readonly before: string;
      readonly after: string;
      readonly isChanged: boolean;
    }
  | { readonly skippedRows: number }
  | { readonly end: WireDifference };

type Range = { readonly offset: number };
type DiffListing = Listing<WireDifference, Range, WireDiffTally | WithoutOverlay>;
type HexListing = Listing<HexItem, Range, { changedRows: number } | WithoutOverlay>;

const isHexListing = (listing: DiffListing | HexListing): listing is HexListing =>
  listing.name === 'rows';

const hexDigits = (bytes: string): string => Buffer.from(bytes, 'base64').toString('hex');

function hexItem(item: WireDiffRow): HexItem {
  if (!('row' in item)) return item;
  const { row } = item;
  return { ...row, before: hexDigits(row.before), after: hexDigits(row.after) };
}

const endText = ({ kind, offset, length }: WireDifference): string =>
  `... the disk is ${kind === 'grown' ? 'longer' : 'shorter'}: ${formatBytes(length)} from 0x${offset.toString(16)} on`;

const differenceText = ({ kind, differentBytes, newBytes, length }: WireDifference): string => {
  if (kind === 'equal') return 'same as base';
  if (kind === 'new') return `${countOf(newBytes, 'new byte')}`;
  if (kind === 'cut' || kind === 'grown' || kind === 'removed') return formatBytes(length);
  return `${countOf(differentBytes, 'byte')} differ${newBytes === 0 ? '' : `, ${formatCount(newBytes)} new`}`;
};

const tallyText = ({ extents, changedPages, ...tally }: WireDiffTally): string =>
  `${countOf(extents, 'extent')}: ${countOf(changedPages, 'page')} changed, ${formatCount(tally.newPages)} new, ${formatCount(tally.equalPages)} the same as the base; ${countOf(tally.differentBytes, 'byte')} differ, ${formatCount(tally.newBytes)} new`;

const listRendering = rows<WireDifference, Range, WireDiffTally | WithoutOverlay>({
  columns: [
    offsetColumn,
    {
      title: 'length',
      width: 11,
      isRight: true,
      text: ({ length }) => formatBytes(length),
      value: ({ length }) => length,
    },
    {
      title: 'kind',
      width: 7,
      text: ({ kind }) => kind,
      style: ({ kind }) => (kind === 'equal' ? 'dim' : 'difference'),
    },
    { title: 'pages', width: 13, text: formatPages },
    {
      title: 'differs',
      width: 0,
      text: differenceText,
      value: ({ differentBytes }) => differentBytes,
    },
  ],
  empty: () => 'nothing differs',
  after: (tail) => ['note' in tail ? tail.note : tallyText(tail)],
});

const hexRendering: Rendering<HexListing> = {
  async *text(listing, { columns, isColoured }) {
    const layout = chooseLayout(columns, isColoured, 0);
    for await (const batch of listing.batches()) {
      for (const item of batch) {
        if ('skippedRows' in item) {
          yield `... ${countOf(item.skippedRows, 'equal row')}\n`;
        } else if ('end' in item) {
          yield `${endText(item.end)}\n`;
        } else {
          const before = Buffer.from(item.before, 'hex');
          const after = Buffer.from(item.after, 'hex');
          for (let at = 0; at < Math.max(before.length, after.length); at += layout.rowBytes) {
            const part = (side: Buffer) => side.subarray(at, at + layout.rowBytes);
            yield `${rowText({ offset: item.offset + at, before: part(before), after: part(after) }, layout)}\n`;
          }
        }
      }
    }
    const { tail } = listing;
    if (tail === undefined) return;
    if ('note' in tail) yield `${tail.note}\n`;
    else if (tail.changedRows === 0) yield 'nothing differs\n';
  },
  async *table(listing) {
    yield 'offset\tbefore\tafter\n';
    for await (const batch of listing.batches()) {
      for (const item of batch) {
        if ('offset' in item) yield `${item.offset}\t${item.before}\t${item.after}\n`;
      }
    }
  },
};

export const diffCommand = defineCommand({
  name: 'diff',
  group: 'Changes',
  summary: 'Lists what the overlay has changed against its base',
  details: [
    'A line for each extent, with `--runs` for each run of pages of one kind, with `--pages` for each page. `--hex` shows the bytes of both sides beside each other. docs/diff.md explains the kinds.',
  ],
  examples: ['diff', 'diff --pages 1M 64K', 'diff --hex 0x32000 1p'],
  arguments: {
    offset: optional(offsetKind, 'where to begin; without, at 0'),
    length: optional(lengthKind, 'how far; without, to the end'),
  },
  options: {
    runs: flag('a line for each run of pages of one kind'),
    pages: flag('a line for each page'),
    hex: flag('show the bytes'),
    context: option(countKind, 'equal rows around those that differ, with --hex (default: 3)'),
  },
  async run(
    { session, signal, usageError, onProgress },
    values,
  ): Promise<DiffListing | HexListing> {
    const { offset, length, runs, pages, hex, context } = values;
    if ([runs, pages, hex].filter(Boolean).length > 1) {
      throw usageError('--runs, --pages and --hex exclude each other');
    }
    const head = { offset: offset ?? 0 };
    if (hex) {
      const params = { offset, length, contextRows: context };
      return orWithoutOverlay(
        listingOf(
          head,
          'rows',
          () => session.client.stream('diffRows', params, { signal, onProgress }),
          hexItem,
          (answer) => answer,
        ),
      );
    }
    const granularity: 'page' | 'run' | 'extent' = pages ? 'page' : runs ? 'run' : 'extent';
    const params = { granularity, offset, length };
    return orWithoutOverlay(
      listingOf(
        head,
        'differences',
        () => session.client.stream('diff', params, { signal, onProgress }),
        (difference: WireDifference) => difference,
        (tally) => tally,
      ),
    );
  },
}).shownAs({
  text: (listing, view): Pieces =>
    isHexListing(listing) ? hexRendering.text(listing, view) : listRendering.text(listing, view),
  table: (listing, view): Pieces =>
    isHexListing(listing) ? hexRendering.table(listing, view) : listRendering.table(listing, view),
});
