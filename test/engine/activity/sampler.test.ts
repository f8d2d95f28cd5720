import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ActivityRecorder } from '../../../src/engine/activity/recorder.js';
import { type ActivityCursor, ActivitySampler } from '../../../src/engine/activity/sampler.js';
import { createSharedActivity } from '../../../src/engine/activity/shared.js';
import { streamNames } from '../../../src/engine/format/types.js';

const CELL_BYTES = 4096;
const RING_EVENTS = 16;
const RECORDERS = 2;
/** The memory stream ends inside a word of marks. */
const lengths = { disk: 100 * CELL_BYTES, memory: 37 * CELL_BYTES - 5 };

interface Request {
  readonly kind: 'read' | 'write' | 'truncate';
  readonly stream: 'disk' | 'memory';
  readonly offset: number;
  readonly length: number;
  readonly newDirtyPages: number;
  readonly hasFailed: boolean;
  readonly recorderIndex: number;
  readonly blocks: readonly number[];
  readonly hitBlocks: number;
  readonly decodedBlocks: number;
}

interface Look {
  readonly watcher: number;
  readonly maximumEvents: number;
}

const requests: fc.Arbitrary<Request> = fc
  .constantFrom(...streamNames)
  .chain((stream) =>
    fc.record({
      kind: fc.constantFrom('read', 'read', 'write', 'truncate'),
      stream: fc.constant(stream),
      offset: fc.nat(lengths[stream] - 1),
      length: fc.oneof(fc.constant(0), fc.nat(3 * CELL_BYTES), fc.nat(60 * CELL_BYTES)),
      newDirtyPages: fc.nat(4),
      hasFailed: fc.boolean(),
      recorderIndex: fc.nat(RECORDERS - 1),
      blocks: fc.array(fc.nat(2 ** 33), { maxLength: 3 }),
      hitBlocks: fc.nat(2),
      decodedBlocks: fc.nat(2),
    }),
  )
  .map((request) => ({
    ...request,
    length: Math.min(request.length, lengths[request.stream] - request.offset),
  }));

const looks: fc.Arbitrary<Look> = fc.record({
  watcher: fc.nat(1),
  maximumEvents: fc.oneof(fc.nat(3), fc.constant(1000)),
});

const isRequest = (step: Request | Look): step is Request => 'kind' in step;

function record(recorders: readonly ActivityRecorder[], request: Request): void {
  const recorder = recorders[request.recorderIndex] as ActivityRecorder;
  const { kind, stream, offset, length, newDirtyPages, hasFailed } = request;
  const startedAt = recorder.begin();
  for (const block of request.blocks) recorder.work.touch(block);
  recorder.work.hitBlocks += request.hitBlocks;
  recorder.work.decodedBlocks += request.decodedBlocks;
  recorder.end(startedAt, kind, stream, offset, length, newDirtyPages, hasFailed);
}

const count = (list: readonly Request[], field: (request: Request) => number): number =>
  list.reduce((sum, request) => sum + field(request), 0);

function countersOf(list: readonly Request[]) {
  const ofStream = (name: string) => {
    const all = list.filter(({ stream }) => stream === name);
    const done = all.filter(({ hasFailed }) => !hasFailed);
    const reads = done.filter(({ kind }) => kind === 'read');
    const writes = done.filter(({ kind }) => kind === 'write');
    return {
      reads: reads.length,
      readBytes: count(reads, ({ length }) => length),
      writes: writes.length,
      writtenBytes: count(writes, ({ length }) => length),
      errors: all.length - done.length,
    };
  };
  return {
    streams: { disk: ofStream('disk'), memory: ofStream('memory') },
    hitBlocks: count(list, ({ hitBlocks }) => hitBlocks),
    decodedBlocks: count(list, ({ decodedBlocks }) => decodedBlocks),
    decodeMicroseconds: 0,
  };
}

function cellsOf(list: readonly Request[], stream: string, kind: string): number[] {
  const cells = new Set<number>();
  for (const request of list) {
    if (request.stream !== stream || request.kind !== kind || request.hasFailed) continue;
    const end = request.offset + request.length;
    for (let cell = Math.floor(request.offset / CELL_BYTES); cell * CELL_BYTES < end; cell++) {
      if (request.length > 0) cells.add(cell);
    }
  }
  return [...cells].sort((a, b) => a - b);
}

function cellsOfRuns(runs: readonly number[] = []): number[] {
  const cells: number[] = [];
  for (let at = 0; at < runs.length; at += 2) {
    const [first = 0, length = 0] = runs.slice(at);
    // Runs that touch would be one.
    expect(first).toBeGreaterThan((cells.at(-1) ?? -2) + 1);
    for (let cell = first; cell < first + length; cell++) cells.push(cell);
  }
  return cells;
}

const eventOf = (request: Request) => ({
  kind: request.kind,
  stream: request.stream,
  offset: request.offset,
  length: request.length,
  firstBlockIndex: request.blocks[0] ?? null,
  blockCount: request.blocks.filter((block, at) => at === 0 || block !== request.blocks[at - 1])
    .length,
  hitBlocks: request.hitBlocks,
  decodedBlocks: request.decodedBlocks,
  newDirtyPages: request.newDirtyPages,
  hasFailed: request.hasFailed,
});

/** What one watcher must have got. */
function expectSample(
  cursor: ActivityCursor,
  maximumEvents: number,
  all: readonly Request[],
  seen: number,
): void {
  const fresh = all.slice(seen);
  const sample = cursor.sample(maximumEvents);
  expect(sample.counters).toEqual(countersOf(all));
  for (const stream of streamNames) {
    const touched = sample.touched[stream];
    expect(cellsOfRuns(touched?.read)).toEqual(cellsOf(fresh, stream, 'read'));
    expect(cellsOfRuns(touched?.written)).toEqual(cellsOf(fresh, stream, 'write'));
  }
  expect(sample.readLatency !== null).toBe(fresh.some(({ kind }) => kind === 'read'));
  expect(sample.writeLatency !== null).toBe(fresh.some(({ kind }) => kind === 'write'));
  // Each ring has kept its last ones; of these, the last ones of all are told.
  const kept = Array.from({ length: RECORDERS }, (_, index) =>
    all.filter(({ recorderIndex }) => recorderIndex === index).slice(-RING_EVENTS),
  );
  const present = fresh.filter((request) => kept[request.recorderIndex]?.includes(request));
  const told = present.slice(Math.max(0, present.length - maximumEvents));
  expect(sample.events).toHaveLength(told.length);
  expect(sample.lostEvents).toBe(fresh.length - told.length);
  const times = sample.events.map(({ time }) => time);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  // Requests of two threads may begin at one time; then nobody knows which was first.
  if (new Set(times).size === times.length && told.length === present.length) {
    expect(sample.events).toMatchObject(told.map(eventOf));
  }
}

function newActivity() {
  const stream = (length: number) => ({ length, blockBytes: 1000, canGrow: false });
  const shared = createSharedActivity(
    { disk: stream(lengths.disk), memory: stream(lengths.memory) },
    { recorderCount: RECORDERS, ringEvents: RING_EVENTS },
  );
  const recorders = Array.from({ length: RECORDERS }, (_, at) => new ActivityRecorder(shared, at));
  return { recorders, sampler: new ActivitySampler(structuredClone(shared)) };
}

test('watchers get what is recorded, each at a rate of his own', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 4, arbitrary: requests }, { weight: 1, arbitrary: looks }), {
        maxLength: 120,
        size: 'max',
      }),
      (steps) => {
        const { recorders, sampler } = newActivity();
        const watchers = [sampler.cursor('start'), sampler.cursor('start')];
        const seen = [0, 0];
        const all: Request[] = [];
        for (const step of steps) {
          if (isRequest(step)) {
            record(recorders, step);
            all.push(step);
            continue;
          }
          const { watcher, maximumEvents } = step;
          const cursor = watchers[watcher] as ActivityCursor;
          expectSample(cursor, maximumEvents, all, seen[watcher] as number);
          seen[watcher] = all.length;
        }
        watchers.forEach((cursor, watcher) => {
          expectSample(cursor, 1000, all, seen[watcher] as number);
        });
        expect(sampler.counters()).toEqual(countersOf(all));
      },
    ),
    { numRuns: 300, interruptAfterTimeLimit: 20_000 },
  );
});

describe('a watcher', () => {
  const read: Request = {
    kind: 'read',
    stream: 'disk',
    offset: 5 * CELL_BYTES,
    length: 10,
    newDirtyPages: 0,
    hasFailed: false,
    recorderIndex: 0,
    blocks: [7],
    hitBlocks: 1,
    decodedBlocks: 0,
  };

  test('from now on does not get what was before', () => {
    const { recorders, sampler } = newActivity();
    record(recorders, read);
    const cursor = sampler.cursor('now');
    record(recorders, { ...read, offset: 0 });
    const sample = cursor.sample(10);
    expect(sample.events).toMatchObject([{ offset: 0 }]);
    expect(sample.lostEvents).toBe(0);
    expect(sample.touched.disk?.read).toEqual([0, 1]);
    expect(sample.counters.streams.disk?.reads).toBe(2);
  });

  test('from the start on gets what another has taken long ago', () => {
    const { recorders, sampler } = newActivity();
    record(recorders, read);
    sampler.cursor('start').sample(10);
    const late = sampler.cursor('start').sample(10);
    expect(late.events).toMatchObject([{ offset: read.offset, microseconds: expect.any(Number) }]);
    expect(late.touched.disk?.read).toEqual([5, 1]);
  });

  test('learns when it was', () => {
    const before = Date.now();
    const { recorders, sampler } = newActivity();
    record(recorders, read);
    const { time, seconds, events } = sampler.cursor('start').sample(10);
    // Two clocks, of which one may be set meanwhile.
    expect(Math.abs((events[0]?.time ?? 0) - before)).toBeLessThan(60_000);
    expect(Math.abs(time - before)).toBeLessThan(60_000);
    expect(seconds).toBeGreaterThanOrEqual(0);
  });
});

test('requests that are awaited are events, and touch nothing', () => {
  const { recorders, sampler } = newActivity();
  const [recorder] = recorders as [ActivityRecorder];
  const startedAt = recorder.begin();
  recorder.work.touch(3);
  recorder.endOfAwaited(startedAt, 'sync', true);
  const { events, counters, readLatency, writeLatency } = sampler.cursor('start').sample(10);
  expect(events).toMatchObject([
    { kind: 'sync', stream: 'disk', blockCount: 0, firstBlockIndex: null, hasFailed: true },
  ]);
  expect(counters.streams.disk?.errors).toBe(1);
  expect([readLatency, writeLatency]).toEqual([null, null]);
});

test('there is one recorder for each thread that serves', () => {
  const shared = createSharedActivity({}, { recorderCount: 2 });
  expect(() => new ActivityRecorder(shared, 2)).toThrow(RangeError);
});
