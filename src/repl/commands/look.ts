import type { EngineState } from '../../engine/control/protocol/engineState.js';
import type { Block, Reading } from '../../engine/control/protocol/inspection.js';
import { listingOf } from '../listing.js';
import { eventOutcome, eventTime } from '../rendering/activity.js';
import { infoRendering } from '../rendering/info.js';
import { type Fact, facts, rows } from '../rendering/rendering.js';
import { countOf, formatBytes, formatOffset } from '../rendering/values.js';
import { defineCommand, flag, optional, type RunContext, required } from './definition.js';
import { withGuestOffsets } from './guestOffsets.js';
import { lengthKind, offsetKind, streamKind } from './kinds.js';
import {
  baseOption,
  besideColumns,
  offsetColumn,
  type Place,
  placeOf,
  placeOptions,
  rawOption,
  shownPlace,
} from './place.js';

export const infoCommand = defineCommand({
  name: 'info',
  group: 'Look',
  summary: 'Says what header and index of the snapshot say',
  details: ['The result is the document of `hexz info --json`.'],
  arguments: {},
  options: { blocks: flag('count the blocks by kind, too') },
  run: ({ session, signal }, { blocks }) =>
    session.client.request('info', { countsBlocks: blocks }, { signal }),
}).shownAs(infoRendering);

export const stateCommand = defineCommand({
  name: 'state',
  aliases: ['status'],
  group: 'Activity',
  summary: 'Says what the engine serves: mount, overlay, who ends it',
  arguments: {},
  options: {},
  run: ({ session, signal }) => session.client.request('state', {}, { signal }),
}).shownAs(
  facts((state) => [
    ['snapshot', state.snapshot.path],
    [
      'format',
      `${state.snapshot.compression}, blocks of ${formatBytes(state.snapshot.blockBytes)}`,
    ],
    ...Object.entries(state.snapshot.streams).map(
      ([name, { length }]): Fact => [name, formatBytes(length), length],
    ),
    ...state.snapshot.parents.map((parent): Fact => ['parent', parent]),
    ['mount', mountText(state.mount)],
    ['overlay', overlayText(state.overlay)],
    ['engine', `process ${state.pid}, hexz ${state.version}, since ${state.startedAt}`],
    ['lease', state.lease],
    ['watchers', `${state.watchers}`],
    ...state.warnings.map((warning): Fact => ['warning', warning]),
  ]),
);

function mountText(mount: EngineState['mount']): string {
  if (mount === null) return 'none';
  const { mountpoint, backend, mode, device } = mount;
  return `${mountpoint} (${[mode, backend, ...(device === null ? [] : [device])].join(', ')})`;
}

const overlayText = (
  overlay: { path: string; isTemporary: boolean; dirtyPages: number; dirtyBytes: number } | null,
): string =>
  overlay === null
    ? 'none'
    : `${overlay.isTemporary ? 'temporary' : overlay.path}, ${countOf(overlay.dirtyPages, 'dirty page')} (${formatBytes(overlay.dirtyBytes)})`;

/** Blocks are of the stream: an address is one of the container, and its stream offset has to be found. */
async function streamOffsetOf(
  { session, signal, usageError }: RunContext,
  place: Place,
  offset: number,
): Promise<number> {
  if (place.stream === 'disk' || place.addressing === 'raw') return offset;
  const { pieces } = await session.client.request(
    'read',
    { ...place, offset, length: 1 },
    { signal },
  );
  const [piece] = pieces;
  if (piece === undefined || piece.streamOffset === null) {
    throw usageError(
      `no byte of the stream holds the address ${formatOffset(offset)}`,
      '--raw takes an offset of the stream',
    );
  }
  return piece.streamOffset ?? offset;
}

export const blockCommand = defineCommand({
  name: 'block',
  group: 'Look',
  summary: 'Says which block holds a byte, where its stored bytes lie, and whether it can be read',
  examples: ['block disk 0x438', 'block disk block(7)'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: optional(offsetKind, 'a byte of the block'),
  },
  options: {
    raw: rawOption,
    shared: flag('look through the whole index for blocks that are the same stored bytes'),
  },
  async run(context, { stream, offset, raw, shared }): Promise<Block> {
    const { session, signal, onProgress } = context;
    const at = offset ?? session.cursors.get(stream) ?? 0;
    const place = placeOf({ stream, raw, base: true });
    const streamOffset = await streamOffsetOf(context, place, at);
    session.cursors.set(stream, at);
    const params = { stream, offset: streamOffset, findsShared: shared, checks: true };
    return session.client.request('block', params, { signal, onProgress });
  },
}).shownAs(
  facts((block) => [
    ['block', `${block.blockIndex} of the ${block.stream}`, block.blockIndex],
    ['offset', `${formatOffset(block.offset)}, ${formatBytes(block.length)}`, block.offset],
    ...(block.damage === null
      ? []
      : [['damage', `${block.damage.message} [${block.damage.code}]`] as const]),
    ['kind', block.kind],
    ['file', block.file],
    ['stored', storedText(block), block.storedOffset],
    ['compression', block.compression ?? 'none'],
    ['encrypted', block.isEncrypted ? 'yes' : 'no'],
    ['BLAKE3', block.hash ?? 'not recorded'],
    ['shared by', block.sharedBy === null ? 'not known' : countOf(block.sharedBy, 'block')],
    ...block.sharedAt.map(
      ({ stream, blockIndex, offset }): Fact => [
        'shared at',
        `${formatOffset(offset)} of the ${stream}, block ${blockIndex}`,
        offset,
      ],
    ),
    ['dirty', countOf(block.dirtyPages, 'page'), block.dirtyPages],
    ['cached', block.isCached ? 'yes' : 'no'],
    ...block.lastReads.map(
      (event): Fact => [
        'last read',
        `${eventTime(event)}, ${formatBytes(event.length)} at ${formatOffset(event.offset)}, ${eventOutcome(event)}`,
        event.time,
      ],
    ),
  ]),
);

function storedText({ storedOffset, storedLength, ratio }: Block): string {
  if (storedOffset === null || storedLength === null) return 'nowhere';
  const share = ratio === null ? '' : `, ${(ratio * 100).toFixed(1)} %`;
  return `${formatOffset(storedOffset)}, ${formatBytes(storedLength)}${share}`;
}

export const inspectCommand = defineCommand({
  name: 'inspect',
  group: 'Look',
  summary: 'Reads the bytes at a place as numbers, times, identifiers and text',
  examples: ['inspect disk 0x438'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: optional(offsetKind, 'the first of the bytes'),
  },
  options: placeOptions,
  async run({ session, signal }, values) {
    const offset = values.offset ?? session.cursors.get(values.stream) ?? 0;
    session.cursors.set(values.stream, offset);
    return session.client.request('inspect', { ...placeOf(values), offset }, { signal });
  },
}).shownAs(
  facts(({ offset, readings }) => [
    ['offset', formatOffset(offset), offset],
    ...readings.map(({ name, value }: Reading): Fact => [name, value]),
  ]),
);

export const classesCommand = defineCommand({
  name: 'classes',
  group: 'Look',
  summary: 'Maps what the pages of a stretch look like',
  details: [
    'Pages are `zero`, the same as `base` or `parent`, `text`, `code`, of high `entropy` (compressed or encrypted), or `other`.',
  ],
  examples: ['classes disk', 'classes memory 0 16M > pages.txt'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: optional(offsetKind, 'where to begin; without, at 0'),
    length: optional(lengthKind, 'how far; without, to the end'),
  },
  options: placeOptions,
  async run({ session, signal }, values) {
    const { offset = 0, length } = values;
    const place = placeOf(values);
    const params = { ...place, offset, length };
    const runs = listingOf(
      { ...shownPlace(place), offset },
      'runs',
      () => session.client.stream('classify', params, { signal }),
      (run) => run,
      (answer) => answer,
    );
    return withGuestOffsets(runs, session.client, place, signal);
  },
}).shownAs(
  rows({
    columns: [
      offsetColumn,
      ...besideColumns,
      {
        title: 'length',
        width: 11,
        isRight: true,
        text: ({ length }) => formatBytes(length),
        value: ({ length }) => length,
      },
      {
        title: 'class',
        width: 8,
        text: (run) => run.class,
        style: (run) => (run.class === 'zero' ? 'dim' : 'plain'),
      },
    ],
    empty: () => 'there are no pages',
    after: ({ pages }) => [
      Object.entries(pages)
        .map(([name, pageCount]) => `${name} ${pageCount}`)
        .join('  '),
    ],
  }),
);

export const memoryCommand = defineCommand({
  name: 'memory',
  group: 'Look',
  summary: 'Describes the memory: its container, its ranges, the kernel in it',
  arguments: {},
  options: { base: baseOption },
  run: ({ session, signal }, { base }) =>
    session.client.request('memory', { side: base ? 'base' : 'merged' }, { signal }),
}).shownAs(
  facts(({ container, ranges, furtherRanges, banner, properties, warnings }) => [
    ['container', container],
    ...Object.entries(properties).map(([name, value]): Fact => [name, value]),
    ...ranges.map(
      ({ startOffset, length, name }): Fact => [
        'range',
        `${formatOffset(startOffset)}  ${formatBytes(length)}${name === null ? '' : `  ${name}`}`,
      ],
    ),
    ...(furtherRanges === 0 ? [] : [['further ranges', `${furtherRanges}`] as const]),
    [
      'kernel',
      banner === null
        ? 'no banner found'
        : `${banner.text.trim()} (at ${formatOffset(banner.offset)})`,
    ],
    ...warnings.map((warning): Fact => ['warning', warning]),
  ]),
);

export const hashCommand = defineCommand({
  name: 'hash',
  group: 'Look',
  summary: 'SHA-256 of a stretch of a stream',
  details: ['A stretch that goes beyond the end of the stream has none.'],
  examples: ['hash disk', 'hash disk 0 4K --base'],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: optional(offsetKind, 'where to begin; without, at 0'),
    length: optional(lengthKind, 'how far; without, to the end'),
  },
  options: placeOptions,
  run({ session, signal, onProgress }, values) {
    const { offset = 0, length } = values;
    const params = { ...placeOf(values), offset, length };
    return session.client.request('hash', params, { signal, onProgress });
  },
}).shownAs(
  facts(({ offset, length, sha256 }) => [
    ['offset', formatOffset(offset), offset],
    ['length', `${formatBytes(length)}`, length],
    ['sha256', sha256],
  ]),
);
