import { asHexzError, errorTable, type HexzError } from '../errors.js';
import type { Engine } from './engine.js';

/** Where an engine tells what a person should know while it serves. */
export interface EngineLog {
  info(text: string): void;
  warning(text: string): void;
  error(error: HexzError): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const CRASH_LIMIT_MILLISECONDS = 1000;
const RETRY_MILLISECONDS = 500;

/**
 * Keeps this process serving a mount until its end, and answers with the exit status.
 *
 *   event                        what happens
 *   signal before it is ready    ends as soon as it is, without saying so
 *   unmounted by whomever        ends
 *   first signal, mount unused   unmounts and ends
 *   first signal, mount in use   says who uses it, goes on until nobody does, and ends
 *   a signal after that          detaches and ends; who uses it gets errors
 *   a bug                        detaches and ends within a second, status 70; the overlay stays as after a kill
 *
 * @param start begins to make the mount; signals are watched for before
 * @throws HexzError with which `start` rejects
 */
export async function serve(
  start: () => Promise<Engine>,
  log: EngineLog,
  onReady: (engine: Engine) => void,
): Promise<number> {
  let engine: Engine | undefined;
  const signals: NodeJS.Signals[] = [];
  let isBusy = false;
  /** A second signal counts once it was said that the mount is in use: impatience shall not cost data. */
  const onSignal = (signal: NodeJS.Signals): void => {
    signals.push(signal);
    if (engine === undefined) return;
    if (isBusy) engine.abandon().catch((error) => log.error(asHexzError(error)));
    else if (signals.length === 1) void endWhenUnused(engine, signal);
  };
  const endWhenUnused = async (mounted: Engine, signal: NodeJS.Signals): Promise<void> => {
    try {
      await mounted.unmount({ isLazy: false });
    } catch (error) {
      const hexzError = asHexzError(error);
      if (!isBusy) {
        log.error(hexzError);
        log.info(`it ends when nobody uses it any more; another ${signal} ends it at once`);
      }
      isBusy = true;
      setTimeout(() => void endWhenUnused(mounted, signal), RETRY_MILLISECONDS).unref();
    }
  };
  const onBug = (cause: unknown): void => {
    log.error(asHexzError(cause));
    const exit = () => process.exit(errorTable.INTERNAL.exitStatus);
    setTimeout(exit, CRASH_LIMIT_MILLISECONDS);
    if (engine === undefined) exit();
    else engine.unmount({ isLazy: true }).then(exit, exit);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('uncaughtException', onBug);
  try {
    engine = await start();
    const [earlySignal] = signals;
    if (earlySignal !== undefined) void endWhenUnused(engine, earlySignal);
    else await orAbandon(engine, () => onReady(engine as Engine));
    return await statusAtEnd(engine, log);
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    process.removeListener('uncaughtException', onBug);
  }
}

/** A mount that nobody can be told of is not left behind. */
async function orAbandon(engine: Engine, action: () => void): Promise<void> {
  try {
    action();
  } catch (error) {
    await engine.abandon();
    throw error;
  }
}

async function statusAtEnd(engine: Engine, log: EngineLog): Promise<number> {
  try {
    await engine.ended;
    return 0;
  } catch (error) {
    const hexzError = asHexzError(error);
    log.error(hexzError);
    return hexzError.exitStatus;
  }
}
