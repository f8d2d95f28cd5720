import { asHexzError, HexzError } from '../errors.js';
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
 *   unmounted by whomever        ends
 *   first signal, mount unused   unmounts and ends
 *   first signal, mount in use   goes on, and says who uses it
 *   second signal                detaches and ends; who uses it gets errors
 *   a bug                        detaches and ends within a second, status 70; the overlay stays as after a kill
 */
export async function serve(engine: Engine, log: EngineLog): Promise<number> {
  let isAsked = false;
  const onSignal = (signal: NodeJS.Signals) => {
    const end = isAsked ? engine.abandon() : engine.unmount({ isLazy: false });
    isAsked = true;
    end.catch((error) => {
      log.error(asHexzError(error));
      log.info(`the mount goes on; another ${signal} ends it for those who use it, too`);
    });
  };
  const onBug = (cause: unknown) => {
    log.error(asHexzError(cause));
    setTimeout(() => process.exit(bugStatus), CRASH_LIMIT_MILLISECONDS);
    const exit = () => process.exit(bugStatus);
    engine.unmount({ isLazy: true }).then(exit, exit);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('uncaughtException', onBug);
  try {
    await engine.ended;
    return 0;
  } catch (error) {
    const hexzError = asHexzError(error);
    log.error(hexzError);
    return hexzError.exitStatus;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    process.removeListener('uncaughtException', onBug);
  }
}

const bugStatus = new HexzError('INTERNAL', '').exitStatus;
