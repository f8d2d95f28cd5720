import { parentPort, workerData } from 'node:worker_threads';
import type { SharedFrozenInstant } from '../src/engine/overlay/frozenInstant.js';
import { FrozenOverlay } from '../src/engine/overlay/frozenOverlay.js';
import { baseDiskOf } from '../src/engine/volume/volume.js';
import { commitFrozen } from '../src/engine/write/commit.js';
import { openSnapshot } from '../src/index.js';

/* Commits a frozen overlay of another thread, tells how many seconds that took, and ends. */

interface Order {
  readonly basePath: string;
  readonly output: string;
  readonly shared: SharedFrozenInstant;
}

const { basePath, output, shared } = workerData as Order;
const base = openSnapshot(basePath);
const frozen = new FrozenOverlay(shared, baseDiskOf(base));
const { seconds } = await commitFrozen(base, frozen, { output });
frozen.close();
base.close();
parentPort?.postMessage(seconds);
