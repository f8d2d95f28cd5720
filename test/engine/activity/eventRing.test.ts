import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { BlockWork } from '../../../src/engine/activity/blockWork.js';
import { EventRing, ringBufferBytes } from '../../../src/engine/activity/eventRing.js';
import { ActivityRecorder } from '../../../src/engine/activity/recorder.js';
import { ActivitySampler } from '../../../src/engine/activity/sampler.js';
import { createSharedActivity } from '../../../src/engine/activity/shared.js';
import { projectDirectory } from '../../support/fixtures.js';
import { until, within } from '../../support/until.js';

const workers: Worker[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

const RECORDER = new URL(`file://${join(projectDirectory, 'dist/engine/activity/recorder.js')}`);

/** Every field of a request follows from its number; `stop` ends it. */
const HAMMER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { shared, stop, recorder: path } = workerData;
  import(path).then(({ ActivityRecorder }) => {
    const recorder = new ActivityRecorder(shared);
    const kinds = ['read', 'write', 'truncate', 'sync'];
    let number = 0;
    while (Atomics.load(stop, 0) === 0) {
      const startedAt = recorder.begin();
      recorder.work.touch(number);
      recorder.work.hitBlocks = number % 1009;
      recorder.work.decodedBlocks = number;
      recorder.work.decodeMicroseconds = number / 2;
      const stream = number % 2 === 0 ? 'disk' : 'memory';
      recorder.end(startedAt, kinds[number % 4], stream, number, number * 3, number * 7, number % 5 === 0);
      number++;
    }
    parentPort.postMessage(number);
  });
`;

test('no event is torn, however fast they come', async () => {
  const stream = { length: 2 ** 24, blockBytes: 4096, canGrow: false };
  const shared = createSharedActivity({ disk: stream, memory: stream }, { ringEvents: 64 });
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(HAMMER, {
    eval: true,
    workerData: { shared, stop, recorder: RECORDER.href },
  });
  workers.push(worker);
  const ended = new Promise<number>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  const cursor = new ActivitySampler(shared).cursor('start');
  let told = 0;
  let lost = 0;
  let last = -1;
  const look = () => {
    const { events, lostEvents } = cursor.sample(1000);
    for (const event of events) {
      const number = event.offset;
      expect(number).toBeGreaterThan(last);
      last = number;
      expect(event).toMatchObject({
        kind: ['read', 'write', 'truncate', 'sync'][number % 4],
        stream: number % 2 === 0 ? 'disk' : 'memory',
        length: number * 3,
        firstBlockIndex: number,
        blockCount: 1,
        hitBlocks: number % 1009,
        decodedBlocks: number,
        decodeMicroseconds: number / 2,
        newDirtyPages: number * 7,
        hasFailed: number % 5 === 0,
      });
    }
    told += events.length;
    lost += lostEvents;
  };
  await until('enough events were told, and some were lost', () => {
    for (let round = 0; round < 200; round++) look();
    return told > 5000 && lost > 5000;
  });
  Atomics.store(stop, 0, 1);
  const total = await within('the last event', ended);
  look();
  expect(told + lost).toBe(total);
  expect(last).toBe(total - 1);
});

test('its marks may go round', () => {
  const buffer = new SharedArrayBuffer(ringBufferBytes(8));
  const before = 3 * 2 ** 32 - 2;
  new Int32Array(buffer, 0, 2).fill(before | 0);
  new Float64Array(buffer)[1] = before;
  const ring = new EventRing(buffer);
  expect(ring.endSequence).toBe(before);
  const request = { kind: 'read', stream: 'disk', length: 1, newDirtyPages: 0 } as const;
  for (let offset = 0; offset < 5; offset++) {
    ring.append(0, 1, { ...request, offset, hasFailed: false }, new BlockWork());
  }
  expect(ring.endSequence).toBe(before + 5);
  const { events, lostEvents } = ring.read(before, ring.endSequence, 1000);
  expect(events.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4]);
  expect(lostEvents).toBe(0);
});

test('the last reads of a stretch, the newest first', () => {
  const stream = { length: 2 ** 24, blockBytes: 4096, canGrow: false };
  const shared = createSharedActivity({ disk: stream, memory: stream }, { ringEvents: 8 });
  const recorder = new ActivityRecorder(shared);
  const record = (kind: 'read' | 'write', of: 'disk' | 'memory', offset: number, failed = false) =>
    recorder.end(recorder.begin(), kind, of, offset, 100, 0, failed);
  record('read', 'disk', 0);
  for (const offset of [1000, 1050, 1099, 1100, 900]) record('read', 'disk', offset);
  record('write', 'disk', 1000);
  record('read', 'memory', 1000);
  record('read', 'disk', 1001, true);
  const [memory] = shared.recorders;
  const ring = new EventRing(memory?.events as SharedArrayBuffer);
  const offsets = (offset: number, length: number, maximum = 10) =>
    ring.lastReads('disk', offset, length, maximum).map((event) => event.offset);
  expect(offsets(1000, 100)).toEqual([1099, 1050, 1000]);
  expect(offsets(1000, 100, 2)).toEqual([1099, 1050]);
  // The ring has gone round.
  expect(offsets(0, 100)).toEqual([]);
});
