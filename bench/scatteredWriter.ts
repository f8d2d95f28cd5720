import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/*
 * `node scatteredWriter.js DISK reads|writes RATE` touches pages here and there, so many a second, until it is killed;
 * `node scatteredWriter.js DISK extents COUNT` writes so many pages, evenly over the disk, and ends.
 */
const [disk = '', how = '', number = '0'] = process.argv.slice(2);
const PAGE_BYTES = 4096;
/** The golden ratio takes every part of the disk in turn. */
const STEP = 0.618033988749895;

const descriptor = openSync(disk, how === 'reads' ? 'r' : 'r+');
const pages = Math.floor(fstatSync(descriptor).size / PAGE_BYTES);
const bytes = Buffer.alloc(PAGE_BYTES, 'scattered');

if (how === 'extents') {
  const stride = Math.floor(pages / Number(number));
  for (let page = 0; page < Number(number) * stride; page += stride) {
    writeSync(descriptor, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
  }
  closeSync(descriptor);
} else {
  const begun = performance.now();
  for (let done = 0; ; ) {
    const due = ((performance.now() - begun) / 1000) * Number(number);
    for (; done < due; done++) {
      const page = Math.floor(((done * STEP) % 1) * pages);
      if (how === 'reads') readSync(descriptor, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
      else writeSync(descriptor, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
    }
    await sleep(1);
  }
}
