import { parentPort, workerData } from 'node:worker_threads';
import { asHexzError, toPortable } from '../../errors.js';
import { FileSystem } from '../fileSystem.js';
import { REPLY_BYTES, RequestReader, type Served } from './requestReader.js';
import { loadSystemCalls } from './systemCalls.js';
import type { ServeOrder, WorkerMessage, WorkerSetting } from './workerMessages.js';

/*
 * A thread that serves a mount: it fetches requests from the kernel, answers reads and writes by a volume of its own, and
 * leaves everything else to the main thread. While it serves, nothing reaches it but the word that ends it.
 */

const port = parentPort;
if (port === null) throw new Error('this is the program of a thread');
const tell = (message: WorkerMessage, transfer: readonly ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

const { volume, diskTouch, stop } = workerData as WorkerSetting;

async function openServed(): Promise<Served | undefined> {
  if (volume === undefined) return undefined;
  const { openWorkerVolume } = await import('./workerVolume.js');
  const opened = openWorkerVolume(volume);
  // Only reads and writes are asked of it here.
  const fileSystem = new FileSystem(opened, {
    uid: 0,
    gid: 0,
    modifiedAt: new Date(0),
    diskTouch,
    onError: (operation, error) =>
      tell({ kind: 'trouble', operation, error: toPortable(asHexzError(error)) }),
  });
  return { fileSystem, reply: opened.snapshot.allocateTarget(REPLY_BYTES) };
}

try {
  const served = await openServed();
  const calls = loadSystemCalls();
  if (calls === undefined) throw new Error('koffi cannot be loaded');
  port.once('message', ({ descriptor, wakeDescriptor }: ServeOrder) => {
    const pass = (bytes: Uint8Array<ArrayBuffer>): void =>
      tell({ kind: 'request', bytes }, [bytes.buffer]);
    new RequestReader(calls, served, { descriptor, wakeDescriptor, stop, pass }).serve();
  });
  tell({ kind: 'opened' });
} catch (error) {
  tell({ kind: 'failed', error: toPortable(asHexzError(error)) });
}
