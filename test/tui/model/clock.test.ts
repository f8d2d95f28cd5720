import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Clock } from '../../../src/tui/model/clock.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Paints of a second in which something changes all the time. */
function paintsOfSecond(costMilliseconds: number): number {
  let used = 0;
  const clock = new Clock(() => used);
  let paints = 0;
  clock.subscribe(() => {
    paints++;
    used += costMilliseconds;
    clock.changed();
  });
  clock.changed();
  vi.advanceTimersByTime(2000);
  paints = 0;
  vi.advanceTimersByTime(1000);
  clock.stop();
  return paints;
}

describe('a screen on which something happens all the time', () => {
  test('is painted eight times a second', () => {
    expect(paintsOfSecond(5)).toBe(8);
  });

  test('is painted less often where that takes long, but still shows it within a second', () => {
    expect(paintsOfSecond(40)).toBeGreaterThanOrEqual(3);
    expect(paintsOfSecond(40)).toBeLessThanOrEqual(5);
    expect(paintsOfSecond(400)).toBe(2);
  });

  test('shows at once what a person waits for', () => {
    let used = 0;
    const clock = new Clock(() => used);
    let paints = 0;
    clock.subscribe(() => {
      paints++;
      used += 400;
    });
    for (let tick = 0; tick < 3; tick++) {
      clock.changed();
      vi.advanceTimersByTime(500);
    }
    paints = 0;
    clock.changedNow();
    vi.advanceTimersByTime(40);
    expect(paints).toBe(1);
    clock.stop();
  });
});

test('what happens after a pause is shown as soon as ever, whatever was used before', () => {
  let used = 0;
  const clock = new Clock(() => used);
  let paints = 0;
  clock.subscribe(() => {
    paints++;
  });
  clock.changed();
  vi.advanceTimersByTime(125);
  used += 1000;
  clock.changed();
  vi.advanceTimersByTime(125);
  vi.advanceTimersByTime(5000);
  paints = 0;
  clock.changed();
  vi.advanceTimersByTime(125);
  expect(paints).toBe(1);
  clock.stop();
});
