import type { Result } from '../../../engine/control/protocol/methods.js';
import type { Addressing, Answer, CommandDefinition } from '../../../repl/commands/definition.js';
import { formatBytes, printable } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import type { Binding } from '../../keys/bindings.js';
import type { AnswerView } from '../../prompt/routes.js';
import type { Place, ScreenContext } from '../view.js';
import { type MapCommand, mapBindings, memoryBindings } from './bindings.js';
import { HexView } from './hexView.js';
import { classText, legendRow, MapGrid, mapRows } from './mapRows.js';
import { PageMap } from './pageMap.js';
import { gapsBetween } from './rangeOrder.js';

type Description = Result<'memory'>;

/** Of the rows that there are, so many are the map's, and at least these. */
const MAP_SHARE = 0.3;
const MIN_MAP_ROWS = 6;
const MAX_MAP_ROWS = 12;
/** What has fewer rows shows the bytes alone. */
const ROWS_FOR_MAP = 16;
/** What has more of them has room for a legend. */
const ROWS_FOR_LEGEND = 6;

/**
 * The bytes of the memory, with a map of its pages below: what the container is, which kernel is in it, what the pages
 * look like.
 *
 *   state       the map shows               begins with
 *   unknown     that it is being looked at  the first time it is shown
 *   described   cells, as they come         the engine's description
 *
 * The map is made while the view is shown; it goes on where it was when it is shown again.
 */
export class MemoryView implements AnswerView {
  readonly title = 'Memory';
  readonly #context: ScreenContext;
  readonly #bytes: HexView;
  #description: Description | undefined;
  #isAsking = false;
  #map: PageMap | undefined;
  #grid: MapGrid | undefined;
  #isShown = false;
  #hasFocus = false;
  #wantsMap = true;
  #mapRow = Number.POSITIVE_INFINITY;

  constructor(context: ScreenContext) {
    this.#context = context;
    this.#bytes = new HexView(context, 'memory');
  }

  badge(): string {
    return this.#bytes.badge();
  }

  bindings(): readonly Binding[] {
    if (!this.#bytes.model.exists) return [];
    if (this.#hasFocus) return mapBindings;
    const bindings = this.#bytes.bindings();
    return this.#bytes.isInList ? bindings : [...memoryBindings, ...bindings];
  }

  shown(isShown: boolean): void {
    this.#isShown = isShown;
    this.#bytes.shown(isShown);
    if (!isShown) this.#map?.stop();
    else if (this.#bytes.model.exists) void this.#describe();
  }

  goTo(offset: number, addressing?: Addressing): void {
    this.#hasFocus = false;
    this.#bytes.goTo(offset, addressing);
  }

  async takeAnswer(
    command: CommandDefinition,
    answer: Answer,
    signal: AbortSignal,
    text: string,
  ): Promise<boolean> {
    const isTaken = await this.#bytes.takeAnswer(command, answer, signal, text);
    if (isTaken) this.#hasFocus = false;
    return isTaken;
  }

  perform(command: string): void {
    if (command === 'describe') void this.#context.run('memory');
    else if (command === 'map.toggle') this.#wantsMap = !this.#wantsMap;
    else if (command === 'map.enter') this.#enterMap();
    else if (command.startsWith('map.')) this.#performInMap(command as MapCommand);
    else if (command === 'follow') void this.#follow();
    else this.#bytes.perform(command);
  }

  press(place: Place): void {
    const grid = this.#grid;
    this.#hasFocus = false;
    if (place.row < this.#mapRow || grid === undefined) {
      this.#bytes.press(place);
      return;
    }
    // The frame, and the row that says what it is.
    const cell = (place.row - this.#mapRow - 2) * grid.columns + place.column - 1;
    if (place.row >= this.#mapRow + 2 && cell < grid.cellCount) this.#goToCell(cell);
  }

  wheel(lines: number, place: Place): void {
    if (place.row < this.#mapRow) this.#bytes.wheel(lines, place);
  }

  draw(size: Size): readonly string[] {
    const mapRowCount = this.#rowsForMap(size.rows);
    const rows = size.rows - mapRowCount;
    this.#mapRow = mapRowCount === 0 ? Number.POSITIVE_INFINITY : rows;
    const bytes = this.#bytes.draw({ ...size, rows });
    if (mapRowCount === 0) return bytes;
    return [...bytes, ...this.#drawMap({ ...size, rows: mapRowCount })];
  }

  #rowsForMap(rows: number): number {
    if (!this.#wantsMap || !this.#bytes.model.exists || rows < ROWS_FOR_MAP) return 0;
    return Math.min(MAX_MAP_ROWS, Math.max(MIN_MAP_ROWS, Math.floor(rows * MAP_SHARE)));
  }

  #drawMap(size: Size): string[] {
    const { theme } = this.#context;
    const room = inside(size);
    const hasLegend = size.rows >= ROWS_FOR_LEGEND;
    const rows = [this.#describeRow(room.columns)];
    const map = this.#map;
    if (map === undefined || room.columns < 1) {
      this.#grid = undefined;
      return framed(rows, theme, size, 'pages');
    }
    const cells = { ...room, rows: room.rows - 1 - (hasLegend ? 1 : 0) };
    const grid = new MapGrid(map, cells);
    this.#grid = grid;
    const { model } = this.#bytes;
    const selected = model.place.addressing === 'raw' ? -1 : grid.cellOf(model.cursorOffset);
    rows.push(...mapRows(theme, grid, selected));
    if (hasLegend) rows.push(legendRow(theme, room.columns));
    const parts = [`a cell is ${formatBytes(grid.cellBytes)}`];
    if (selected >= 0) {
      const isHole = model.cursorGap !== undefined;
      parts.push(`here ${isHole ? 'a hole' : classText(grid.classOf(selected))}`);
    }
    if (!map.isDone) parts.push(`${Math.floor(100 * map.share)} % looked at`);
    return framed(rows, theme, size, 'pages', { note: parts.join(', '), hasFocus: this.#hasFocus });
  }

  /** `qemu-migration, x86_64, 80.25 MiB in 2 ranges  Linux version …` */
  #describeRow(columns: number): string {
    const line = new Line(this.#context.theme, columns);
    const description = this.#description;
    if (description === undefined) return line.add('looking what it is …', 'dim').end();
    const { container, ranges, furtherRanges, banner, properties, warnings } = description;
    const bytes = ranges.reduce((sum, { length }) => sum + length, 0);
    const count = ranges.length + furtherRanges;
    const facts = [
      container === 'raw' ? 'no container' : container,
      ...(properties.architecture === undefined ? [] : [properties.architecture]),
      `${furtherRanges > 0 ? 'more than ' : ''}${formatBytes(bytes)}${count === 1 ? '' : ` in ${count} ranges`}`,
    ];
    line.add(printable(facts.join(', ')), 'strong').add('  ');
    if (warnings.length > 0) line.add(`${warnings.length} warnings: d`, 'error').add('  ');
    return line
      .add(banner === null ? 'no kernel banner found' : printable(banner.text.trim()))
      .end();
  }

  /** The mount serves the stream as it is: where it is read, is said in offsets of the stream. */
  async #follow(): Promise<void> {
    const isContainer = this.#description?.container !== 'raw';
    if (isContainer && this.#bytes.model.place.addressing !== 'raw') {
      await this.#bytes.addressAsTheMount();
    }
    this.#bytes.perform('follow');
    this.#context.changedNow();
  }

  #enterMap(): void {
    this.#wantsMap = true;
    if (this.#bytes.model.place.addressing === 'raw') {
      this.#context.say('the map is of guest-physical addresses: a switches to them');
    } else {
      this.#hasFocus = true;
    }
  }

  #performInMap(command: MapCommand): void {
    const grid = this.#grid;
    if (command === 'map.open' || grid === undefined) {
      this.#hasFocus = false;
      return;
    }
    const steps: Readonly<Record<typeof command, number>> = {
      'map.left': -1,
      'map.right': 1,
      'map.up': -grid.columns,
      'map.down': grid.columns,
      'map.top': -grid.cellCount,
      'map.bottom': grid.cellCount,
    };
    const cell = grid.cellOf(this.#bytes.model.cursorOffset) + steps[command];
    const offset = grid.offsetOf(Math.max(0, Math.min(cell, grid.cellCount - 1)));
    this.#bytes.model.move((viewport) => viewport.moveTo(offset));
  }

  #goToCell(cell: number): void {
    this.#bytes.model.show('merged', 'guest');
    this.#bytes.model.goTo(this.#grid?.offsetOf(Math.max(0, cell)) ?? 0);
  }

  async #describe(): Promise<void> {
    this.#map?.go();
    if (this.#description !== undefined || this.#isAsking) return;
    this.#isAsking = true;
    const { client } = this.#context.session;
    try {
      const description = await client.request('memory', {});
      this.#description = description;
      const rangeGaps = gapsBetween(description.ranges);
      this.#bytes.model.gaps = rangeGaps;
      const map = new PageMap(
        client,
        description.ranges,
        () => {
          this.#bytes.model.gaps = [
            ...map.gaps,
            ...rangeGaps.filter(({ startOffset }) => startOffset >= map.nextOffset),
          ];
          this.#context.changed();
        },
        (error) => this.#context.fail(error),
      );
      this.#map = map;
      if (this.#isShown) map.go();
    } catch (error) {
      this.#context.fail(error);
    } finally {
      this.#isAsking = false;
      this.#context.changedNow();
    }
  }
}
