import { describe, expect, test } from 'vitest';
import { BatchWindow } from '../../../src/engine/control/batchWindow.js';
import { BATCHES_AHEAD } from '../../../src/engine/control/protocol/messages.js';

function full(): BatchWindow {
  const window = new BatchWindow();
  for (let batch = 0; batch < BATCHES_AHEAD; batch++) {
    expect(window.isFull).toBe(false);
    window.sent();
  }
  return window;
}

describe('a window of batches', () => {
  test('is full when as many are ahead as may be, and open again with each that is taken', () => {
    const window = full();
    expect(window.isFull).toBe(true);
    window.taken();
    expect(window.isFull).toBe(false);
    window.sent();
    expect(window.isFull).toBe(true);
  });

  test('lets nobody take what was not sent', () => {
    const window = new BatchWindow();
    for (let batch = 0; batch < 100; batch++) window.taken();
    for (let batch = 0; batch < BATCHES_AHEAD; batch++) window.sent();
    expect(window.isFull).toBe(true);
  });

  test('is one in two threads, and whoever waits learns that it is closed', () => {
    const window = full();
    const other = new BatchWindow(window.shared);
    expect(other.isFull).toBe(true);
    window.taken();
    expect(other.awaitRoom()).toBe(true);
    other.sent();
    expect(window.isFull).toBe(true);
    window.close();
    expect(other.awaitRoom()).toBe(false);
    expect(other.isClosed).toBe(true);
  });
});
