// A process that uses a mounted disk: for a while it does what it is asked, and reports.

import { DiskReader } from './diskReader.js';
import { DiskWriter } from './diskWriter.js';
import type { Report, Task } from './task.js';

/** What operations fail with once the engine was killed; the last one where it dies with a request in its hands. */
const CODES_OF_DEAD_MOUNTS = ['ENOTCONN', 'ECONNABORTED', 'EIO'];

process.on('message', (task: Task) => process.send?.(perform(task)));
process.send?.('ready');

function perform(task: Task): Report {
  const end = performance.now() + task.milliseconds;
  let user: DiskReader | DiskWriter | undefined;
  let operations = 0;
  let isDead = false;
  let failure: string | undefined;
  try {
    user = task.kind === 'read' ? new DiskReader(task) : new DiskWriter(task);
    for (; performance.now() < end; operations++) user.step();
  } catch (error) {
    isDead = CODES_OF_DEAD_MOUNTS.includes(String((error as NodeJS.ErrnoException).code));
    const history = user?.history.join(', ') ?? '';
    failure = `${error instanceof Error ? error.message : error}; last of: ${history}`;
  }
  user?.finish();
  const diskLength = task.kind === 'write' ? (user?.diskLength ?? task.diskLength) : undefined;
  const { inFlight, unsynced = [] } = user ?? {};
  return { operations, isDead, failure, diskLength, inFlight, unsynced };
}
