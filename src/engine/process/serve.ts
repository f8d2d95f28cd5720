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

/**
 * Keeps this process serving a mount until its end, and answers with the exit status.
 *
 *   event                        what happens
 *   signal before it is ready    ends as soon as it is, without saying so
 *   unmounted by whomever        ends
 *   first signal, mount unused   unmounts and ends
 *   first signal, mount in use   goes on, and says who uses it
 *   second signal                detaches and ends; who uses it gets errors
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
  const end = (signal: NodeJS.Signals): void => {
    const ending = signals.length > 1 ? engine?.abandon() : engine?.unmount({ isLazy: false });
    ending?.catch((error) => {
      log.error(asHexzError(error));
      log.info(`the mount goes on; another ${signal} ends it for those who use it, too`);
    });
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    signals.push(signal);
    end(signal);
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
    if (earlySignal === undefined) onReady(engine);
    else end(earlySignal);
    return await statusAtEnd(engine, log);
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    process.removeListener('uncaughtException', onBug);
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
