import type { Block, ListedBlock } from '../../../engine/control/protocol/inspection.js';
import { eventOutcome } from '../../../repl/rendering/activity.js';
import { countOf, formatBytes, formatOffset, printable } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { beside, framed, inside, type Size } from '../../drawing/panel.js';
import { fit as inCells, shortenStart, wrap } from '../../drawing/text.js';
import type { Style, Theme } from '../../drawing/theme.js';
import type { DamagedBlocks } from '../../model/damage.js';
import type { CellDetail } from './cellDetail.js';
import { clockTime } from './feedDrawing.js';

/** With fewer, the list leaves out what stands in the reasons, too. */
const COLUMNS_FOR_WHOLE_LIST = 100;
/** Where it is narrower, one stands below the other. */
export const COLUMNS_FOR_BOTH = 76;

/** The blocks of a cell, and beside them why the selected one is as it is. */
export function detailRows(
  theme: Theme,
  size: Size,
  detail: CellDetail,
  damage: DamagedBlocks,
): string[] {
  if (size.columns < COLUMNS_FOR_BOTH) {
    const listRows = Math.min(size.rows, Math.max(5, Math.floor(size.rows / 3)));
    return [
      ...listPanel(
        theme,
        { ...size, rows: listRows },
        detail,
        listColumnsFor(offsetColumnsOf(detail), damage),
      ),
      ...whyPanel(theme, { ...size, rows: size.rows - listRows }, detail),
    ];
  }
  const all = listColumnsFor(offsetColumnsOf(detail), damage);
  const columns = all.slice(0, size.columns < COLUMNS_FOR_WHOLE_LIST ? 3 : all.length);
  const listWidth = columns.reduce((sum, { width }) => sum + width + 1, 2);
  return beside(
    listPanel(theme, { ...size, columns: listWidth }, detail, columns),
    whyPanel(theme, { ...size, columns: size.columns - listWidth }, detail),
  );
}

const offsetColumnsOf = ({ endOffset }: CellDetail): number => formatOffset(endOffset).length;

function listPanel(
  theme: Theme,
  size: Size,
  detail: CellDetail,
  columns: readonly ListColumn[],
): string[] {
  const room = inside(size);
  const { blocks, selected, stream, nextOffset } = detail;
  // The first row is the heading.
  const height = Math.max(1, room.rows - 1);
  const first = Math.max(0, Math.min(selected - Math.floor(height / 2), blocks.length - height));
  const rows = [listHeading(theme, room.columns, columns)];
  for (let index = first; index < Math.min(first + height, blocks.length); index++) {
    const block = blocks[index] as ListedBlock;
    rows.push(listRow(theme, room.columns, columns, block, index === selected));
  }
  if (blocks.length === 0) {
    const text = nextOffset === null ? 'No block of the snapshot lies here.' : 'asking …';
    rows.push(new Line(theme, room.columns).add(text, 'dim').end());
  }
  const more = detail.isCut ? ', first part' : nextOffset === null ? '' : '+';
  return framed(rows, theme, size, `${stream} from ${formatOffset(detail.startOffset)}`, {
    note: `${selected + 1} of ${blocks.length}${more}`,
    hasFocus: true,
  });
}

interface ListColumn {
  readonly title: string;
  readonly width: number;
  readonly text: (block: ListedBlock) => string;
  readonly style?: (block: ListedBlock) => Style;
}

const isDamaged = ({ stream, offset, length }: ListedBlock, damage: DamagedBlocks): boolean =>
  damage.within(stream, offset, offset + length) !== undefined;

const listColumnsFor = (offsetColumns: number, damage: DamagedBlocks): readonly ListColumn[] => [
  { title: 'offset', width: offsetColumns, text: ({ offset }) => formatOffset(offset) },
  {
    title: 'kind',
    width: 7,
    text: (block) => (isDamaged(block, damage) ? 'damaged' : block.kind),
    style: (block) => (isDamaged(block, damage) ? 'error' : 'plain'),
  },
  {
    title: 'stored',
    width: 10,
    text: ({ storedLength }) => (storedLength === null ? '-' : formatBytes(storedLength)),
  },
  {
    title: 'dirty',
    width: 5,
    text: ({ dirtyPages }) => (dirtyPages === 0 ? '-' : `${dirtyPages}`),
    style: ({ dirtyPages }) => (dirtyPages === 0 ? 'dim' : 'dirty'),
  },
  { title: 'cached', width: 6, text: ({ isCached }) => (isCached ? 'yes' : '-') },
];

function listHeading(theme: Theme, width: number, columns: readonly ListColumn[]): string {
  const line = new Line(theme, width);
  for (const column of columns) line.add(inCells(column.title, column.width), 'dim').add(' ');
  return line.end();
}

function listRow(
  theme: Theme,
  width: number,
  columns: readonly ListColumn[],
  block: ListedBlock,
  isSelected: boolean,
): string {
  const line = new Line(theme, width, { isSelected });
  for (const column of columns) {
    line.add(inCells(column.text(block), column.width), column.style?.(block)).add(' ');
  }
  return line.end();
}

function whyPanel(theme: Theme, size: Size, { why, blocks, selected }: CellDetail): string[] {
  const room = inside(size);
  const block = blocks[selected];
  const title = block === undefined ? 'why' : `why block ${block.blockIndex}`;
  if (why === undefined) {
    const text = block === undefined ? '' : 'asking …';
    return framed([new Line(theme, room.columns).add(text, 'dim').end()], theme, size, title);
  }
  const rows = factsOf(why, room.columns).flatMap(([label, text, style]) =>
    factRows(theme, room.columns, label, text, style),
  );
  return framed(rows, theme, size, title);
}

type WhyFact = readonly [label: string, text: string, style?: Style];

const LABEL_COLUMNS = 9;

function factRows(
  theme: Theme,
  width: number,
  label: string,
  text: string,
  style: Style = 'plain',
): string[] {
  return wrap(text, Math.max(8, width - LABEL_COLUMNS)).map((part, index) =>
    new Line(theme, width)
      .add(index === 0 ? label : '', 'dim')
      .to(LABEL_COLUMNS)
      .add(part, style)
      .end(),
  );
}

/** The most telling first: what has no room is not shown. */
function factsOf(block: Block, width: number): readonly WhyFact[] {
  const { offset, length, dirtyPages, lastReads, hash, damage } = block;
  const reason: readonly WhyFact[] =
    damage === null ? [] : [['damage', printable(`${damage.message} [${damage.code}]`), 'error']];
  return [
    ...reason,
    ['offset', `${formatOffset(offset)}, ${formatBytes(length)}`],
    ['is', kindText(block)],
    ...storedFacts(block, width),
    ['cache', cacheText(block)],
    [
      'overlay',
      dirtyPages === 0 ? 'no dirty page' : countOf(dirtyPages, 'dirty page'),
      dirtyPages === 0 ? 'plain' : 'dirty',
    ],
    ...sharedFacts(block),
    ['BLAKE3', hash ?? 'not recorded'],
    ...(lastReads.length === 0 ? [['readers', 'not among the last requests'] as const] : []),
    ...lastReads.map(
      (event, index): WhyFact => [
        index === 0 ? 'readers' : '',
        `${clockTime(event.time)} ${formatBytes(event.length)} at ${formatOffset(event.offset)}, ${eventOutcome(event)}`,
      ],
    ),
  ];
}

function kindText({ kind, storedOffset }: Block): string {
  if (kind === 'zero') return 'zeros, which take no room';
  if (kind === 'parent') {
    return storedOffset === null ? 'borrowed from a parent' : 'borrowed from the parent below';
  }
  return 'stored in this snapshot';
}

function cacheText({ isCached, kind }: Block): string {
  if (isCached) return 'decoded in memory';
  return kind === 'zero' ? 'not needed' : 'not in memory: a read decodes it';
}

function storedFacts(block: Block, width: number): readonly WhyFact[] {
  const { storedOffset, storedLength, ratio, compression, isEncrypted, file, kind } = block;
  const room = Math.max(8, width - LABEL_COLUMNS);
  const from: WhyFact[] = kind === 'zero' ? [] : [['file', shortenStart(printable(file), room)]];
  if (storedOffset === null || storedLength === null) return from;
  const share = ratio === null ? '' : `, ${(ratio * 100).toFixed(1)} %`;
  const codec = `${printable(compression ?? 'none')}${isEncrypted ? ', encrypted' : ''}`;
  return [
    ['stored', `${formatBytes(storedLength)} at ${formatOffset(storedOffset)}${share}`],
    ['codec', codec],
    ...from,
  ];
}

function sharedFacts({ storedOffset, sharedBy, sharedAt, offset, stream }: Block): WhyFact[] {
  if (storedOffset === null) return [];
  if (sharedBy === null) return [['shared', 'looking through the index …', 'dim']];
  if (sharedBy <= 1) return [['shared', 'with no other block']];
  const others = sharedAt.filter((place) => place.offset !== offset || place.stream !== stream);
  const places = others
    .slice(0, 4)
    .map(
      (place) =>
        `${place.stream === stream ? '' : `${place.stream} `}${formatOffset(place.offset)}`,
    );
  const more = sharedBy - 1 > places.length ? ', …' : '';
  return [['shared', `with ${countOf(sharedBy - 1, 'other')}: ${places.join(', ')}${more}`]];
}
