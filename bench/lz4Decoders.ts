import { closeSync, openSync, readSync } from 'node:fs';
import { loadavg } from 'node:os';
import { DecoderMemory } from '../src/engine/codec/decoderMemory.js';
import { decodeLz4, type Lz4Decoder } from '../src/engine/codec/lz4.js';
import { libraryLz4 } from '../src/engine/codec/lz4Library.js';
import { loadNativeLibrary } from '../src/engine/codec/nativeLibrary.js';
import { openSnapshot } from '../src/index.js';
import { fileSystemSnapshot } from './inputs.js';
import { inTurns, median, printTable } from './measure.js';

const SAMPLE_BLOCKS = 1500;
const BLOCK_BYTES = 65_536;
const RANDOM_READS = 30_000;
const SMALL_BYTES = 4096;

/**
 * Decoders of LZ4 over the same blocks, from memory: into one target, which stays in the processor's cache, and into a slot
 * for each block, as behind the block cache. Then small random reads, beside reads of the whole blocks that they lie in.
 * Everything takes turns. Times are those of the processor, since the machine may do other things.
 */
export function lz4Decoders(): void {
  const path = fileSystemSnapshot('lz4');
  const snapshot = openSnapshot(path);
  const all = [...snapshot.blocks('disk')].filter(
    ({ kind, length }) => kind === 'data' && length === BLOCK_BYTES,
  );
  const step = Math.max(1, Math.floor(all.length / SAMPLE_BLOCKS));
  const blocks = all.filter((_, position) => position % step === 0);
  snapshot.close();

  const memory = new DecoderMemory(blocks.length * 2 * BLOCK_BYTES);
  const descriptor = openSync(path, 'r');
  const stored = blocks.map(({ storedOffset, storedLength }) => {
    const bytes = memory.allocate(storedLength);
    readSync(descriptor, bytes, 0, storedLength, storedOffset);
    return bytes;
  });
  closeSync(descriptor);
  const slots = blocks.map(() => memory.allocate(BLOCK_BYTES));
  const inside = memory.allocate(BLOCK_BYTES);
  const outside = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  const into = (decode: Lz4Decoder, targetOf: (position: number) => Buffer) => () => {
    stored.forEach((bytes, position) => {
      decodeLz4(bytes, targetOf(position), decode);
    });
  };
  const native = systemLz4();
  const rows: Record<string, readonly [hot: () => void, slots: () => void]> = {
    'WebAssembly, where it lies': [
      into(memory.decodeLz4, () => inside),
      into(memory.decodeLz4, (position) => slots[position] as Buffer),
    ],
    'WebAssembly, copied out': [
      into(memory.decodeLz4, () => outside),
      into(memory.decodeLz4, () => outside),
    ],
    'lz4-napi': [
      into(libraryLz4, () => outside),
      into(libraryLz4, (position) => slots[position] as Buffer),
    ],
  };
  if (native !== undefined) {
    rows['liblz4 through koffi'] = [
      into(native, () => outside),
      into(native, (position) => slots[position] as Buffer),
    ];
  }
  const actions = Object.entries(rows).flatMap(([name, [hot, cold]]) => [
    [`${name}, hot`, hot] as const,
    [`${name}, slots`, cold] as const,
  ]);
  const seconds = inTurns(Object.fromEntries(actions));
  const each = (name: string) => median(seconds.get(name) ?? []) / blocks.length;
  const cell = (name: string) =>
    `${(each(name) * 1e6).toFixed(1)} us, ${(BLOCK_BYTES / each(name) / 1e9).toFixed(2)} GB/s`;
  process.stdout.write(
    `decode lz4: ${blocks.length} blocks of 64 KiB, processor time, load ${(loadavg()[0] ?? 0).toFixed(1)}\n`,
  );
  printTable([
    ['', 'into one target', 'into a slot each'],
    ...Object.keys(rows).map((name) => [name, cell(`${name}, hot`), cell(`${name}, slots`)]),
  ]);
  randomReads(path);
}

function randomReads(path: string): void {
  const reads = (length: number) => () => {
    const snapshot = openSnapshot(path);
    const target = Buffer.allocUnsafeSlow(length);
    const places = Math.floor(snapshot.streamLength('disk') / length);
    let random = 1;
    for (let read = 0; read < RANDOM_READS; read++) {
      random = (random * 48_271) % 2_147_483_647;
      snapshot.readInto('disk', (random % places) * length, target);
    }
    snapshot.close();
  };
  const seconds = inTurns({ small: reads(SMALL_BYTES), whole: reads(BLOCK_BYTES) });
  const rate = (name: string) =>
    `${(RANDOM_READS / median(seconds.get(name) ?? []) / 1000).toFixed(1)} thousand a second`;
  printTable([
    ['random reads of 4 KiB', rate('small')],
    ['of whole blocks', rate('whole')],
  ]);
}

/** The system's liblz4, which hexz does not decode with, for comparison. */
function systemLz4(): Lz4Decoder | undefined {
  const decompress = loadNativeLibrary('liblz4.so.1')?.func(
    'int LZ4_decompress_safe(const void* source, void* target, int sourceLength, int targetLength)',
  );
  if (decompress === undefined) return undefined;
  return (stored, target) => {
    // It lets a match from no distance pass, and then leaves what was in the target before.
    target.fill(0);
    const block = stored.subarray(4);
    const length = decompress(block, target, block.length, target.length);
    if (length !== target.length) throw new Error(`result ${length}`);
  };
}
