import type { GuestMemory } from '../../../forensics/memory/guestMemory.js';
import type { Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';
import type { JobOutput } from './output.js';

/** What a container keeps together. */
const PAGE_BYTES = 4096;

/** Answers `locate`. */
export function locate(
  context: JobContext,
  { stretches }: Params<'locate'>,
  output: JobOutput<never>,
): Result<'locate'> {
  const memory = context.memory(output);
  if (memory.container === 'raw') return { isContainer: false, runs: [] };
  const runs = stretches.flatMap(({ offset, length }) => [
    ...runsIn(memory, offset, offset + length, output),
  ]);
  return { isContainer: true, runs };
}

interface Run {
  offset: number;
  length: number;
  guestOffset: number | null;
}

/** Bytes that follow each other in the stream and in memory, or that are nowhere in memory. */
function* runsIn(
  memory: GuestMemory,
  startOffset: number,
  endOffset: number,
  output: JobOutput<never>,
): Generator<Run, void> {
  let run: Run | undefined;
  for (let offset = startOffset; offset < endOffset; ) {
    output.check();
    const guestOffset = memory.physicalOf(offset) ?? null;
    // Where nothing is stored as it is, a page may begin with each byte.
    const step = guestOffset === null ? 1 : PAGE_BYTES - (guestOffset % PAGE_BYTES);
    const length = Math.min(step, endOffset - offset);
    const expected =
      run === undefined || run.guestOffset === null ? null : run.guestOffset + run.length;
    if (run !== undefined && guestOffset === expected) {
      run.length += length;
    } else {
      if (run !== undefined) yield run;
      run = { offset, length, guestOffset };
    }
    offset += length;
  }
  if (run !== undefined) yield run;
}
