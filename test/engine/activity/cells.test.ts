import { describe, expect, test } from 'vitest';
import { ActivityRecorder } from '../../../src/engine/activity/recorder.js';
import { ActivitySampler } from '../../../src/engine/activity/sampler.js';
import {
  createSharedActivity,
  type RecordedStream,
  type SharedCells,
} from '../../../src/engine/activity/shared.js';

const GIBIBYTE = 2 ** 30;
const MAX_CELLS = 2 ** 20;

function cellsOf(stream: Partial<RecordedStream>): SharedCells {
  const disk = { length: GIBIBYTE, blockBytes: 65_536, canGrow: false, ...stream };
  return createSharedActivity({ disk }).streams.disk as SharedCells;
}

describe('cells', () => {
  test.each([
    [{}, 65_536, GIBIBYTE / 65_536],
    [{ blockBytes: 65_537 }, 131_072, GIBIBYTE / 131_072],
    [{ blockBytes: 1 }, 4096, GIBIBYTE / 4096],
    [{ blockBytes: 128 * 1024 ** 2 }, 128 * 1024 ** 2, 8],
    [{ length: 0 }, 65_536, 1],
    [{ length: 65_537 }, 65_536, 2],
    [{ length: 64 * GIBIBYTE }, 131_072, MAX_CELLS / 2],
    [{ length: 2 ** 44, canGrow: true }, 2 ** 25, MAX_CELLS],
    [{ length: 5, canGrow: true }, 65_536, MAX_CELLS],
    [{ length: Number.MAX_SAFE_INTEGER }, 2 ** 34, MAX_CELLS / 2],
  ])('of %o are %i bytes', (stream, cellBytes, cellCount) => {
    expect(cellsOf(stream)).toMatchObject({ cellBytes, cellCount });
  });

  /** Cells that are told after these requests: offset and length. */
  function touchedBy(
    stream: Partial<RecordedStream>,
    kind: 'read' | 'write',
    ...ranges: readonly (readonly [number, number])[]
  ) {
    const disk = { length: GIBIBYTE, blockBytes: 4096, canGrow: false, ...stream };
    const shared = createSharedActivity({ disk });
    const recorder = new ActivityRecorder(shared);
    for (const [offset, length] of ranges) {
      recorder.end(recorder.begin(), kind, 'disk', offset, length, 0, false);
    }
    const { disk: touched } = new ActivitySampler(shared).cursor('start').sample(0).touched;
    return kind === 'read' ? touched?.read : touched?.written;
  }

  test.each([
    ['at the end of a word', [[31 * 4096, 1]], [31, 1]],
    ['over a word', [[0, 32 * 4096]], [0, 32]],
    ['over words', [[4095, 100 * 4096]], [0, 101]],
    ['over groups of words', [[4000 * 4096, 5000 * 4096]], [4000, 5000]],
    [
      'twice',
      [
        [4096, 1],
        [4096, 4097],
      ],
      [1, 2],
    ],
    ['of nothing', [[4096, 0]], []],
  ] as const)('are touched %s', (_, ranges, runs) => {
    expect(touchedBy({}, 'read', ...ranges)).toEqual(runs);
    expect(touchedBy({}, 'write', ...ranges)).toEqual(runs);
  });

  test('go on where a disk grows, and the last one stands for all that is behind', () => {
    const growing = { length: 4096, canGrow: true };
    expect(touchedBy(growing, 'write', [700_000 * 4096, 4096])).toEqual([700_000, 1]);
    const behind = [MAX_CELLS - 1, 1];
    expect(touchedBy(growing, 'write', [(MAX_CELLS - 1) * 4096, 1])).toEqual(behind);
    expect(touchedBy(growing, 'write', [2 ** 44 - 4096, 4096])).toEqual(behind);
  });
});
