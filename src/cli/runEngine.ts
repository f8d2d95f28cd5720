import { Engine } from '../engine/process/engine.js';
import type { EngineEntry } from '../engine/process/registry.js';
import { serve } from '../engine/process/serve.js';
import type { EngineSettings } from '../engine/process/settings.js';
import { startDaemon } from '../engine/process/start.js';
import type { ReadOptions } from './arguments.js';
import { foregroundLog, say, warn } from './engineReport.js';
import { goOnWithoutOutput, printJson, toJsonText } from './output.js';
import { openWithPasswords } from './password.js';

export interface RunOptions extends ReadOptions {
  readonly daemon?: boolean;
  readonly json?: boolean;
}

/** What a command says of the engine that it runs. */
export interface EngineTold {
  readonly document: (entry: EngineEntry) => Record<string, unknown>;
  /** What stands behind "ready:". */
  readonly sentence: (entry: EngineEntry) => string;
  /** What ends one in the foreground: "Ctrl+C unmounts". */
  readonly ending: string;
  /** What ends a daemon, where that is not said elsewhere. */
  readonly daemonEnding?: (entry: EngineEntry) => string;
}

/**
 * Runs an engine: as a daemon, or here until it has ended. Answers with the exit status.
 *
 * @throws HexzError of the snapshot, and of what the engine meets
 */
export async function runEngine(
  path: string,
  settings: EngineSettings,
  options: RunOptions,
  { document, sentence, ending, daemonEnding }: EngineTold,
): Promise<number> {
  const { snapshot, passwords } = await openWithPasswords(path, options);
  if (options.daemon === true) {
    // The daemon opens it for itself; here it was to be found out whether that can work.
    snapshot.close();
    const { entry, warnings, logPath, errorLogPath } = await startDaemon({ settings, passwords });
    warnings.forEach(warn);
    if (options.json === true) {
      printJson({ ...document(entry), warnings, log: logPath, errorLog: errorLogPath });
      return 0;
    }
    say(`ready: ${sentence(entry)}, served by process ${entry.pid}`);
    say(`log: ${logPath}, ${errorLogPath}`);
    if (daemonEnding !== undefined) say(daemonEnding(entry));
    return 0;
  }
  goOnWithoutOutput();
  return serve(
    () => Engine.start(snapshot, settings, { passwords, onError: foregroundLog.error }),
    foregroundLog,
    ({ entry, warnings }) => {
      warnings.forEach(warn);
      if (options.json !== true) say(`ready: ${sentence(entry)}; ${ending}`);
      // It is a stream: one document a line.
      else say(toJsonText({ state: 'ready', ...document(entry), warnings }));
    },
  );
}
