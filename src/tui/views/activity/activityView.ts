import type { Block } from '../../../engine/control/protocol/inspection.js';
import type { HexzError } from '../../../engine/errors.js';
import type { Answer, CommandDefinition, StreamName } from '../../../repl/commands/definition.js';
import type { Size } from '../../drawing/panel.js';
import type { Binding } from '../../keys/bindings.js';
import type { AnswerView } from '../../prompt/routes.js';
import type { Place, ScreenContext } from '../view.js';
import { drawActivity, type MapPlace } from './activityDrawing.js';
import { type DetailCommand, detailBindings, type MapCommand, mapBindings } from './bindings.js';
import { CellDetail } from './cellDetail.js';
import { exportDocument, exportToFile } from './exporting.js';
import { FADED_MS } from './heat.js';
import { ActivityHistory } from './history.js';
import type { MapLayout } from './mapDrawing.js';
import { Moment } from './moment.js';
import { SHOWN_SECONDS } from './numbers.js';
import { type ShownStream, ShownStreams } from './shownStreams.js';

const SECOND_MS = 1000;
const FAR_MS = 10 * SECOND_MS;
const PAGE_BLOCKS = 10;
/** How long after the last sample something still moves. */
const MOVING_MS = Math.max(FADED_MS, SHOWN_SECONDS * SECOND_MS);
/** Readers and cache of the selected block are asked for again after this time at the earliest. */
const EXPLAIN_MS = 1000;

/**
 * What happens: a map of a stream with reads that fade, numbers of the last minute, the last requests, and the blocks
 * of one cell.
 *
 * State: `#history` has what happened, also while another view is shown; `#moment` says which part of it is seen.
 * `#streams` are those that were shown, with what is known of them. `#detail` is there while the blocks of a cell are
 * shown, and gets the keys then. Nothing is asked of the engine while another view is shown.
 */
export class ActivityView implements AnswerView {
  readonly title = 'Activity';
  readonly #context: ScreenContext;
  readonly #history = new ActivityHistory();
  readonly #moment = new Moment(this.#history);
  readonly #streams: ShownStreams;
  #stream: StreamName;
  /** A cell of the grid; the screen shows it together with others. */
  #selectedCell = 0;
  #detail: CellDetail | undefined;
  #explainedAt = 0;
  #isDetailStale = false;
  #isShown = false;
  /** Of the map that is seen, and that was seen last. */
  #mapPlace: MapPlace | undefined;
  #layout: MapLayout = { columns: 1, cellsPerSign: 1, signs: 1 };

  readonly #telling = {
    changed: (): void => this.#context.changed(),
    failed: (error: unknown): void => this.#context.fail(error),
    met: (error: HexzError): void => this.#context.engine.met(error),
    warn: (text: string, code: string): void => this.#context.engine.note('warning', text, code),
  };

  constructor(context: ScreenContext) {
    this.#context = context;
    this.#streams = new ShownStreams(context.session.client, this.#telling);
    const { streams } = context.engine.state.snapshot;
    this.#stream = streams.disk === undefined && streams.memory !== undefined ? 'memory' : 'disk';
    context.engine.onSample((sample) => {
      this.#history.add(sample);
      this.#isDetailStale = true;
      this.#streams.invalidate();
    });
    context.onTick(() => this.#tick());
  }

  badge(): string {
    return this.#moment.isLive ? '' : 'held';
  }

  bindings(): readonly Binding[] {
    const bindings: readonly Binding[] = this.#detail === undefined ? mapBindings : detailBindings;
    if (this.#moment.isLive) return bindings;
    return bindings.map((binding) =>
      binding.command === 'pause' ? { ...binding, hint: 'go on live' } : binding,
    );
  }

  shown(isShown: boolean): void {
    this.#isShown = isShown;
    if (isShown) this.#tick();
  }

  perform(command: string): void {
    if (this.#detail === undefined) this.#onMap[command as MapCommand]();
    else this.#onDetail[command as DetailCommand](this.#detail);
  }

  draw(size: Size): readonly string[] {
    const { grid, heats } = this.#shownStream();
    const { rows, mapPlace } = drawActivity(size, {
      theme: this.#context.theme,
      state: this.#context.engine.state,
      isEnded: this.#context.engine.end !== undefined,
      history: this.#history,
      moment: this.#moment,
      grid,
      heats,
      damage: this.#context.engine.damage,
      selectedCell: this.#selectedCell,
      detail: this.#detail,
    });
    this.#mapPlace = mapPlace;
    if (mapPlace !== undefined) this.#layout = mapPlace.layout;
    return rows;
  }

  press({ row, column }: Place): void {
    if (this.#mapPlace === undefined) return;
    const { layout, row: firstRow, rows } = this.#mapPlace;
    // Behind the frame.
    if (row < 1) return;
    const [mapRow, mapColumn] = [row - firstRow, column - 1];
    const sign = mapRow * layout.columns + mapColumn;
    const isInside = mapRow >= 0 && mapRow < rows && mapColumn >= 0 && mapColumn < layout.columns;
    if (!isInside || sign >= layout.signs) return;
    const isSelected = Math.floor(this.#selectedCell / layout.cellsPerSign) === sign;
    this.#selectedCell = sign * layout.cellsPerSign;
    if (isSelected || this.#detail !== undefined) this.#openDetail();
  }

  wheel(lines: number): void {
    this.#detail?.select(this.#detail.selected + lines);
  }

  /** A block that was asked for is shown with those behind it. */
  takeAnswer(command: CommandDefinition, answer: Answer): boolean {
    if (command.name !== 'block' || !isBlock(answer.result)) return false;
    const { stream, offset } = answer.result;
    this.#stream = stream;
    this.#selectedCell = Math.floor(offset / this.#shownStream().grid.cellBytes);
    this.#openDetail(offset);
    return true;
  }

  readonly #pause = (): void => {
    this.#moment.toggle();
    this.#context.changed();
  };

  #moveMoment(milliseconds: number): void {
    this.#moment.move(milliseconds);
    this.#context.changed();
  }

  readonly #export = (): void => {
    const { grid } = this.#shownStream();
    const { path } = this.#context.engine.state.snapshot;
    const document = exportDocument(path, grid, this.#history, this.#moment.time);
    void exportToFile(this.#context, document);
  };

  readonly #onMap: Readonly<Record<MapCommand, () => void>> = {
    left: () => this.#step(-1),
    right: () => this.#step(1),
    up: () => this.#step(-this.#layout.columns),
    down: () => this.#step(this.#layout.columns),
    first: () => {
      this.#selectedCell = 0;
    },
    last: () => {
      this.#selectedCell = Math.max(0, this.#shownStream().grid.cellCount - 1);
    },
    detail: () => this.#openDetail(),
    back: () => this.#moveMoment(-SECOND_MS),
    forward: () => this.#moveMoment(SECOND_MS),
    farBack: () => this.#moveMoment(-FAR_MS),
    farForward: () => this.#moveMoment(FAR_MS),
    stream: () => this.#turnStream(),
    pause: this.#pause,
    export: this.#export,
  };

  readonly #onDetail: Readonly<Record<DetailCommand, (detail: CellDetail) => void>> = {
    up: (detail) => detail.select(detail.selected - 1),
    down: (detail) => detail.select(detail.selected + 1),
    pageUp: (detail) => detail.select(detail.selected - PAGE_BLOCKS),
    pageDown: (detail) => detail.select(detail.selected + PAGE_BLOCKS),
    first: (detail) => detail.select(0),
    last: (detail) => detail.select(detail.blocks.length - 1),
    left: () => this.#turnCell(-1),
    right: () => this.#turnCell(1),
    read: (detail) => this.#readBlock(detail),
    close: () => this.#closeDetail(),
    pause: this.#pause,
    export: this.#export,
  };

  #turnCell(signs: number): void {
    this.#step(signs);
    this.#openDetail();
  }

  /** Goes so many cells of the screen on. */
  #step(signs: number): void {
    const { cellsPerSign, signs: count } = this.#layout;
    const sign = Math.floor(this.#selectedCell / cellsPerSign) + signs;
    if (sign >= 0 && sign < count) this.#selectedCell = sign * cellsPerSign;
  }

  #turnStream(): void {
    const other: StreamName = this.#stream === 'disk' ? 'memory' : 'disk';
    if (this.#context.engine.state.snapshot.streams[other] === undefined) {
      this.#context.say(`the snapshot has no ${other}`);
      return;
    }
    this.#stream = other;
    this.#selectedCell = 0;
    this.#tick();
  }

  /** @param startOffset where the list begins; without, where the selected cell does */
  #openDetail(startOffset?: number): void {
    const { grid } = this.#shownStream();
    const cellBytes = grid.cellBytes * this.#layout.cellsPerSign;
    const sign = Math.floor((this.#selectedCell * grid.cellBytes) / cellBytes);
    this.#closeDetail();
    this.#detail = new CellDetail(
      this.#context.session.client,
      {
        stream: this.#stream,
        startOffset: startOffset ?? sign * cellBytes,
        endOffset: Math.min(grid.length, (sign + 1) * cellBytes),
      },
      this.#telling,
    );
  }

  #closeDetail(): void {
    this.#detail?.close();
    this.#detail = undefined;
  }

  #readBlock({ stream, blocks, selected }: CellDetail): void {
    const block = blocks[selected];
    if (block === undefined) return;
    this.#context.showOffset(stream, block.offset, 'raw');
  }

  #shownStream(): ShownStream {
    return this.#streams.of(this.#stream, this.#context.engine.state);
  }

  #tick(): void {
    if (!this.#isShown) return;
    const { fetcher } = this.#shownStream();
    fetcher.refresh();
    const now = Date.now();
    if (this.#detail !== undefined && this.#isDetailStale && now - this.#explainedAt > EXPLAIN_MS) {
      this.#isDetailStale = false;
      this.#explainedAt = now;
      this.#detail.refresh();
    }
    // How long ago a held moment was, or what fades.
    const isMoving = !this.#moment.isLive || now - (this.#history.newestTime ?? 0) < MOVING_MS;
    if (fetcher.isStale) this.#context.changed();
    else if (isMoving) this.#context.changedIn(SECOND_MS);
  }
}

/** What was written elsewhere answers something else. */
const isBlock = (result: unknown): result is Block =>
  typeof result === 'object' && result !== null && 'blockIndex' in result;
