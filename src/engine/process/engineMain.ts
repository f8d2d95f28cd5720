import { pino } from 'pino';
import { asHexzError, toPortable } from '../errors.js';
import { openSnapshot } from '../snapshot/open.js';
import { Engine } from './engine.js';
import { appendToLog } from './log.js';
import { type EngineLog, serve } from './serve.js';
import type { EngineMessage, EngineRequest, EngineSettings, UnmountRequest } from './settings.js';
import { removeScratch } from './sweep.js';
import { makeTemporaryMountpoint } from './temporaryMountpoint.js';

/**
 * The program of an engine that has a process of its own. The process that starts it sends one request and
 * gets `ready` or `failed`. A daemon then lets go of it and writes a log; another engine goes on reporting
 * to it, unmounts when told to, and when it is gone.
 */
process.once('message', (request: EngineRequest) => {
  void run(request);
});

async function run(request: EngineRequest): Promise<void> {
  const isDaemon = request.reportsTo === 'log';
  const log = isDaemon ? fileLog() : parentLog;
  let served: Engine | undefined;
  const onReady = (engine: Engine): void => {
    served = engine;
    const { entry, warnings } = engine;
    const where =
      entry.mountpoint === null ? 'served without a mount' : `mounted at ${entry.mountpoint}`;
    log.info(`${entry.snapshot} is ${where} (${entry.mode})`);
    warnings.forEach(log.warning);
    if (!process.connected) {
      log.info('the process that wanted the mount has ended before it was ready');
      abandon(engine);
    } else if (isDaemon) {
      void send({ type: 'ready', entry, warnings }).then(() => process.disconnect?.());
    } else {
      void send({ type: 'ready', entry, warnings });
      obeyParent(engine);
    }
  };
  let status: number;
  let { settings } = request;
  try {
    settings = withMountpoint(settings);
    status = await serve(() => start({ ...request, settings }, log), log, onReady);
    const { mountpoint, snapshot } = settings;
    if (served?.keptOverlay !== undefined) {
      // Whoever wanted to know may be gone, and with him the terminal.
      (isDaemon ? log.info : appendToLog)(`the overlay is kept: ${served.keptOverlay}`);
    }
    log.info(mountpoint === undefined ? `${snapshot} is closed` : `${mountpoint} is unmounted`);
  } catch (error) {
    const hexzError = asHexzError(error);
    log.error(hexzError);
    await send({ type: 'failed', error: toPortable(hexzError) });
    status = hexzError.exitStatus;
  }
  removeScratchOf(settings);
  // Whoever still has a file of the mount open keeps libfuse at work, and that this process.
  process.exit(status);
}

/** Made here and not by who wants it: he may be killed at any moment. */
function withMountpoint(settings: EngineSettings): EngineSettings {
  if (settings.hasTemporaryMountpoint !== true) return settings;
  const mountpoint = makeTemporaryMountpoint();
  return { ...settings, mountpoint, scratchDirectory: mountpoint };
}

async function start({ settings, passwords }: EngineRequest, log: EngineLog): Promise<Engine> {
  const snapshot = openSnapshot(settings.snapshot, openOptions(settings, passwords));
  return Engine.start(snapshot, settings, { passwords, onError: log.error });
}

const openOptions = (
  { cacheBytes, parentDirectories }: EngineSettings,
  passwords: readonly string[],
) => ({ passwords, parentDirectories, ...(cacheBytes === undefined ? {} : { cacheBytes }) });

function obeyParent(engine: Engine): void {
  process.on('message', ({ isLazy }: UnmountRequest) => {
    engine.unmount({ isLazy }).then(
      () => send({ type: 'detached' }),
      (error) => send({ type: 'kept', error: toPortable(asHexzError(error)) }),
    );
  });
  process.on('disconnect', () => {
    if (engine.entry.lease === 'mount') abandon(engine);
  });
}

function removeScratchOf({ scratchDirectory }: EngineSettings): void {
  try {
    if (scratchDirectory !== undefined) removeScratch(scratchDirectory);
  } catch {
    // Whoever made it finds out; there may be nobody left to be told.
  }
}

/** Where the mount cannot be taken away, it goes on, and hexz status lists it. */
function abandon(engine: Engine): void {
  engine.abandon().catch(() => {});
}

function send(message: EngineMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected && process.send !== undefined) process.send(message, () => resolve());
    else resolve();
  });
}

/** Errors of a running mount go to the parent; the rest it knows or does not need. */
const parentLog: EngineLog = {
  info: () => {},
  warning: () => {},
  error: (error) => void send({ type: 'error', error: toPortable(error) }),
};

/** JSON lines on standard output, which is the log file. */
function fileLog(): EngineLog {
  const logger = pino(pino.destination({ fd: 1, sync: true }));
  // A full disk behind the log is no reason to stop serving.
  const attempt = (write: () => void) => {
    try {
      write();
    } catch {
      // Nobody is left to be told.
    }
  };
  return {
    info: (text) => attempt(() => logger.info(text)),
    warning: (text) => attempt(() => logger.warn(text)),
    error: (error) => attempt(() => logger.error({ error }, error.toLine())),
  };
}
