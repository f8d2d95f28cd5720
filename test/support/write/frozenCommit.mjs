// A thread that commits a frozen overlay of another thread, until it is told to stop.
import { parentPort, workerData } from 'node:worker_threads';
import { FrozenOverlay } from '../../../dist/engine/overlay/frozenOverlay.js';
import { Selection } from '../../../dist/engine/overlay/selection.js';
import { openSnapshot } from '../../../dist/engine/snapshot/open.js';
import { baseDiskOf } from '../../../dist/engine/volume/volume.js';
import { commitFrozen } from '../../../dist/engine/write/commit.js';

const { base, shared, selection, options, gate } = workerData;
const abort = new AbortController();
parentPort.once('message', () => abort.abort());

const snapshot = openSnapshot(base);
const frozen = new FrozenOverlay(shared, baseDiskOf(snapshot));
try {
  const report = await commitFrozen(snapshot, frozen, {
    ...options,
    selection: selection === undefined ? undefined : Selection.parse(selection, 'selection'),
    signal: abort.signal,
    onProgress({ phase }) {
      parentPort.postMessage({ phase });
      // Until the other thread has done what it wanted to do meanwhile.
      Atomics.wait(gate, 0, 0, 10_000);
    },
  });
  parentPort.postMessage({ report });
} catch (error) {
  parentPort.postMessage({ error: error.code ?? error.name });
} finally {
  frozen.close();
  snapshot.close();
  parentPort.close();
}
