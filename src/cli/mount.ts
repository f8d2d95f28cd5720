import type { EngineEntry } from '../engine/process/registry.js';
import { settingsOf } from '../engine/process/settings.js';
import { describeMode } from './engineReport.js';
import { type RunOptions, runEngine } from './runEngine.js';

export interface MountCommandOptions extends RunOptions {
  readonly overlay?: string;
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
  return runEngine(path, settings, options, {
    document: describe,
    sentence: sentenceOf,
    ending: 'Ctrl+C unmounts',
  });
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
