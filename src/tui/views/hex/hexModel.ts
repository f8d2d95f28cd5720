import type { ActivityEvent, ActivitySample } from '../../../engine/control/protocol/activity.js';
import type { EngineState } from '../../../engine/control/protocol/engineState.js';
import type { Reading } from '../../../engine/control/protocol/inspection.js';
import type { HexzError } from '../../../engine/errors.js';
import type { Addressing, StreamName } from '../../../repl/commands/definition.js';
import type { Place } from '../../../repl/commands/place.js';
import { Latest } from '../../model/latest.js';
import type { ScreenContext } from '../view.js';
import { AddressRows, type Gap } from './addressRows.js';
import { Finder, type FoundRange } from './finder.js';
import { DirtyPages, FoundMarks } from './nearby.js';
import { PlaceHistory } from './placeHistory.js';
import { StreamBytes } from './streamBytes.js';
import { Viewport } from './viewport.js';

const NO_GAPS: readonly Gap[] = [];

interface Visited {
  readonly offset: number;
  readonly addressing: Addressing;
}

/** What is looked at with the cursor. */
interface Inspected {
  readonly place: Place;
  readonly offset: number;
}

/**
 * What a hex view shows of a stream: which side, how it is addressed, where the cursor is, and what is known of the
 * bytes around it. Knows no keys and draws nothing.
 *
 * Invariants: the session's cursor of the stream is moved along with ours. While `isFollowing`, the cursor goes where
 * the stream is read; whatever else moves it ends that. What was read of the merged disk turns stale when it may have
 * changed: where a sample says that something was written, and all of it when pages came or went.
 */
export class HexModel {
  readonly stream: StreamName;
  readonly viewport = new Viewport();
  readonly finder: Finder;
  readonly dirty: DirtyPages;
  readonly found: FoundMarks;
  readonly inspection: Latest<Inspected, readonly Reading[]>;
  /** What `n` found last, or a list has led to. */
  match: FoundRange | undefined;
  followed: ActivityEvent | undefined;
  isFollowing = false;
  /** Whether the cursor is still where it was in the beginning. */
  isUntouched = true;
  gaps: readonly Gap[] = NO_GAPS;
  readonly #context: ScreenContext;
  readonly #history = new PlaceHistory<Visited>();
  /** The other end of a range whose one end is the cursor. */
  #markOffset: number | undefined;
  #bytes: StreamBytes;
  /** Those of the last paint, and the gaps that they were made with. */
  #rows: AddressRows | undefined;
  #rowGaps: readonly Gap[] = NO_GAPS;
  /** Where one was when the addresses meant something else. */
  #otherOffset = 0;

  constructor(context: ScreenContext, stream: StreamName) {
    this.#context = context;
    this.stream = stream;
    const { client } = context.session;
    // Only for bytes a person waits; the rest may come with the next tick.
    const changed = (): void => context.changed();
    this.finder = new Finder(client, changed);
    this.dirty = new DirtyPages(client, changed);
    this.found = new FoundMarks(client, changed);
    this.inspection = new Latest(
      async ({ place, offset }) => (await client.request('inspect', { ...place, offset })).readings,
      (left, right) => left.offset === right.offset && left.place === right.place,
      changed,
    );
    this.#bytes = this.#open('merged', 'guest');
    // The engine begins a thread for the first read, which takes longer than any read; a container of memory may take
    // longer still, and is opened when somebody looks.
    if (this.exists && stream === 'disk') this.#bytes.want([0], []);
    context.engine.onSample((sample) => this.#takeSample(sample));
    context.engine.onState((state, before) => this.#takeState(state, before));
  }

  get exists(): boolean {
    return this.#context.engine.state.snapshot.streams[this.stream] !== undefined;
  }

  /** Whether there are two sides that may differ. */
  get hasOverlay(): boolean {
    return this.stream === 'disk' && this.#context.engine.state.overlay !== null;
  }

  get bytes(): StreamBytes {
    return this.#bytes;
  }

  get place(): Place {
    return this.#bytes.place;
  }

  get cursorOffset(): number {
    return this.viewport.cursorOffset;
  }

  rows(rowBytes: number): AddressRows {
    const { isEndKnown, endOffset } = this.#bytes;
    // Nobody knows how far addresses go before something was read.
    const end = isEndKnown ? endOffset : Math.max(endOffset, this.cursorOffset + 1);
    const gaps = this.place.addressing === 'raw' ? NO_GAPS : this.gaps;
    const known = this.#rows;
    if (known?.rowBytes === rowBytes && known.endOffset === end && this.#rowGaps === gaps) {
      return known;
    }
    this.#rowGaps = gaps;
    this.#rows = new AddressRows(rowBytes, end, gaps);
    return this.#rows;
  }

  /** The stretch without bytes that the cursor is in, as far as it was drawn. */
  get cursorGap(): Gap | undefined {
    return this.#rows?.gapAt(this.cursorOffset);
  }

  /** From the mark to the cursor, both included. */
  get marked(): { readonly startOffset: number; readonly endOffset: number } | undefined {
    if (this.#markOffset === undefined) return undefined;
    const [low, high] = [this.#markOffset, this.cursorOffset].sort((a, b) => a - b);
    return { startOffset: low ?? 0, endOffset: (high ?? 0) + 1 };
  }

  /** Marks from the cursor on, or ends that. */
  toggleMark(): void {
    this.#markOffset = this.#markOffset === undefined ? this.cursorOffset : undefined;
  }

  /** Something of the person's moves the cursor by a little. */
  move(step: (viewport: Viewport) => void): void {
    this.isFollowing = false;
    this.isUntouched = false;
    step(this.viewport);
    this.moved();
  }

  /** To a far place, from which `back` comes back. */
  goTo(offset: number): void {
    this.#history.leave(this.#here);
    this.move((viewport) => viewport.moveTo(offset));
  }

  /** Where one was before, or after; answers whether there is such a place. */
  travel(direction: 'back' | 'forward'): boolean {
    const visited = this.#history[direction](this.#here);
    if (visited === undefined) return false;
    if (visited.addressing !== this.place.addressing) this.#address(visited.addressing);
    this.move((viewport) => viewport.moveTo(visited.offset));
    return true;
  }

  /** The cursor stands somewhere else: commands go on from there. */
  moved(): void {
    this.#context.session.cursors.set(this.stream, this.cursorOffset);
  }

  /** Shows the same place of a side. */
  show(side: Place['side'], addressing: Addressing = this.place.addressing): void {
    if (side === this.place.side && addressing === this.place.addressing) return;
    this.#bytes = this.#open(side, addressing);
  }

  /**
   * The other addressing of a container, at the same byte. One that has no place there leaves it where it was in those
   * addresses.
   *
   * @returns whether it is the same byte
   * @throws HexzError of the container, ENGINE_GONE
   */
  async switchAddressing(): Promise<boolean> {
    const { place, cursorOffset } = this;
    const known =
      place.addressing === 'guest' ? this.#bytes.streamOffsetOf(cursorOffset) : undefined;
    const other = known === undefined ? await this.#otherOffsetOf(place, cursorOffset) : known;
    if (this.place !== place) return true;
    this.#history.leave(this.#here);
    this.#address(place.addressing === 'raw' ? 'guest' : 'raw');
    this.move((viewport) => viewport.moveTo(other ?? this.#otherOffset));
    this.#otherOffset = cursorOffset;
    return other !== null;
  }

  /** Where a byte is in the other addresses; null where it is in none of them. */
  async #otherOffsetOf(place: Place, offset: number): Promise<number | null> {
    const { client } = this.#context.session;
    if (place.addressing === 'raw') {
      const { isContainer, runs } = await client.request('locate', {
        stretches: [{ offset, length: 1 }],
      });
      return isContainer ? (runs[0]?.guestOffset ?? null) : offset;
    }
    const { pieces } = await client.request('read', { ...place, offset, length: 1 });
    const [piece] = pieces;
    return piece === undefined
      ? null
      : piece.streamOffset === undefined
        ? offset
        : piece.streamOffset;
  }

  follow(isFollowing: boolean): void {
    this.isFollowing = isFollowing;
    this.followed = undefined;
  }

  /** Whatever was read may be something else by now. */
  markStale(startOffset?: number, endOffset?: number): void {
    this.#bytes.markStale(startOffset, endOffset);
    this.dirty.invalidate();
    this.found.invalidate();
    this.inspection.invalidate();
  }

  get #here(): Visited {
    return { offset: this.cursorOffset, addressing: this.place.addressing };
  }

  #address(addressing: Addressing): void {
    this.#markOffset = undefined;
    this.match = undefined;
    this.show(this.place.side, addressing);
  }

  #open(side: Place['side'], addressing: Addressing): StreamBytes {
    const { state } = this.#context.engine;
    const length = state.snapshot.streams[this.stream]?.length ?? 0;
    const isMerged = this.stream === 'disk' && side === 'merged';
    const end = isMerged ? (state.overlay?.diskLength ?? length) : length;
    const place = { stream: this.stream, side, addressing };
    const { client } = this.#context.session;
    const failed = (error: HexzError): void => {
      // Of what is no block, the bytes themselves tell.
      if (error.location.offset !== undefined) this.#context.engine.met(error);
    };
    return new StreamBytes(client, place, end, () => this.#context.changedNow(), failed);
  }

  #takeSample({ touched, events }: ActivitySample): void {
    const { cellBytes, written } = touched[this.stream] ?? { cellBytes: 0, written: [] };
    for (let at = 0; at < written.length; at += 2) {
      const start = (written[at] ?? 0) * cellBytes;
      this.markStale(start, start + (written[at + 1] ?? 0) * cellBytes);
    }
    if (events.some(({ kind }) => kind === 'truncate')) this.markStale();
    if (this.isFollowing) this.#follow(events);
  }

  #takeState(state: EngineState, before: EngineState): void {
    const hasChanged =
      state.overlay?.dirtyPages !== before.overlay?.dirtyPages ||
      state.overlay?.diskLength !== before.overlay?.diskLength ||
      state.reviewRevision !== before.reviewRevision;
    if (this.stream === 'disk' && hasChanged) this.markStale();
  }

  /** The mount serves the stream as it is, whatever container it is. */
  #follow(events: readonly ActivityEvent[]): void {
    const last = events.findLast(({ kind, stream }) => kind === 'read' && stream === this.stream);
    if (last === undefined) return;
    this.followed = last;
    this.viewport.moveTo(last.offset);
    this.moved();
  }
}
