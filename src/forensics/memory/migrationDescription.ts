import { z } from 'zod';
import type { ByteSource } from '../byteSource.js';
import { MAX_DESCRIPTION_BYTES } from './limits.js';

const DESCRIPTION = 6;
const HEADER_BYTES = 5;
/** Something else may look like its beginning; not often. */
const MAX_ATTEMPTS = 8;

const description = z.object({ devices: z.array(z.object({ name: z.string() })) });

/**
 * How many CPUs the description at the end of a migration stream lists: {u8 6, u32 length, JSON}, found from its end.
 * Undefined where there is none.
 */
export function cpuCountOf(source: ByteSource): number | undefined {
  const length = Math.min(source.length, MAX_DESCRIPTION_BYTES);
  const tail = Buffer.alloc(length);
  source.readInto(source.length - length, tail);
  let attempts = 0;
  for (
    let at = tail.lastIndexOf(DESCRIPTION, length - HEADER_BYTES);
    at >= 0 && attempts < MAX_ATTEMPTS;
    at = at === 0 ? -1 : tail.lastIndexOf(DESCRIPTION, at - 1)
  ) {
    if (tail.readUInt32BE(at + 1) !== length - at - HEADER_BYTES) continue;
    attempts++;
    const count = countCpus(tail.toString('utf8', at + HEADER_BYTES));
    if (count !== undefined) return count;
  }
  return undefined;
}

function countCpus(json: string): number | undefined {
  try {
    const { devices } = description.parse(JSON.parse(json));
    const count = devices.filter(({ name }) => name === 'cpu').length;
    return count === 0 ? undefined : count;
  } catch {
    return undefined;
  }
}
