import { Engine } from '../engine/process/engine.js';
import type { EngineEntry } from '../engine/process/registry.js';
import { serve } from '../engine/process/serve.js';
import { settingsOf } from '../engine/process/settings.js';
import { startDaemon } from '../engine/process/start.js';
import type { ReadOptions } from './arguments.js';
import { describeMode, foregroundLog, say, warn } from './engineReport.js';
import { goOnWithoutOutput, printJson, toJsonText } from './output.js';
import { openWithPasswords } from './password.js';

export interface MountCommandOptions extends ReadOptions {
  readonly overlay?: string;
  readonly daemon?: boolean;
  readonly rw?: boolean;
  readonly uid?: number;
  readonly gid?: number;
  readonly allowOther?: boolean;
  readonly backend?: string;
  readonly writeback?: boolean;
  readonly force?: boolean;
  readonly nbd?: boolean;
  readonly partition?: number;
}

/** `hexz mount SNAP MOUNTPOINT [...]`; in the foreground it answers with the exit status when the mount has ended. */
export async function mount(
  path: string,
  mountpoint: string,
  options: MountCommandOptions,
): Promise<number> {
  const { nbd = false, ...others } = options;
  const settings = settingsOf({
    ...others,
    asDevice: nbd,
    snapshot: path,
    mountpoint,
    parentDirectories: options.parentDir ?? [],
  });
  const { snapshot, passwords } = await openWithPasswords(path, options);
  if (options.daemon === true) {
    // The daemon opens it for itself; here it was to be found out whether that can work.
    snapshot.close();
    const { entry, warnings, logPath, errorLogPath } = await startDaemon({ settings, passwords });
    warnings.forEach(warn);
    if (options.json === true) {
      printJson({ ...describe(entry), warnings, log: logPath, errorLog: errorLogPath });
    } else {
      say(`ready: ${sentenceOf(entry)}, served by process ${entry.pid}`);
      say(`log: ${logPath}, ${errorLogPath}`);
    }
    return 0;
  }
  goOnWithoutOutput();
  return serve(
    () => Engine.start(snapshot, settings, { passwords, onError: foregroundLog.error }),
    foregroundLog,
    ({ entry, warnings }) => {
      warnings.forEach(warn);
      if (options.json !== true) say(`ready: ${sentenceOf(entry)}; Ctrl+C unmounts`);
      // A mount is a stream: one document a line.
      else say(toJsonText({ state: 'ready', ...describe(entry), warnings }));
    },
  );
}

function describe(entry: EngineEntry): Record<string, unknown> {
  const { pid, mountpoint, snapshot, mode, overlay, isTemporaryOverlay, backend, startedAt } =
    entry;
  const device = entry.device?.path ?? null;
  return {
    pid,
    mountpoint,
    snapshot,
    mode,
    overlay,
    isTemporaryOverlay,
    backend,
    device,
    startedAt,
  };
}

const sentenceOf = (entry: EngineEntry): string =>
  `${entry.snapshot} at ${entry.mountpoint} ${describeMode(entry)}`;
