// A thread that reads another thread's overlay of stamped pages as fast as it can, until it is told to stop: as it is
// at every moment, or as it was when it was frozen.
import { parentPort, workerData } from 'node:worker_threads';
import { FrozenOverlay } from '../../../dist/engine/overlay/frozenOverlay.js';
import { OverlayView } from '../../../dist/engine/overlay/overlayView.js';

const PAGE = 4096;
const BASE_STAMP = 1;
const MAX_PAGES = 300;
const { shared, frozen, baseLength, pageCount, answered, control } = workerData;

const base = {
  path: '/base.hxz',
  length: baseLength,
  identity: () => '',
  readInto(offset, target) {
    const end = Math.min(baseLength, offset + target.length);
    for (let at = 0; at < end - offset; at += 4) target.writeUInt32LE(BASE_STAMP, at);
    return end - offset;
  },
};
const view = frozen === undefined ? new OverlayView(shared, base) : new FrozenOverlay(frozen, base);
const failures = [];
const bytes = Buffer.alloc(MAX_PAGES * PAGE);
let seed = 1;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
};

/** The stamp that fills a page; undefined if it is not one alone. */
function stampOf(page) {
  const words = new Uint32Array(page.buffer, page.byteOffset, page.length / 4);
  return words.every((word) => word === words[0]) ? words[0] : undefined;
}

parentPort.postMessage('ready');
while (Atomics.load(control, 0) === 0 && failures.length === 0) {
  const first = random(pageCount);
  const target = bytes.subarray(0, (1 + random(MAX_PAGES)) * PAGE);
  const least = [];
  for (let page = 0; page < target.length / PAGE; page++) {
    least.push(Atomics.load(answered, Math.min(first + page, pageCount - 1)));
  }
  const count = view.readInto(first * PAGE, target);
  if (count % PAGE !== 0) failures.push(`${count} bytes are no whole pages`);
  for (let at = 0; at < count; at += PAGE) {
    const stamp = stampOf(target.subarray(at, at + PAGE));
    const page = first + at / PAGE;
    if (stamp === undefined) failures.push(`page ${page} has two stamps`);
    else if (frozen !== undefined && stamp !== answered[page])
      failures.push(`page ${page} is of another moment`);
    else if (stamp < least[at / PAGE]) failures.push(`page ${page} lost what was answered`);
  }
  Atomics.add(control, 1, 1);
}
view.close();
parentPort.postMessage(failures);
