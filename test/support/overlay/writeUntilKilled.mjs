// Opens an overlay, which several threads write then, noting every answered write in a file, until this process is
// killed. `attachedKill.test.ts` starts it.
import { openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Overlay } from '../../../dist/engine/overlay/overlay.js';

const { path, logPath, pageCount, threads } = JSON.parse(process.argv[2]);
const bytes = new Uint8Array(new SharedArrayBuffer(pageCount * 4096));
new Uint32Array(bytes.buffer).fill(1);
const base = {
  path: '/base.hxz',
  length: bytes.length,
  identity: () => 'identity of the base',
  readInto(offset, target) {
    const found = bytes.subarray(offset, offset + target.length);
    target.set(found);
    return found.length;
  },
};
const overlay = Overlay.open({ path, base, access: 'write' });
const log = openSync(logPath, 'a');
const countersOf = (count) => new Int32Array(new SharedArrayBuffer(count * 4));
const common = {
  ...{ shared: overlay.share(), base: bytes, pageCount, segments: 4, isKept: true, log },
  ...{ answered: countersOf(4 * pageCount), control: countersOf(16) },
};
const program = new URL('./segmentWriter.mjs', import.meta.url);
for (let segment = 0; segment < threads; segment++) {
  new Worker(program, { workerData: { ...common, segment } });
}
for (;;) await overlay.sync();
