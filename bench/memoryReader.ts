import { identifyKernel } from '../src/forensics/memory/banner.js';
import { openMemory, toEnd } from '../src/forensics/memory/open.js';
import { fileSource } from '../test/support/memory/realDumps.js';
import { median, peakMebibytes, time } from './measure.js';

/** What the process measures and prints as JSON; without a file, how much memory it takes itself. */
export interface MemoryMeasurement {
  readonly container: string;
  readonly bytes: number;
  /** Seconds, the median of several runs. */
  readonly open: number;
  readonly read: number;
  readonly identify: number;
  readonly peakMebibytes: number;
}

const WINDOW_BYTES = 1024 * 1024;

function measure(path: string): MemoryMeasurement {
  const source = fileSource(path);
  const memory = openMemory(source);
  const window = Buffer.alloc(WINDOW_BYTES);
  let bytes = 0;
  const readAll = () => {
    bytes = 0;
    for (const { address, length } of memory.presentRuns()) {
      for (let at = 0; at < length; at += WINDOW_BYTES) {
        const piece = window.subarray(0, Math.min(WINDOW_BYTES, length - at));
        memory.read(address + at, piece);
        bytes += piece.length;
      }
    }
  };
  const read = median(time(readAll));
  const identify = median(time(() => toEnd(identifyKernel(memory))));
  const open = median(time(() => openMemory(source)));
  return {
    container: memory.container,
    bytes,
    open,
    read,
    identify,
    peakMebibytes: peakMebibytes(),
  };
}

const [path] = process.argv.slice(2);
const nothing = { container: '', bytes: 0, open: 0, read: 0, identify: 0 };
const measurement =
  path === undefined ? { ...nothing, peakMebibytes: peakMebibytes() } : measure(path);
process.stdout.write(JSON.stringify(measurement));
