import { MAX_LOCATED_BYTES } from '../../engine/control/protocol/methods.js';
import { HexzError } from '../../engine/errors.js';
import type { EngineClient } from '../client.js';
import type { Column } from '../rendering/rendering.js';
import { formatOffset } from '../rendering/values.js';
import { type Addressing, flag, type StreamName } from './definition.js';

/** Options of commands that look into a stream. */
export const baseOption = flag('look at the snapshot alone, without the overlay');
export const rawOption = flag(
  'offsets of the memory stream are bytes of the stream, not addresses',
);
export const placeOptions = { base: baseOption, raw: rawOption };

interface PlaceValues {
  readonly stream: StreamName;
  readonly base: boolean;
  readonly raw: boolean;
}

export interface Place {
  readonly stream: StreamName;
  readonly side: 'merged' | 'base';
  readonly addressing: Addressing;
}

/** As requests and results name it. */
export const placeOf = ({ stream, base, raw }: PlaceValues): Place => ({
  stream,
  side: base ? 'base' : 'merged',
  addressing: raw ? 'raw' : 'guest',
});

/** Of a place, what results say of it: only a memory can be addressed in several ways. */
export type ShownPlace = Omit<Place, 'addressing'> & Partial<Pick<Place, 'addressing'>>;

export const shownPlace = ({ stream, side, addressing }: Place): ShownPlace =>
  stream === 'disk' ? { stream, side } : { stream, side, addressing };

/** Something that was found in a stream, as the engine says it. */
export interface Found {
  readonly offset: number;
  readonly length: number;
  /** Of memory in a container; null where the stream has no such bytes. */
  readonly streamOffset?: number | null | undefined;
  /** The same turned round, with --raw: null where no address of the guest has such bytes. */
  readonly guestOffset?: number | null | undefined;
}

export const offsetColumn: Column<{ readonly offset: number }> = {
  title: 'offset',
  width: 11,
  text: ({ offset }) => formatOffset(offset),
  value: ({ offset }) => offset,
};

const besideColumn = (title: string, member: 'streamOffset' | 'guestOffset'): Column<Found> => ({
  title,
  width: 13,
  text: (found) => besideOffset(found[member]),
  value: (found) => found[member],
  style: () => 'dim',
  isShownFor: (found) => found[member] !== undefined,
});

/** What stands beside an offset of a memory in a container: one of the two. */
export const besideColumns: readonly Column<Found>[] = [
  besideColumn('in stream', 'streamOffset'),
  besideColumn('of guest', 'guestOffset'),
];

export const besideOffset = (offset: number | null | undefined): string =>
  offset === undefined || offset === null ? '(-)' : `(${formatOffset(offset)})`;

/** Bytes that the engine is asked for at a time. Where they are in the memory of a guest can be asked at once, too. */
const CHUNK_BYTES = MAX_LOCATED_BYTES;

/** Bytes that are there, or a gap of a memory in which no range holds them. */
export interface Stretch extends Found {
  readonly bytes: Buffer | undefined;
}

/** What a stretch holds, for those who need the whole. @throws HexzError NOT_PRESENT behind what there is of it */
export async function* readWhole(
  client: EngineClient,
  place: Place,
  offset: number,
  length: number,
  signal: AbortSignal,
): AsyncGenerator<Stretch, void> {
  const read = yield* readStretch(client, place, offset, length, signal);
  if (read.length < length) throw endsBefore(place.stream, offset, read.endOffset);
}

/** That a stream ends within a stretch of it. */
const endsBefore = (stream: StreamName, offset: number, endOffset: number): HexzError =>
  new HexzError(
    'NOT_PRESENT',
    `the ${stream} ends at ${formatOffset(endOffset)}, before what was asked for does`,
    { location: { stream, offset } },
  );

/** What a stretch of a stream holds, in order, as far as the stream goes; gaps are told as they are met. */
export async function* readStretch(
  client: EngineClient,
  place: Place,
  offset: number,
  length: number,
  signal: AbortSignal,
): AsyncGenerator<Stretch, { length: number; endOffset: number }> {
  const end = offset + length;
  let at = offset;
  for (;;) {
    const asked = Math.min(CHUNK_BYTES, end - at);
    const answer = await client.request(
      'read',
      { ...place, offset: at, length: asked },
      { signal },
    );
    const stop = at + answer.length;
    for (const piece of answer.pieces) {
      if (piece.offset > at) yield gap(at, piece.offset);
      yield { ...piece, bytes: Buffer.from(piece.bytes, 'base64') };
      at = piece.offset + piece.length;
    }
    if (stop > at) yield gap(at, stop);
    at = stop;
    if (at >= end || answer.length < asked) {
      return { length: at - offset, endOffset: answer.endOffset };
    }
  }
}

const gap = (offset: number, end: number): Stretch => ({
  offset,
  length: end - offset,
  bytes: undefined,
});
