import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { asHexzError, type HexzError, toPortable } from '../errors.js';
import { BatchWindow } from './batchWindow.js';
import type { JobMessage, JobOrder, JobSetting } from './jobMessages.js';
import { JobContext } from './jobs/context.js';
import { isJobName, jobs } from './jobs/jobs.js';
import { JobOutput } from './jobs/output.js';

/*
 * A thread that reads, searches, compares and commits for watchers, one job after the other. It opens snapshot and
 * overlay for itself: the thread that serves the mount knows nothing of it.
 */

const port = parentPort;
if (port === null) throw new Error('this is the program of a thread');

// Of this thread alone: Linux has one for each. Where all cores are busy, reads of the mount come first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

type AnyJob = (context: JobContext, params: unknown, output: JobOutput<unknown>) => unknown;

const context = new JobContext(workerData as JobSetting);
let current: { readonly id: number; readonly abort: AbortController } | undefined;

port.on('message', (message: JobOrder | { readonly cancel: number }) => {
  if (!('cancel' in message)) void run(message);
  else if (current?.id === message.cancel) current.abort.abort();
});

async function run({ id, method, params, window }: JobOrder): Promise<void> {
  const abort = new AbortController();
  current = { id, abort };
  const tell = (message: JobMessage): void => port?.postMessage(message);
  const output = new JobOutput<unknown>(id, new BatchWindow(window), abort.signal, tell);
  try {
    if (!isJobName(method)) throw new Error(`no job is called ${method}`);
    const job = jobs[method] as AnyJob;
    const result = await job(context, params, output);
    output.flush();
    tell({ job: id, result: JSON.stringify(result) });
  } catch (error) {
    tell({ job: id, error: toPortable(lastWords(output, error)) });
  } finally {
    current = undefined;
  }
}

/** What was found before an error is told before it. */
function lastWords(output: JobOutput<never>, error: unknown): HexzError {
  if (output.signal.aborted) return output.cancelled();
  try {
    output.flush();
    return asHexzError(error);
  } catch (cancelled) {
    return asHexzError(cancelled);
  }
}
