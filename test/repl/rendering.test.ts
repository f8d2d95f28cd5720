import { describe, expect, test } from 'vitest';
import type { Hunk } from '../../src/engine/control/protocol/review.js';
import { HexzError } from '../../src/engine/errors.js';
import type { FakeMethods } from '../support/repl/fakeEngine.js';
import { runRepl } from '../support/repl/runRepl.js';

const shown = async (text: string, methods: FakeMethods = {}): Promise<string> => {
  const { output, errors } = await runRepl(text, { methods });
  return output + errors;
};

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

describe('bytes', () => {
  test('zeros that follow each other are told with their number', async () => {
    expect(await shown('read disk 0x1ff0 64')).toMatchInlineSnapshot(`
      "0x00001ff0  01 01 01 01 01 01 01 01 01 01 01 01 01 01 01 01 ................
      0x00002000  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ................
      ... 2 rows of zeros
      "
    `);
  });

  test('what no range of a memory holds is not present, and its place in the stream is told', async () => {
    expect(await shown('hex memory 0xff0 48')).toMatchInlineSnapshot(`
      "0x0000_0ff0  not present: 16 B
      0x00001000 (0x0000_0000)  70 61 67 65 20 30 00 00 00 00 00 00 00 00 00 00 page 0..........
      0x00001010 (0x0000_0010)  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ................
      "
    `);
  });

  test('with --raw, the address of the guest is told beside', async () => {
    const methods: FakeMethods = {
      locate: ({ stretches }) => ({
        isContainer: true,
        runs: stretches.flatMap(({ offset, length }) =>
          length < 16
            ? [{ offset, length, guestOffset: offset + 0x1000 }]
            : [
                { offset, length: 8, guestOffset: null },
                { offset: offset + 8, length: length - 8, guestOffset: offset + 0x1008 },
              ],
        ),
      }),
      search: () => ({
        batches: [[{ offset: 4, length: 2, preview: base64('hi'), previewOffset: 4 }]],
        result: { found: 1, searchedBytes: 8 },
      }),
    };
    expect(
      await shown('read memory 0 24 --raw; find memory hi --raw', methods),
    ).toMatchInlineSnapshot(`
      "0x00000000 (-)            70 61 67 65 20 30 00 00                         page 0..
      0x00000008 (0x0000_1008)  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ................
      offset       of guest       length  around
      0x0000_0004  (0x0000_1004)       2  hi
      1 match in 8 B
      "
    `);
    const damaged: FakeMethods = {
      locate: () => {
        throw new HexzError('MEMORY_DAMAGED', 'it ends in a header');
      },
    };
    expect(await shown('read memory 0 8 --raw', damaged)).toBe(
      '0x00000000  70 61 67 65 20 30 00 00                         page 0..\n',
    );
  });

  test('a read goes on where the one before ended, and says where the stream ends', async () => {
    expect(await shown('read disk end-16; read disk')).toMatchInlineSnapshot(`
      "0x0000fff0  0f 0f 0f 0f 0f 0f 0f 0f 0f 0f 0f 0f 0f 0f 0f 0f ................
      the disk ends at 0x0001_0000
      nothing at 0x0001_0000: the disk ends at 0x0001_0000
      "
    `);
  });

  test('with colours the kinds of bytes differ', async () => {
    const { output } = await runRepl('read disk 0 16', { isColoured: true });
    expect(output).toMatchInlineSnapshot(`
      "[0;2m0x00000000[0m  70 61 67 65 [0;32m20[0m 30 [0;2m00[0m [0;2m00[0m [0;2m00[0m [0;2m00[0m [0;2m00[0m [0;2m00[0m [0;2m00[0m [0;2m00[0m [0;2m00[0m [0;2m00[0m page[0;32m [0m0[0;2m..........[0m
      "
    `);
  });

  test('between tabs', async () => {
    expect(await shown('set format table > /dev/null; read disk 0x1000 8')).toMatchInlineSnapshot(`
      "offset	length	bytes
      4096	8	7061676520310101
      "
    `);
  });
});

describe('lists', () => {
  const matches: FakeMethods = {
    search: ({ stream }) => ({
      batches: [
        [0x400, 0x1400].map((offset) => ({
          offset,
          length: 5,
          ...(stream === 'memory'
            ? { streamOffset: offset === 0x400 ? null : offset - 0x1000 }
            : {}),
          preview: base64('say hello\n'),
          previewOffset: offset - 4,
        })),
      ],
      result: { found: 2, searchedBytes: 65_536 },
    }),
  };

  test('of matches', async () => {
    expect(await shown('find disk hello', matches)).toMatchInlineSnapshot(`
      "offset       length  around
      0x0000_0400       5  say hello.
      0x0000_1400       5  say hello.
      2 matches in 64.00 KiB
      "
    `);
  });

  test('of matches in a memory, with their places in the stream', async () => {
    expect(await shown('find memory hello', matches)).toMatchInlineSnapshot(`
      "offset       in stream      length  around
      0x0000_0400  (-)                 5  say hello.
      0x0000_1400  (0x0000_0400)       5  say hello.
      2 matches in 64.00 KiB
      "
    `);
  });

  test('of what is dirty', async () => {
    expect(await shown('dirty')).toMatchInlineSnapshot(`
      "offset            length  pages
      0x0000_1000     4.00 KiB  1
      0x0000_4000    12.00 KiB  4-6
      4 dirty pages (16.00 KiB) of a disk of 64.00 KiB
      "
    `);
    expect(await shown('dirty 5p 1p')).toMatchInlineSnapshot(`
      "offset            length  pages
      0x0000_5000     4.00 KiB  5
      4 dirty pages (16.00 KiB) of a disk of 64.00 KiB
      "
    `);
  });

  const tally = {
    stream: 'disk' as const,
    extents: 3,
    changedPages: 1,
    equalPages: 3,
    newPages: 1,
    differentBytes: 17,
    newBytes: 4096,
    cutRanges: 0,
    cutBytes: 0,
    grownBytes: 4096,
    removedBytes: 0,
  };
  const difference = {
    ...tally,
    offset: 4096,
    length: 4096,
    pageIndex: 1,
    pageCount: 1,
  };

  test('of differences', async () => {
    const methods: FakeMethods = {
      diff: () => ({
        batches: [
          [
            { ...difference, kind: 'changed', newBytes: 0 },
            {
              ...difference,
              kind: 'equal',
              offset: 16_384,
              length: 12_288,
              pageIndex: 4,
              pageCount: 3,
            },
            { ...difference, kind: 'new', offset: 65_536, pageIndex: 16 },
            { ...difference, kind: 'grown', offset: 65_536, pageIndex: 16 },
          ],
        ],
        result: tally,
      }),
    };
    expect(await shown('diff', methods)).toMatchInlineSnapshot(`
      "offset            length  kind     pages          differs
      0x0000_1000     4.00 KiB  changed  1              17 bytes differ
      0x0000_4000    12.00 KiB  equal    4-6            same as base
      0x0001_0000     4.00 KiB  new      16             4 096 new bytes
      0x0001_0000     4.00 KiB  grown    16             4.00 KiB
      3 extents: 1 page changed, 1 new, 3 the same as the base; 17 bytes differ, 4 096 new
      "
    `);
  });

  test('of rows that differ', async () => {
    const methods: FakeMethods = {
      diffRows: () => ({
        batches: [
          [
            {
              row: {
                offset: 0x1000,
                before: base64('Hello, old world'),
                after: base64('Hello, new world'),
                isChanged: true,
              },
            },
            { skippedRows: 14 },
            { row: { offset: 0x10f0, before: '', after: base64('new'), isChanged: true } },
          ],
        ],
        result: { changedRows: 2 },
      }),
    };
    expect(await shown('diff --hex', methods)).toMatchInlineSnapshot(`
      "0x00001000 48 65 6c 6c 6f 2c 20*6f Hello, o| 48 65 6c 6c 6f 2c 20*6e Hello, n
      0x00001008*6c*64 20 77 6f 72 6c 64 ld world|*65*77 20 77 6f 72 6c 64 ew world
      ... 14 equal rows
      0x000010f0                                 |*6e*65*77                new
      "
    `);
  });

  test('of hunks', async () => {
    const hunks: Hunk[] = [
      { pageIndex: 1, pageCount: 1, decision: 'keep', isViewed: true, hasChangedSince: false },
      { pageIndex: 4, pageCount: 3, decision: 'drop', isViewed: false, hasChangedSince: true },
      { pageIndex: 20, pageCount: 1, decision: 'open', isViewed: false, hasChangedSince: false },
    ];
    const counts = {
      revision: 3,
      hunks: 3,
      keep: 1,
      drop: 1,
      open: 1,
      viewed: 1,
      changed: 1,
      keepPages: 1,
      dropPages: 3,
      openPages: 1,
      keepBytes: 4096,
      dropBytes: 3 * 4096,
      openBytes: 4096,
      canUndo: true,
      canRedo: false,
      unsaved: null,
    };
    const methods: FakeMethods = {
      review: ({ fromPage = 0 }) => ({
        hunks: fromPage === 0 ? hunks.slice(0, 2) : hunks.slice(2),
        nextPage: fromPage === 0 ? 7 : null,
        counts,
      }),
      decide: () => counts,
    };
    expect(await shown('review; keep 1 4-6', methods)).toMatchInlineSnapshot(`
      "     offset       pages
      [k]  0x0000_1000  1              viewed
      [d]  0x0000_4000  4-6            changed since
      [ ]  0x0001_4000  20
      2 of 3 hunks decided: keep 1, drop 1, open 1; viewed 1
      2 of 3 hunks decided: keep 1, drop 1, open 1; viewed 1
      "
    `);
  });

  test('of events', async () => {
    const event = {
      time: Date.UTC(2026, 0, 2, 12, 4, 31, 220),
      stream: 'disk' as const,
      offset: 0x1a400000,
      length: 131_072,
      firstBlockIndex: 6720,
      blockCount: 2,
      hitBlocks: 2,
      decodedBlocks: 0,
      decodeMicroseconds: 0,
      microseconds: 38,
      newDirtyPages: 0,
      hasFailed: false,
    };
    const methods: FakeMethods = {
      watch: () => ({
        batches: [
          [
            {
              activity: {
                time: event.time,
                seconds: 1,
                counters: { streams: {}, hitBlocks: 2, decodedBlocks: 0, decodeMicroseconds: 0 },
                readLatency: null,
                writeLatency: null,
                touched: {},
                events: [
                  { ...event, kind: 'read' },
                  { ...event, kind: 'read', decodedBlocks: 1, decodeMicroseconds: 61 },
                  { ...event, kind: 'write', length: 4096, blockCount: 1, newDirtyPages: 1 },
                ],
                lostEvents: 2,
                dirtyPages: 1,
                diskLength: 65_536,
              },
            },
          ],
        ],
        result: {},
      }),
    };
    expect(await shown('events 3', methods)).toMatchInlineSnapshot(`
      "time          kind      stream  offset           length  blocks        how
      12:04:31.220  read      disk    0x1a40_0000  128.00 KiB  6720-6721     hit
      12:04:31.220  read      disk    0x1a40_0000  128.00 KiB  6720-6721     decode 61 us
      12:04:31.220  write     disk    0x1a40_0000    4.00 KiB  6720          1 new page
      3 events, 2 more not told
      "
    `);
  });
});

test('what a file says is shown, never sent to the terminal', async () => {
  const methods: FakeMethods = {
    strings: () => ({
      batches: [
        [{ offset: 0, length: 9, encoding: 'utf-8', text: 'a\u001b[31m\u202eb\t', isCut: false }],
      ],
      result: { found: 1, searchedBytes: 9 },
    }),
  };
  expect(await shown('strings disk', methods)).toContain('a\\x1b[31m\\u202eb\\x09');
  expect((await runRepl('strings disk', { methods, json: true })).output).toContain(
    'a\\u001b[31m\\u202eb\\t',
  );
});

test('info is told in words, and a document of another shape as it is', async () => {
  const document = {
    path: '/images/web.hxz',
    version: 1,
    compression: 'Lz4',
    block_size: 65_536,
    variable_blocks: false,
    generation: 'A',
    original_size: 2_097_152,
    compressed_size: 524_288,
    compression_ratio: 4,
    streams: { disk: { size: 2_097_152, index_pages: 1 } },
    encryption: null,
    dictionary: null,
    metadata: { length: 3, text: 'why' },
    signature: null,
    parents: [{ stored_path: 'base.hxz', path: '/images/base.hxz' }],
    problems: [],
    further_problems: 0,
  };
  const methods: FakeMethods = { info: () => document };
  expect(await shown('info', methods)).toBe(
    `${[
      'snapshot:   /images/web.hxz',
      'format:     generation A, lz4, blocks of 64 KiB',
      'disk:       2.00 MiB (2 097 152 bytes), 1 index page',
      'size:       2.00 MiB in 512.00 KiB (4.00x)',
      'encrypted:  no',
      'dictionary: no',
      'signed:     no',
      'message:    why',
      'parent:     base.hxz, found as /images/base.hxz',
    ].join('\n')}\n`,
  );
  expect(await shown('info', { info: () => ({ shape: { of: 'another' } }) })).toBe(
    'shape.of: another\n',
  );
});

test('a commit is told in words', async () => {
  const stream = {
    length: 65_536,
    encodedBlocks: 2,
    copiedBlocks: 1,
    zeroBlocks: 1,
    parentBlocks: 0,
  };
  const methods: FakeMethods = {
    planCommit: () => ({
      streams: {
        disk: {
          ...stream,
          estimatedStoredBytes: 2048,
          maximumStoredBytes: 70_000,
          sampledBlocks: 2,
        },
      },
      committedPages: 4,
      committedBytes: 16_384,
      remainingPages: 1,
    }),
    commit: () => ({
      output: '/new.hxz',
      fileBytes: 4096,
      streams: { disk: { ...stream, sharedBlocks: 0, storedBytes: 2048 } },
      encoder: 'lz4-napi',
      seconds: 0.5,
      warnings: [],
      base: '/images/web-01.hxz',
      baseBytes: 20_000,
      committedPages: 4,
      remainingPages: 1,
      overlay: 'kept',
      verified: { blocks: 3, bytes: 49_152, isWhole: false },
    }),
  };
  expect(await shown('commit /new.hxz --dry-run; commit /new.hxz', methods)).toMatchInlineSnapshot(`
    "Would commit:    4 pages (16.00 KiB)
    Would leave out: 1 page
    Blocks of disk:  2 written, 1 copied as stored, 1 zero
    Stored of disk:  about 2.00 KiB (estimated), at most 68.36 KiB, of 64.00 KiB
    Committed:      4 pages
    To:             /new.hxz
    Base:           /images/web-01.hxz (19.53 KiB)
    Size:           64.00 KiB in 4.00 KiB (16.00x)
    Blocks of disk: 2 written, 1 copied as stored, 1 zero
    Overlay:        kept, on its base; 1 page left out
    Verified:       3 blocks (48.00 KiB) read back and compared
    Encoder:        lz4-napi
    Time:           0.50 s
    "
  `);
});

test('without an overlay, what has changed is nothing, and why is said', async () => {
  const fails = (): never => {
    throw new HexzError('NO_OVERLAY', 'there is no overlay');
  };
  const methods: FakeMethods = { diff: fails, diffRows: fails, review: fails };
  expect(await shown('diff; diff --hex; review', methods)).toMatchInlineSnapshot(`
    "nothing differs
    there is no overlay
    there is no overlay
    nothing is dirty
    there is no overlay
    "
  `);
  const { output, code } = await runRepl('diff', { methods, json: true });
  expect(code).toBeUndefined();
  expect(JSON.parse(output).result).toEqual({
    offset: 0,
    differences: [],
    note: 'there is no overlay',
  });
});

describe('JSON', () => {
  test('is a line for each command, with what is known before, the items, and what is known behind them', async () => {
    const { output } = await runRepl('dirty\nsh echo out; echo err >&2\nassert dirty = 5\nset', {
      json: true,
    });
    expect(output).toMatchInlineSnapshot(`
      "{"command":"dirty","result":{"offset":0,"extents":[{"pageIndex":1,"pageCount":1,"offset":4096,"length":4096},{"pageIndex":4,"pageCount":3,"offset":16384,"length":12288}],"dirtyPages":4,"diskLength":65536}}
      {"command":"sh echo out; echo err >&2","result":{"status":0,"signal":null,"stdout":"out\\n","stderr":"err\\n"}}
      {"command":"assert dirty = 5","result":{"passed":false,"actual":4,"expected":5},"error":{"code":"ASSERTION_FAILED","exitStatus":1,"message":"it is 4, not 5","file":"test","line":3,"column":1}}
      "
    `);
  });

  test('has bytes as hexadecimal digits everywhere, and an addressing for memories only', async () => {
    const methods: FakeMethods = {
      search: () => ({
        batches: [[{ offset: 4, length: 2, preview: base64('hi'), previewOffset: 4 }]],
        result: { found: 1, searchedBytes: 8 },
      }),
    };
    const { output } = await runRepl('find disk hi; read disk 0 2; read memory 0x1000 2', {
      methods,
      json: true,
    });
    const results = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).result);
    expect(results).toMatchObject([
      { matches: [{ preview: '6869' }] },
      { pieces: [{ bytes: '7061' }] },
      { addressing: 'guest', pieces: [{ bytes: '7061' }] },
    ]);
    expect(results[0]).not.toHaveProperty('addressing');
    expect(results[1]).not.toHaveProperty('addressing');
  });

  test('an error in the middle of a list leaves a line that is complete', async () => {
    const methods: FakeMethods = {
      strings: () => ({
        batches: (async function* () {
          yield [{ offset: 0, length: 4, encoding: 'ascii' as const, text: 'text', isCut: false }];
          throw new HexzError('CRC', 'damaged');
        })(),
        result: { found: 0, searchedBytes: 0 },
      }),
    };
    const { output, code } = await runRepl('strings disk', { methods, json: true });
    expect(code).toBe('CRC');
    expect(JSON.parse(output)).toMatchObject({
      command: 'strings disk',
      result: { strings: [{ text: 'text' }] },
      error: { code: 'CRC', exitStatus: 4, line: 1 },
    });
  });
});
