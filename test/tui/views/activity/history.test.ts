import { describe, expect, test } from 'vitest';
import type { ActivitySample } from '../../../../src/engine/control/protocol/activity.js';
import { feedBefore } from '../../../../src/tui/views/activity/feedDrawing.js';
import { fillHeat, stageOf } from '../../../../src/tui/views/activity/heat.js';
import { ActivityHistory } from '../../../../src/tui/views/activity/history.js';
import { numbersAt } from '../../../../src/tui/views/activity/numbers.js';
import { eventOf } from '../../../support/tui/events.js';
import { sampleOf } from '../../../support/tui/openScreen.js';

const SECOND = 1000;
const START = 1_700_000_000_000;

/** Counters after so many reads of 4 KiB, of which every second was a hit. */
const afterReads = (reads: number): ActivitySample['counters'] => ({
  streams: { disk: { reads, readBytes: reads * 4096, writes: 0, writtenBytes: 0, errors: 0 } },
  hitBlocks: reads / 2,
  decodedBlocks: reads / 2,
  decodeMicroseconds: 0,
});

describe('what is kept', () => {
  test('goes back five minutes, and no further', () => {
    const history = new ActivityHistory();
    for (let second = 0; second <= 400; second++) {
      history.add(sampleOf({ time: START + second * SECOND }));
    }
    expect(history.newestTime).toBe(START + 400 * SECOND);
    expect(history.oldestTime).toBe(START + 100 * SECOND);
  });

  test('is less where more happens', () => {
    const history = new ActivityHistory();
    const events = Array.from({ length: 1000 }, () => eventOf({ time: START }));
    for (let step = 0; step < 100; step++) history.add(sampleOf({ time: START + step, events }));
    const kept = [...history.backFrom(START + 100, 0)];
    expect(kept.length).toBe(50);
    expect(kept[0]?.time).toBe(START + 99);
  });
});

describe('numbers', () => {
  test('are what came between samples, in bars of whole seconds', () => {
    const history = new ActivityHistory();
    history.add(sampleOf({ time: START, counters: afterReads(0) }));
    history.add(sampleOf({ time: START + 500, counters: afterReads(10) }));
    const latency = { readLatency: { p50: 10, p99: 20 } };
    history.add(sampleOf({ time: START + 2500, counters: afterReads(40), ...latency }));
    const { readBytes, requests, now, hitShare, readLatency, writeLatency } = numbersAt(
      history,
      START + 2500,
      60,
    );
    expect(readBytes.slice(-4)).toEqual([0, 10 * 4096, 0, 30 * 4096]);
    expect(requests).toHaveLength(60);
    expect(now).toEqual({ readBytes: 30 * 4096, writtenBytes: 0, requests: 30 });
    expect(hitShare).toBe(0.5);
    expect(readLatency).toEqual({ p50: 10, p99: 20 });
    expect(writeLatency).toBeUndefined();
    const narrow = numbersAt(history, START + 2500, 23).requests;
    expect(narrow).toHaveLength(20);
    expect(narrow.reduce((sum, count) => sum + count, 0)).toBe(40);
  });

  test('do not hold what came long before somebody looked for something of now', () => {
    const history = new ActivityHistory();
    const touched = { disk: { cellBytes: 4096, read: [0, 5], written: [] } };
    history.add(sampleOf({ time: START, seconds: 3600, counters: afterReads(1000), touched }));
    expect(numbersAt(history, START, 60).now.requests).toBe(0);
    const heats = new Uint8Array(10);
    fillHeat(heats, 4096, history, 'disk', START);
    expect([...heats]).toEqual(new Array(10).fill(0));
  });

  test('of an earlier moment leave out what came later', () => {
    const history = new ActivityHistory();
    history.add(sampleOf({ time: START, counters: afterReads(2) }));
    history.add(sampleOf({ time: START + SECOND, counters: afterReads(12) }));
    expect(numbersAt(history, START + 999, 60).now.requests).toBe(2);
  });
});

test('reads cool down, in cells larger and smaller than those that are told', () => {
  const history = new ActivityHistory();
  const touched = { disk: { cellBytes: 4096, read: [2, 2], written: [8, 1] } };
  history.add(sampleOf({ time: START, touched }));
  const heats = new Uint8Array(8);
  const seen = (time: number, cellBytes = 4096): string => {
    fillHeat(heats, cellBytes, history, 'disk', time);
    return [...heats].map((heat) => stageOf(heat).sign).join('');
  };
  expect(seen(START)).toBe('··██····');
  expect(seen(START + 3 * SECOND)).toBe('··▓▓····');
  expect(seen(START + 9 * SECOND)).toBe('··▒▒····');
  expect(seen(START + 19 * SECOND)).toBe('··░░····');
  expect(seen(START + 21 * SECOND)).toBe('········');
  expect(seen(START, 8192)).toBe('·█······');
  expect(seen(START, 2048)).toBe('····████');
  // Read once more, and once in another stream.
  history.add(sampleOf({ time: START + SECOND, touched: { memory: touched.disk } }));
  expect(seen(START + 3 * SECOND)).toBe('··▓▓····');
});

test('the feed tells what was lost where it was', () => {
  const history = new ActivityHistory();
  const events = [eventOf({ offset: 1 }), eventOf({ offset: 2 })];
  history.add(sampleOf({ time: START, events }));
  history.add(sampleOf({ time: START + 1, events: [eventOf({ offset: 3 })], lostEvents: 7 }));
  const told = (time: number, maximum: number) =>
    feedBefore(history, time, maximum).map((entry) =>
      'lostEvents' in entry ? `${entry.lostEvents} lost` : entry.offset,
    );
  expect(told(START + 1, 10)).toEqual([1, 2, '7 lost', 3]);
  expect(told(START + 1, 2)).toEqual(['7 lost', 3]);
  expect(told(START, 10)).toEqual([1, 2]);
  expect(told(START, 0)).toEqual([]);
});
