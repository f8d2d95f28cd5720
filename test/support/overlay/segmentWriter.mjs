// A thread that writes its segment of pages of another thread's overlay, or whole pages, and reads pages back, until it
// is told to stop. What it may not write it hands to the owner. Segments are filled with one number, which grows.
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { AttachedOverlay } from '../../../dist/engine/overlay/attachedOverlay.js';

const PAGE = 4096;
const WAIT_MS = 20_000;
const { shared, base, pageCount, segments, segment, isKept, answered, control, log } = workerData;

const SEGMENT = PAGE / segments;
/** Whole pages are everybody's. */
const numberOfSegments = isKept && segments > 1 ? segments : 0;
const overlay = new AttachedOverlay(shared, {
  path: '/base.hxz',
  length: base.length,
  identity: () => '',
  readInto(offset, target) {
    const bytes = base.subarray(offset, offset + target.length);
    target.set(bytes);
    return bytes.length;
  },
});
let seed = segment + 1;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
};
const failures = [];
let handedOver = 0;
const words = new Uint32Array((8 * PAGE) / 4);
const page = Buffer.alloc(PAGE);

function write(offset, bytes, stamp) {
  if (overlay.tryWrite(offset, bytes) !== undefined) return;
  handedOver++;
  Atomics.store(control, 1 + segment, 0);
  parentPort.postMessage({ segment, offset, length: bytes.length, stamp });
  if (Atomics.wait(control, 1 + segment, 0, WAIT_MS) === 'timed-out') failures.push('not written');
}

function check(pageIndex) {
  const least = [];
  for (let other = 0; other < numberOfSegments; other++) {
    least.push(Atomics.load(answered, other * pageCount + pageIndex));
  }
  const count = overlay.readInto(pageIndex * PAGE, page);
  const found = new Uint32Array(page.buffer, page.byteOffset, count / 4);
  for (let at = 0; at < count; at += SEGMENT) {
    const part = found.subarray(at / 4, (at + SEGMENT) / 4);
    const [stamp] = part;
    const where = `segment ${at / SEGMENT} of page ${pageIndex}`;
    if (part.some((word) => word !== stamp)) failures.push(`${where} has two stamps`);
    else if (stamp < least[at / SEGMENT]) failures.push(`${where} lost what was answered`);
  }
}

parentPort.postMessage('ready');
for (let round = 1; Atomics.load(control, 0) === 0 && failures.length === 0; round++) {
  const first = random(pageCount);
  const count = segments === 1 ? Math.min(1 + random(8), pageCount - first) : 1;
  const stamp = segments === 1 ? round * 8 + segment : round;
  const bytes = words.subarray(0, (count * SEGMENT) / 4).fill(stamp);
  const offset = first * PAGE + (segments === 1 ? 0 : segment * SEGMENT);
  write(offset, Buffer.from(bytes.buffer, 0, bytes.byteLength), stamp);
  if (segments > 1) Atomics.store(answered, segment * pageCount + first, stamp);
  if (log !== undefined) writeSync(log, Buffer.from(Uint32Array.of(segment, first, stamp).buffer));
  Atomics.add(control, 5 + segment, 1);
  check(random(pageCount));
}
overlay.close();
parentPort.postMessage({ failures, handedOver });
