import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromPortable, HexzError } from '../errors.js';
import { openLog } from './log.js';
import type { MountEntry } from './registry.js';
import type { EngineMessage, EngineRequest } from './settings.js';

/** An engine in a process of its own, which serves. */
export interface StartedEngine {
  readonly process: ChildProcess;
  readonly entry: MountEntry;
  readonly warnings: readonly string[];
}

const program = fileURLToPath(new URL('./engineMain.js', import.meta.url));

/**
 * Starts an engine that this process may leave behind: in a session of its own, working from `/`.
 *
 * @returns when its mount is ready; with the paths of its logs
 * @throws HexzError with which the engine failed; MOUNT_FAILED if it ended otherwise
 */
export async function startDaemon(
  request: Omit<EngineRequest, 'reportsTo'>,
): Promise<StartedEngine & { logPath: string; errorLogPath: string }> {
  const log = openLog('hexz', 'log');
  try {
    const errorLog = openLog('hexz', 'err');
    try {
      const stdio: StdioOptions = ['ignore', log.descriptor, errorLog.descriptor, 'ipc'];
      const engine = await start({ ...request, reportsTo: 'log' }, stdio, errorLog.path, () => {});
      engine.process.unref();
      return { ...engine, logPath: log.path, errorLogPath: errorLog.path };
    } finally {
      closeSync(errorLog.descriptor);
    }
  } finally {
    closeSync(log.descriptor);
  }
}

/**
 * Starts an engine that unmounts when this process ends.
 *
 * @param onError told of what the mount meets, also before it is ready
 * @throws HexzError as `startDaemon`
 */
export function startChild(
  request: Omit<EngineRequest, 'reportsTo'>,
  onError: (error: HexzError) => void,
): Promise<StartedEngine> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'inherit', 'ipc'];
  return start({ ...request, reportsTo: 'parent' }, stdio, 'standard error', onError);
}

async function start(
  request: EngineRequest,
  stdio: StdioOptions,
  errorsAreIn: string,
  onError: (error: HexzError) => void,
): Promise<StartedEngine> {
  // Passwords come in the request; nobody shall find one in the environment of a daemon.
  const { HEXZ_PASSWORD: _, ...env } = process.env;
  const child = spawn(process.execPath, [program], { cwd: '/', env, detached: true, stdio });
  return new Promise((resolve, reject) => {
    const onEnd = (status: number | null, signal: NodeJS.Signals | null) => {
      const how = signal === null ? `with status ${status}` : `by ${signal}`;
      reject(
        new HexzError('MOUNT_FAILED', `the engine ended ${how} before its mount was ready`, {
          hint: `${errorsAreIn} may say why`,
        }),
      );
    };
    child.on('error', (cause) => {
      reject(new HexzError('MOUNT_FAILED', `cannot start the engine: ${cause.message}`, { cause }));
    });
    child.once('exit', onEnd);
    child.on('message', (message: EngineMessage) => {
      if (message.type === 'error') onError(fromPortable(message.error));
      if (message.type === 'failed') reject(fromPortable(message.error));
      if (message.type !== 'ready') return;
      child.removeListener('exit', onEnd);
      const { entry, warnings } = message;
      resolve({ process: child, entry, warnings });
    });
    child.send(request);
  });
}
