import type { EngineState } from '../../../engine/control/protocol/engineState.js';
import {
  countOf,
  formatBytes,
  formatOffset,
  printable,
  shortBytes,
} from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { beside, fitRows, framed, inside, type Size } from '../../drawing/panel.js';
import { wrap } from '../../drawing/text.js';
import type { Theme } from '../../drawing/theme.js';
import type { DamagedBlocks } from '../../model/damage.js';
import { emptyText } from '../emptyText.js';
import type { CellDetail } from './cellDetail.js';
import { COLUMNS_FOR_BOTH, detailRows } from './detailDrawing.js';
import { clockTime, feedBefore, feedRows } from './feedDrawing.js';
import { fillHeat } from './heat.js';
import type { ActivityHistory } from './history.js';
import { layoutOf, legendRows, type MapLayout, mapRows } from './mapDrawing.js';
import type { Moment } from './moment.js';
import { numbersAt } from './numbers.js';
import { numberRows } from './numbersDrawing.js';
import { noAmounts, type StreamGrid } from './streamGrid.js';

/** With fewer rows there is no map, and with fewer columns no numbers beside it. */
const ROWS_FOR_MAP = 10;
const ROWS_FOR_MAP_AND_NARROW_DETAIL = 26;
const COLUMNS_FOR_NUMBERS = 64;
const NUMBER_COLUMNS = 25;
const WIDE_NUMBER_COLUMNS = 33;
const COLUMNS_FOR_WIDE = 110;
/** Of all rows, those of the requests. */
const FEED_SHARE = 0.35;
const MIN_FEED_ROWS = 6;
const DETAIL_SHARE = 0.6;
/** All that there is to say of most blocks, at 80 columns. */
const MIN_DETAIL_ROWS = 14;
/** Two rows of cells, and the selected one in words. */
const MIN_MAP_ROWS = 5;

/** Everything that is seen. */
export interface ActivityPicture {
  readonly theme: Theme;
  readonly state: EngineState;
  /** Whether there is no engine any more. */
  readonly isEnded: boolean;
  readonly history: ActivityHistory;
  readonly moment: Moment;
  readonly grid: StreamGrid;
  readonly damage: DamagedBlocks;
  /** Memory for the heat of each cell. */
  readonly heats: Uint8Array;
  readonly selectedCell: number;
  readonly detail: CellDetail | undefined;
}

/** Where the map is, for the mouse. */
export interface MapPlace {
  readonly layout: MapLayout;
  /** Where its first row is, counted from the top of the view; above it where that is scrolled away. */
  readonly row: number;
  /** Rows up to the last that is seen. */
  readonly rows: number;
}

/** The rows of the view. */
export function drawActivity(
  size: Size,
  picture: ActivityPicture,
): { readonly rows: readonly string[]; readonly mapPlace: MapPlace | undefined } {
  const { rows: height, columns } = size;
  const { theme, moment } = picture;
  const time = moment.time;
  // Cells stay as large as they are when the blocks of one are shown.
  const fullHeight = mapHeightOf(height, FEED_SHARE);
  const mapHeight = picture.detail === undefined ? fullHeight : mapHeightBesideDetail(size);
  const rows: string[] = [];
  let mapPlace: MapPlace | undefined;
  if (mapHeight > 0) {
    const numberColumns = numberColumnsOf(columns);
    const mapSize = { rows: mapHeight, columns: columns - numberColumns };
    const map = mapPanel(mapSize, fullHeight, picture, time);
    mapPlace = map.place;
    const numbers = numbersPanel({ rows: mapHeight, columns: numberColumns }, picture, time);
    rows.push(...(numberColumns === 0 ? map.rows : beside(map.rows, numbers)));
  }
  const rest = { rows: height - mapHeight, columns };
  rows.push(
    ...(picture.detail === undefined
      ? feedPanel(rest, picture, time)
      : detailRows(theme, rest, picture.detail, picture.damage)),
  );
  return { rows: fitRows(rows, theme, size), mapPlace };
}

function mapHeightOf(height: number, shareBelow: number): number {
  if (height < ROWS_FOR_MAP) return 0;
  return height - Math.max(MIN_FEED_ROWS, Math.round(height * shareBelow));
}

function mapHeightBesideDetail({ rows, columns }: Size): number {
  if (columns < COLUMNS_FOR_BOTH && rows < ROWS_FOR_MAP_AND_NARROW_DETAIL) return 0;
  const height = Math.min(rows - MIN_DETAIL_ROWS, mapHeightOf(rows, DETAIL_SHARE));
  return height < MIN_MAP_ROWS ? 0 : height;
}

function numberColumnsOf(columns: number): number {
  if (columns < COLUMNS_FOR_NUMBERS) return 0;
  return columns < COLUMNS_FOR_WIDE ? NUMBER_COLUMNS : WIDE_NUMBER_COLUMNS;
}

function mapPanel(
  size: Size,
  fullHeight: number,
  picture: ActivityPicture,
  time: number,
): { readonly rows: readonly string[]; readonly place: MapPlace | undefined } {
  const { theme, grid, heats, history, moment, selectedCell } = picture;
  const room = inside(size);
  if (grid.cellCount === 0) return { rows: emptyMap(theme, size, picture), place: undefined };
  const legend = legendOf(theme, room);
  const mapSize = { ...room, rows: Math.max(0, room.rows - legend.length - 1) };
  const fullRoom = inside({ ...size, rows: fullHeight });
  const fullRows = Math.max(0, fullRoom.rows - legendOf(theme, fullRoom).length - 1);
  const layout = layoutOf(grid, { ...fullRoom, rows: fullRows });
  const selectedSign = Math.floor(selectedCell / layout.cellsPerSign);
  const selectedRow = Math.floor(selectedSign / Math.max(1, layout.columns));
  const firstRow = Math.max(
    0,
    Math.min(selectedRow - Math.floor(mapSize.rows / 2), fullRows - mapSize.rows),
  );
  fillHeat(heats, grid.cellBytes, history, grid.stream, time);
  const occupancy = grid.occupancyAt(time);
  const signBytes = grid.cellBytes * layout.cellsPerSign;
  const damagedSigns = new Set(
    picture.damage.of(grid.stream).map(({ offset }) => Math.floor(offset / signBytes)),
  );
  const seen = { grid, occupancy, heats, damagedSigns, selectedSign, firstRow };
  const rows = [
    ...mapRows(theme, mapSize, layout, seen),
    selectionRow(theme, room.columns, picture, layout, occupancy),
    ...legend,
  ];
  const cell = shortBytes(signBytes);
  const title = `${grid.stream}   0 … ${formatBytes(grid.length)}   cell ${cell}`;
  const note = moment.isLive ? presentText(picture) : `‖ HELD ${clockTime(time).slice(0, 8)}`;
  const framedRows = framed(rows, theme, size, title, { note });
  return { rows: framedRows, place: { layout, row: 1 - firstRow, rows: firstRow + mapSize.rows } };
}

function presentText({ isEnded, state }: ActivityPicture): string {
  if (isEnded) return 'ended';
  return state.mount === null ? 'not mounted' : 'live';
}

/** Why there is no cell. */
function emptyMap(theme: Theme, size: Size, { grid, state }: ActivityPicture): string[] {
  const { stream } = grid;
  const { columns } = inside(size);
  const text = emptyText(stream, state);
  const rows = wrap(text, Math.max(1, columns)).map((row) =>
    new Line(theme, columns).add(row, 'dim').end(),
  );
  return framed(rows, theme, size, stream);
}

const legendOf = (theme: Theme, room: Size): string[] =>
  room.rows < 6 ? [] : legendRows(theme, { ...room, rows: room.rows < 9 ? 1 : 3 });

/** That what is seen is not the present. */
function heldText(time: number): string {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
  return `‖ HELD at ${clockTime(time).slice(0, 8)}, ${countOf(seconds, 'second')} ago`;
}

/** Where the selected cell is, and what there is of it. */
function selectionRow(
  theme: Theme,
  columns: number,
  { grid, selectedCell, damage }: ActivityPicture,
  { cellsPerSign }: MapLayout,
  occupancy: ReturnType<StreamGrid['occupancyAt']>,
): string {
  const line = new Line(theme, columns);
  const first = Math.floor(selectedCell / cellsPerSign) * cellsPerSign;
  const amounts = grid.sum(first, first + cellsPerSign, occupancy, noAmounts());
  const { dataBytes, zeroBytes, parentBytes, dirtyPages, cachedBlocks } = amounts;
  const known = dataBytes + zeroBytes + parentBytes;
  line.add('▸ ').add(formatOffset(first * grid.cellBytes), 'strong');
  const endOffset = (first + cellsPerSign) * grid.cellBytes;
  const error = damage.within(grid.stream, first * grid.cellBytes, endOffset);
  if (error !== undefined) line.add(`  ${error.code}: cannot be read, ⏎ says why`, 'error');
  const share = (bytes: number): string => `${Math.round((bytes / known) * 100)} %`;
  if (known === 0) line.add('  unknown', 'dim');
  if (dirtyPages > 0) line.add(`  ${countOf(dirtyPages, 'dirty page')}`, 'dirty');
  if (cachedBlocks > 0) line.add(`  ${countOf(cachedBlocks, 'block')} cached`, 'cold');
  if (dataBytes > 0) line.add(`  stored ${share(dataBytes)}`);
  if (zeroBytes > 0) line.add(`  zero ${share(zeroBytes)}`, 'dim');
  if (parentBytes > 0) line.add(`  parent ${share(parentBytes)}`);
  return line.end();
}

function numbersPanel(size: Size, { theme, history }: ActivityPicture, time: number): string[] {
  const room = inside(size);
  const rows = numberRows(theme, room, numbersAt(history, time, room.columns));
  return framed(rows, theme, size, 'last 60 s');
}

function feedPanel(size: Size, picture: ActivityPicture, time: number): string[] {
  const { theme, history, moment } = picture;
  const room = inside(size);
  const entries = feedBefore(history, time, room.rows);
  const { streams } = picture.state.snapshot;
  const largestOffset = Math.max(0, ...Object.values(streams).map(({ length }) => length));
  const rows =
    entries.length === 0 ? emptyFeed(picture, room) : feedRows(theme, room, entries, largestOffset);
  const note = moment.isLive ? 'paused: no' : heldText(time);
  return framed(rows, theme, size, 'events', { note });
}

/** Why there is nothing, and what would fill it. */
function emptyFeed({ theme, state, moment }: ActivityPicture, room: Size): string[] {
  const text = !moment.isLive
    ? 'Nothing is kept of the time before this moment.'
    : state.mount === null
      ? 'Nothing was read or written: nothing is mounted. :mount DIRECTORY mounts the snapshot, and what programs read and write there stands here.'
      : `Nothing was read or written yet. What programs read and write at ${printable(state.mount.mountpoint)} stands here.`;
  return wrap(text, Math.max(1, room.columns)).map((line) =>
    new Line(theme, room.columns).add(line, 'dim').end(),
  );
}
