import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryDumps } from './inputs.js';
import { printTable } from './measure.js';
import type { MemoryMeasurement } from './memoryReader.js';

const READER = fileURLToPath(new URL('./memoryReader.js', import.meta.url));
const dumps = ['dump.raw', 'dump.elf', 'dump.migrate', 'dump.kdump-zlib'];

/**
 * Opens the memory of one guest of 80 MiB in each of its containers, reads all of it in steps of 1 MiB and looks for the
 * kernel, each in a process of its own. The memory is what that takes above a process that has opened nothing.
 */
export function memory(): void {
  const directory = memoryDumps();
  const bare = measure([]);
  const rows = dumps.map((dump) => {
    const { container, bytes, open, read, identify, peakMebibytes } = measure([
      join(directory, dump),
    ]);
    const rate = (seconds: number): string => `${(bytes / 1e6 / seconds).toFixed(0)} MB/s`;
    return [
      container,
      `${(open * 1000).toFixed(1)} ms`,
      rate(read),
      rate(identify),
      `${(peakMebibytes - bare.peakMebibytes).toFixed(0)} MiB`,
    ];
  });
  process.stdout.write('memory: a guest of 80 MiB, by the bytes of the guest\n');
  printTable([['container', 'open', 'read', 'find the kernel', 'peak memory'], ...rows]);
}

function measure(parameters: readonly string[]): MemoryMeasurement {
  const { stdout, status, error } = spawnSync(process.execPath, [READER, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`the reader ended with ${status}`);
  return JSON.parse(stdout);
}
