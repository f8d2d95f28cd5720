import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { streamNames } from '../../../src/engine/format/types.js';
import { describeSnapshot } from '../../../src/engine/snapshot/information.js';
import { countBlocks, openSnapshot, type Snapshot, verifyChain } from '../../../src/index.js';
import { goldenFixtures, goldenPath, sha256 } from '../../support/fixtures.js';
import { expectSameBytes, hashStream, readRange, readStream } from '../../support/streams.js';

/** Streams up to this length are held in memory as a whole. */
const WHOLE_BYTES = 4 * 1024 * 1024;

describe.each(goldenFixtures)('$id', (fixture) => {
  const path = goldenPath(fixture.file);
  const passwords = fixture.password === null ? [] : [fixture.password];
  const small = streamNames.filter((stream) => fixture[stream].size <= WHOLE_BYTES);
  let snapshot: Snapshot;

  beforeAll(() => {
    snapshot = openSnapshot(path, { passwords });
  });
  afterAll(() => snapshot.close());

  test('is the file that the manifest describes', () => {
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(fixture.file_size);
    expect(sha256(bytes)).toBe(fixture.file_sha256);
  });

  test('tells generation and header fields', () => {
    const { header, generation } = snapshot;
    const chunking = header.chunking && [
      header.chunking.averageBits,
      header.chunking.minimumBytes,
      header.chunking.maximumBytes,
    ];
    expect({
      generation,
      layout: header.layout,
      compression: header.compression,
      block_size: header.blockSize,
      encrypted: header.encryption !== undefined,
      variable_blocks: header.variableBlocks,
      has_disk: header.hasDisk,
      has_memory: header.hasMemory,
      cdc_params: chunking ?? null,
      signed: header.signature !== undefined,
      dictionary_length: header.dictionary?.length ?? null,
      parent: header.parentPaths.length === 0 ? null : header.parentPaths,
    }).toEqual({
      generation: fixture.generation,
      layout: fixture.generation === 'B' ? 'B' : 'A',
      compression: fixture.compression,
      block_size: fixture.block_size,
      encrypted: fixture.encrypted,
      variable_blocks: fixture.variable_blocks,
      has_disk: fixture.has_disk,
      has_memory: fixture.has_memory,
      cdc_params: fixture.cdc_params,
      signed: fixture.signed,
      dictionary_length: fixture.dictionary_length,
      parent: fixture.parent,
    });
  });

  test('is described without password, metadata and parents included', () => {
    const information = describeSnapshot(path);
    expect(information.problems).toEqual([]);
    expect(information.generation).toBe(fixture.generation);
    expect(information.metadataText ?? null).toBe(fixture.metadata);
    expect(information.parents.map(({ error }) => error)).toEqual(
      (fixture.parent ?? []).map(() => undefined),
    );
  });

  test('has the blocks of the manifest', () => {
    const counts = countBlocks(snapshot.index);
    for (const stream of streamNames) {
      const expected = fixture[stream];
      const blocks = [...snapshot.blocks(stream)];
      const table = snapshot.index.masterIndex[stream];
      expect({
        blocks: blocks.length,
        data: counts[stream].dataBlocks,
        zero: counts[stream].zeroBlocks,
        parent: counts[stream].parentBlocks,
        unique: new Set(blocks.filter((b) => b.kind === 'data').map((b) => b.storedOffset)).size,
        covered: blocks.reduce((sum, { length }) => sum + length, 0),
        pages: table.pageCount,
        entries: Array.from(
          { length: table.pageCount },
          (_, page) => [...snapshot.index.blocksOfPage(stream, page)].length,
        ),
      }).toEqual({
        blocks: expected.blocks,
        data: expected.data_blocks,
        zero: expected.zero_blocks,
        parent: expected.parent_refs,
        unique: expected.unique_offsets,
        covered: expected.covered,
        pages: expected.pages,
        entries: expected.page_entries,
      });
    }
    const stored = new Set(
      streamNames.flatMap((stream) =>
        [...snapshot.blocks(stream)]
          .filter(({ kind }) => kind === 'data')
          .map(({ storedOffset }) => storedOffset),
      ),
    );
    const { disk, memory } = counts;
    expect(disk.dataBlocks + memory.dataBlocks - disk.sharedBlocks - memory.sharedBlocks).toBe(
      stored.size,
    );
  });

  test('reads back as what was packed', () => {
    for (const stream of streamNames) {
      const { size, sha256: expected } = fixture[stream];
      expect(snapshot.streamLength(stream)).toBe(size);
      if (size <= WHOLE_BYTES) expect(hashStream(snapshot, stream)).toBe(expected);
    }
    for (const { offset, length, sha256: expected } of fixture.spots ?? []) {
      expect(sha256(readRange(snapshot, 'disk', offset, length))).toBe(expected);
    }
  });

  test('reads the same in pieces anywhere, and with hardly any cache', () => {
    const wholes = small.map((stream) => ({ stream, whole: readStream(snapshot, stream) }));
    const parts = wholes.filter(({ whole }) => whole.length > 0);
    if (parts.length === 0) return;
    const ranges = fc.constantFrom(...parts).chain(({ stream, whole }) =>
      fc.record({
        stream: fc.constant(stream),
        whole: fc.constant(whole),
        offset: fc.nat(whole.length + 10),
        length: fc.oneof(fc.nat(100), fc.nat(20_000), fc.nat(whole.length + 10)),
      }),
    );
    // Key derivation takes a fifth of a second: encrypted files are opened anew only once.
    const caches = fixture.encrypted ? [20_000] : [0, 20_000];
    const snapshots = caches.map((cacheBytes) => openSnapshot(path, { passwords, cacheBytes }));
    try {
      for (const reader of [snapshot, ...snapshots]) {
        fc.assert(
          fc.property(ranges, ({ stream, whole, offset, length }) => {
            const expected = whole.subarray(offset, offset + length);
            expectSameBytes(readRange(reader, stream, offset, length), expected);
          }),
          { numRuns: 25 },
        );
        for (const { stream, whole } of wholes) {
          expect(hashStream(reader, stream)).toBe(sha256(whole));
        }
      }
    } finally {
      for (const opened of snapshots) opened.close();
    }
  });

  test('passes verification, with all its parents', () => {
    const steps = verifyChain(snapshot);
    let next = steps.next();
    for (; next.done !== true; next = steps.next()) expect(next.value.finding).toBeUndefined();
    const [own] = next.value;
    expect(own?.dataBlocks).toBe(fixture.disk.data_blocks + fixture.memory.data_blocks);
    expect(own?.zeroBlocks).toBe(fixture.disk.zero_blocks + fixture.memory.zero_blocks);
    expect(own?.parentBlocks).toBe(fixture.disk.parent_refs + fixture.memory.parent_refs);
    expect(own?.checkedBytes).toBe(fixture.disk.covered + fixture.memory.covered);
    expect((own?.checkedBytes ?? 0) + (own?.uncoveredBytes ?? 0)).toBe(
      fixture.disk.size + fixture.memory.size,
    );
    expect(next.value.map(({ badBlocks }) => badBlocks)).toEqual(next.value.map(() => 0));
  });
});

test('there are 85 golden files', () => {
  expect(goldenFixtures).toHaveLength(85);
});
