// Many readers of one disk at the same time, each with a descriptor of its own; each compares what it reads.
// Usage: stormReaders DISK LENGTH READERS READS, with UV_THREADPOOL_SIZE for so many readers.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { BASE_VERSION, bytesOf } from '../../fsx/pattern.js';
import { randomFrom } from '../overlay/memoryBase.js';

const MAX_READ_BYTES = 300_000;

const [disk = '', ...numbers] = process.argv.slice(2);
const [length = 0, readers = 0, reads = 0] = numbers.map(Number);

async function read(reader: number): Promise<void> {
  const random = randomFrom(reader);
  const direct = reader % 2 === 0 ? 0 : constants.O_DIRECT;
  const file = await open(disk, constants.O_RDONLY | direct);
  const buffer = Buffer.alloc(MAX_READ_BYTES);
  for (let count = 0; count < reads; count++) {
    const offset = Math.floor(random() * length);
    const wanted = Math.min(Math.ceil(MAX_READ_BYTES ** random()), length - offset);
    const { bytesRead } = await file.read(buffer, 0, wanted, offset);
    const expected = bytesOf(BASE_VERSION, offset, wanted);
    if (bytesRead !== wanted || !buffer.subarray(0, wanted).equals(expected)) {
      throw new Error(`a read of ${wanted} bytes at ${offset} found ${bytesRead}, or other ones`);
    }
  }
  await file.close();
}

await Promise.all(Array.from({ length: readers }, (_, reader) => read(reader)));
process.stdout.write(`${readers * reads} reads\n`);
