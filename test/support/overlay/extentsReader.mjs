// A thread that tells the extents of another thread's overlay, and its length, whenever it is asked.
import { parentPort, workerData } from 'node:worker_threads';
import { SharedDirtySet } from '../../../dist/engine/overlay/sharedOverlay.js';

const dirty = new SharedDirtySet(workerData);
parentPort.on('message', () => {
  parentPort.postMessage({ length: dirty.length, extents: [...dirty.extents()] });
});
