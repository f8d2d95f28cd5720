import type { WireCellRun } from '../../engine/control/protocol/inspection.js';
import type { Result } from '../../engine/control/protocol/methods.js';
import { MAX_OCCUPANCY_CELLS } from '../../engine/control/protocol/methods.js';
import { Listing } from '../listing.js';
import { rows } from '../rendering/rendering.js';
import { countOf, formatBytes } from '../rendering/values.js';
import { defineCommand, option, optional, required, type StreamName } from './definition.js';
import { lengthKind, offsetKind, streamKind } from './kinds.js';
import { offsetColumn } from './place.js';

/** Where nobody says otherwise, a stream has no more cells. */
const DEFAULT_CELLS = 256;
const MIN_CELL_BYTES = 4096;

/** Cells that follow each other and are alike; amounts are of each of them. */
interface MappedCells {
  readonly stream: StreamName;
  readonly offset: number;
  readonly length: number;
  readonly cells: number;
  readonly dataBytes: number;
  readonly zeroBytes: number;
  readonly parentBytes: number;
  readonly dirtyPages: number;
  readonly cachedBlocks: number;
}

interface MapHead {
  readonly stream: StreamName;
  readonly cellBytes: number;
  readonly streamLength: number;
}

/** The smallest power of two that cuts a length into no more than so many cells. */
function cellBytesFor(length: number, cells: number): number {
  let bytes = MIN_CELL_BYTES;
  while (length > bytes * cells) bytes *= 2;
  return bytes;
}

/** Counts by cell, from the pairs that the engine answers. */
function countsByCell(pairs: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    counts.set(pairs[at] as number, pairs[at + 1] as number);
  }
  return counts;
}

/** The place of the first number that is not smaller, in numbers in order. */
function firstAtLeast(sorted: readonly number[], number: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Cuts a run where one cell is dirty or cached and another is not. */
function* cutRun(
  run: WireCellRun,
  { stream, cellBytes, streamLength }: MapHead,
  dirty: ReadonlyMap<number, number>,
  cached: ReadonlyMap<number, number>,
  special: readonly number[],
): Generator<MappedCells, void> {
  const { firstCell, cellCount, dataBytes, zeroBytes, parentBytes } = run;
  const end = firstCell + cellCount;
  const cellsOf = (first: number, count: number): MappedCells => ({
    stream,
    offset: first * cellBytes,
    length: Math.min(streamLength, (first + count) * cellBytes) - first * cellBytes,
    cells: count,
    dataBytes,
    zeroBytes,
    parentBytes,
    dirtyPages: dirty.get(first) ?? 0,
    cachedBlocks: cached.get(first) ?? 0,
  });
  let at = firstCell;
  for (let next = firstAtLeast(special, firstCell); next < special.length; next++) {
    const cell = special[next] as number;
    if (cell >= end) break;
    if (cell > at) yield cellsOf(at, cell - at);
    yield cellsOf(cell, 1);
    at = cell + 1;
  }
  if (at < end) yield cellsOf(at, end - at);
}

export const mapCommand = defineCommand({
  name: 'map',
  group: 'Look',
  summary: 'Lists what a stream is made of, in cells of equal size',
  details: [
    'Of each cell: bytes in stored blocks, in blocks of zeros and in blocks of a parent, dirty pages of the overlay, and blocks that the mount has decoded in memory. Cells that are alike stand in one line. Without `--cell`, cells are as large as needed for at most 256 of them.',
  ],
  examples: ['map disk', 'map disk --cell 1M > map.txt', 'map memory 0 64M --cell 64K'],
  arguments: {
    stream: required(streamKind, 'what to map'),
    offset: optional(offsetKind, 'where to begin; without, at 0'),
    length: optional(lengthKind, 'how far; without, to the end'),
  },
  options: { cell: option(lengthKind, 'bytes of a cell, a power of two from 4096 on') },
  async run(
    { session, signal },
    { stream, offset = 0, length, cell },
  ): Promise<Listing<MappedCells, MapHead, Result<'map'>>> {
    const { client } = session;
    const { snapshot } = await client.request('state', {}, { signal });
    const streamLength = snapshot.streams[stream]?.length ?? 0;
    const mapped = Math.max(0, Math.min(length ?? streamLength, streamLength - offset));
    const cellBytes = cell ?? cellBytesFor(mapped, DEFAULT_CELLS);
    const params = { stream, cellBytes, offset, length: mapped };
    const head = { stream, cellBytes, streamLength };
    return new Listing(head, 'runs', async function* () {
      const { dirty, cached } = await occupancyOf(params);
      const special = [...new Set([...dirty.keys(), ...cached.keys()])].sort((a, b) => a - b);
      const map = client.stream('map', params, { signal });
      for await (const batch of map.batches()) {
        yield batch.flatMap((run) => [...cutRun(run, head, dirty, cached, special)]);
      }
      return map.result;
    });

    /** Part by part, where there are more cells than one answer tells of. */
    async function occupancyOf(whole: typeof params) {
      const dirty = new Map<number, number>();
      const cached = new Map<number, number>();
      const partBytes = MAX_OCCUPANCY_CELLS * cellBytes;
      const start = Math.floor(offset / cellBytes) * cellBytes;
      for (let at = start; at < offset + whole.length; at += partBytes) {
        const part = { stream, cellBytes, offset: at, length: partBytes };
        const answer = await client.request('occupancy', part, { signal });
        for (const [key, count] of countsByCell(answer.dirty)) dirty.set(key, count);
        for (const [key, count] of countsByCell(answer.cached)) cached.set(key, count);
      }
      return { dirty, cached };
    }
  },
}).shownAs(
  rows({
    columns: [
      offsetColumn,
      {
        title: 'cells',
        width: 7,
        isRight: true,
        text: ({ cells }) => `${cells}`,
      },
      ...(['data', 'zero', 'parent'] as const).map((kind) => ({
        title: kind,
        width: 11,
        isRight: true,
        text: (cells: MappedCells) => amountText(cells[`${kind}Bytes`]),
        value: (cells: MappedCells) => cells[`${kind}Bytes`],
      })),
      {
        title: 'dirty',
        width: 7,
        isRight: true,
        text: ({ dirtyPages }) => (dirtyPages === 0 ? '-' : `${dirtyPages}`),
        value: ({ dirtyPages }) => dirtyPages,
        style: ({ dirtyPages }) => (dirtyPages === 0 ? 'plain' : 'dirty'),
      },
      {
        title: 'cached',
        width: 7,
        isRight: true,
        text: ({ cachedBlocks }) => (cachedBlocks === 0 ? '-' : `${cachedBlocks}`),
        value: ({ cachedBlocks }) => cachedBlocks,
      },
    ],
    empty: ({ stream }) => `there is nothing of the ${stream} there`,
    after: ({ cells, damage }, { cellBytes }) => [
      `${countOf(cells, 'cell')} of ${formatBytes(cellBytes)}`,
      ...damage.map(({ message }) => `not known: ${message}`),
    ],
  }),
);

const amountText = (bytes: number): string => (bytes === 0 ? '-' : formatBytes(bytes));
