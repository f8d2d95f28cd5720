import { Worker } from 'node:worker_threads';
import { HexzError } from '../errors.js';
import { answerCalls, type Callable, callsTo } from './calls.js';
import type { ControlCommands, EngineCommands } from './commands.js';
import type { JobSetting } from './jobMessages.js';
import type { ReviewPlace } from './reviewKeeper.js';

/** What the control thread is told when it starts. */
export interface ControlSetting {
  /** Where it listens; nothing is there yet. */
  readonly socketPath: string;
  readonly job: JobSetting;
  /** Length of the disk of the snapshot, in bytes. */
  readonly baseLength: number;
  /** Where the review is kept; undefined without an overlay. */
  readonly review: ReviewPlace | undefined;
  /** Whether it takes the place of one that has met a bug. */
  readonly isSuccessor: boolean;
}

/** The first word of the control thread. */
export type ControlGreeting =
  | { readonly listening: true }
  | { readonly listening: false; readonly reason: string };

/** The control thread, from the thread that serves. */
export interface ControlServer {
  readonly socketPath: string;
  readonly commands: Callable<ControlCommands>;
  /** Resolves when it has ended: by `close`, or with the bug that ended it. */
  readonly ended: Promise<Error | undefined>;
  /** Ends it; answers that watchers wait for are given first. */
  close(): Promise<void>;
}

/**
 * Starts the thread that answers watchers. It keeps the process going no longer than something else does.
 *
 * @param engine what watchers may have the serving thread do
 * @throws HexzError REGISTRY_UNUSABLE when the socket cannot be made
 */
export async function startControlServer(
  setting: ControlSetting,
  engine: EngineCommands,
): Promise<ControlServer> {
  const worker = new Worker(new URL('./serverWorker.js', import.meta.url), {
    workerData: setting,
  });
  const ended = new Promise<Error | undefined>((resolve) => {
    let bug: Error | undefined;
    worker.once('error', (error) => {
      bug = error;
    });
    worker.once('exit', () => resolve(bug));
  });
  answerCalls(worker, engine);
  const commands = callsTo<ControlCommands>(worker, ended);
  const greeting = new Promise<ControlGreeting>((resolve) => {
    worker.on('message', (message: ControlGreeting | object) => {
      if ('listening' in message) resolve(message);
    });
  });
  const answer = await Promise.race([greeting, ended]);
  if (answer === undefined || answer instanceof Error || !answer.listening) {
    await worker.terminate();
    const reason = answer instanceof Error ? answer.message : answer?.reason;
    throw new HexzError(
      'REGISTRY_UNUSABLE',
      `cannot listen for watchers: ${reason ?? 'the thread that would has ended'}`,
      { location: { file: setting.socketPath } },
    );
  }
  worker.unref();
  return {
    socketPath: setting.socketPath,
    commands,
    ended,
    async close() {
      worker.ref();
      await Promise.race([commands.close().catch(() => {}), ended]);
      await worker.terminate();
    },
  };
}
