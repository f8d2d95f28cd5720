import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { streamNames } from '../../src/engine/format/types.js';
import {
  HexzError,
  type OpenOptions,
  openSnapshot,
  type Snapshot,
  verifyChain,
} from '../../src/index.js';
import { memorySource } from '../support/memorySource.js';
import { mapFile } from './mapFile.js';
import { type FileMap, type Mutation, mutate, mutation } from './mutate.js';

const GOLDEN_DIRECTORY = 'fixtures/golden';
const CHUNK_BYTES = 256 * 1024;
const CACHE_BYTES = 4 * 1024 * 1024;

/** How much of a stream is read from its start and from its end: a mutated size may be petabytes. */
const READ_BYTES = 2 * 1024 * 1024;
/** How many blocks `verifyChain` may check: a forged page may claim millions of empty ones. */
const VERIFY_BLOCKS = 20_000;
/** What one input may take; far above what any takes, far below a hang. */
const MAX_MS = 2000;
/** The same where a key is derived: the file says how long that takes, up to 10 million iterations. */
const MAX_MS_WITH_KEY = 30_000;

export interface FuzzInput {
  readonly file: string;
  readonly mutations: readonly Mutation[];
}

interface Golden {
  readonly file: string;
  readonly password: string | null;
  readonly encryption: boolean;
  readonly bytes: Buffer;
  readonly map: FileMap;
}

interface ManifestFixture {
  readonly file: string;
  readonly password: string | null;
  readonly encrypted: boolean;
}

const goldenFiles = (): Golden[] => {
  const manifest = JSON.parse(readFileSync(join(GOLDEN_DIRECTORY, 'manifest.json'), 'utf8')) as {
    fixtures: ManifestFixture[];
  };
  return (
    manifest.fixtures
      .map(({ file, password, encrypted }) => ({
        file,
        password,
        encryption: encrypted,
        bytes: readFileSync(join(GOLDEN_DIRECTORY, file)),
        map: mapFile(join(GOLDEN_DIRECTORY, file)),
      }))
      // Deriving a key takes a fifth of a second; one encrypted file with the fewest iterations stays in.
      .filter(({ file, encryption }) => !encryption || file === 's-lz4-encrypted.hxz')
  );
};

/** Inputs: a golden file with one to four mutations. */
export function fuzzInputs(): { inputs: fc.Arbitrary<FuzzInput>; run: (input: FuzzInput) => void } {
  const files = goldenFiles();
  const byName = new Map(files.map((golden) => [golden.file, golden]));
  const plain = files.filter(({ encryption }) => !encryption).map(({ file }) => file);
  const encrypted = files.filter(({ encryption }) => encryption).map(({ file }) => file);
  const inputs = fc.record({
    file: fc.oneof(
      { weight: 99, arbitrary: fc.constantFrom(...plain) },
      { weight: 1, arbitrary: fc.constantFrom(...encrypted) },
    ),
    mutations: fc.array(mutation(), { minLength: 1, maxLength: 4 }),
  });
  const run = ({ file, mutations }: FuzzInput) => {
    const golden = byName.get(file);
    if (golden === undefined) throw new Error(`no golden file ${file}`);
    checkOne(golden, mutate(golden.bytes, mutations, golden.map));
  };
  return { inputs, run };
}

/**
 * Opens a mutated file and uses everything that reads it. Whatever it holds, each call must end with
 * all the bytes it promised or with a HexzError that is not INTERNAL, and soon.
 */
function checkOne({ file, password, encryption }: Golden, bytes: Buffer): void {
  const start = performance.now();
  const options: OpenOptions = {
    cacheBytes: CACHE_BYTES,
    passwords: password === null ? [] : [password],
  };
  const source = memorySource(join(GOLDEN_DIRECTORY, file), bytes);
  const snapshot = expectHexzError(() => openSnapshot(source, options));
  if (snapshot !== undefined) {
    try {
      for (const stream of streamNames) {
        expectHexzError(() => readEnds(snapshot, stream));
        expectHexzError(() => compareRuns(snapshot, stream));
      }
      expectHexzError(() => {
        let blocks = 0;
        for (const step of verifyChain(snapshot)) {
          if (step.finding?.error.code === 'INTERNAL' || ++blocks > VERIFY_BLOCKS) break;
        }
      });
    } finally {
      snapshot.close();
    }
  }
  const elapsed = performance.now() - start;
  if (elapsed > (encryption ? MAX_MS_WITH_KEY : MAX_MS))
    throw new Error(`took ${elapsed.toFixed(0)} ms`);
}

function readEnds(snapshot: Snapshot, stream: 'disk' | 'memory'): void {
  const length = snapshot.streamLength(stream);
  readRange(snapshot, stream, 0, Math.min(length, READ_BYTES));
  const tail = Math.max(0, length - READ_BYTES);
  readRange(snapshot, stream, tail, length);
  if (snapshot.readInto(stream, length, Buffer.alloc(1)) !== 0)
    throw new Error('read past the end');
}

function readRange(
  snapshot: Snapshot,
  stream: 'disk' | 'memory',
  start: number,
  end: number,
): void {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let offset = start; offset < end; ) {
    const wanted = Math.min(CHUNK_BYTES, end - offset);
    const count = snapshot.readInto(stream, offset, chunk.subarray(0, wanted));
    if (count !== wanted) throw new Error(`read ${count} of ${wanted} bytes at ${offset}`);
    offset += count;
  }
}

/** Runs must lie inside the stream, move on, and be zero where they say so. */
function compareRuns(snapshot: Snapshot, stream: 'disk' | 'memory'): void {
  const end = Math.min(snapshot.streamLength(stream), READ_BYTES);
  for (let offset = 0; offset < end; ) {
    const run = snapshot.runAt(stream, offset, end - offset);
    if (run.length <= 0 || offset + run.length > end) throw new Error(`run of ${run.length}`);
    if (run.kind === 'zero') {
      const bytes = Buffer.alloc(Math.min(run.length, CHUNK_BYTES), 1);
      snapshot.readInto(stream, offset, bytes);
      if (bytes.some((byte) => byte !== 0)) throw new Error(`a run of zeros at ${offset} is not`);
    }
    offset += run.length;
  }
}

function expectHexzError<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof HexzError && error.code !== 'INTERNAL' && error.code !== 'USAGE') {
      return undefined;
    }
    throw error;
  }
}
